"""The cost of keeping changes: WAL bytes a row, and a backfill with and without them.

Rows are recorded as a run records them, in groups, with ``keep_changes`` and without it
in turn. Slim ones change one field, wide ones twenty.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
from pathlib import Path

from syncengine.engine.recorder import MOST
from syncengine.model.calls import Action, OutcomeKind
from syncengine.model.change import ChangedField, ContactChange, Effect
from syncengine.model.contact import THIS_RUN, Known
from syncengine.model.work import ContactOutcome, Record, RunKind, Status
from syncengine.storage.connect import Pool, connect, open_pool
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.destinations import Identity
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.lease import Leases
from syncengine.storage.state.runs import start_run
from tests.benchmarks.contacts import create_source
from tests.benchmarks.measured import Measured, say, show
from tests.benchmarks.scratch import (
    configure,
    run_command,
    scratch_databases,
    served,
)

_ROWS = 5_000
"""Rows recorded in each round of each shape."""
_SHAPES = {"slim, 1 field": 1, "wide, 20 fields": 20}
_ACCOUNT = "benchmark"


async def measure(folder: Path, contacts: int, rounds: int) -> None:
    """Print both tables."""
    async with scratch_databases() as databases:
        dsn = await asyncio.to_thread(databases.create, migrated=True)
        async with open_pool(dsn) as pool:
            say(f"WAL of {_ROWS:,} rows, {rounds} rounds of each shape ...")
            _show_wal(await _wal(pool, rounds), rounds)
        await asyncio.to_thread(databases.drop, dsn)
        dsn = await asyncio.to_thread(databases.create, migrated=True)
        connection = await connect(dsn)
        await create_source(connection, contacts)
        await connection.close()
        await _backfill(folder, dsn, contacts, rounds)
        await asyncio.to_thread(databases.drop, dsn)


def _show_wal(taken: dict[str, list[float]], rounds: int) -> None:
    rows = [Measured(what, "bytes", values) for what, values in taken.items()]
    show(f"WAL of one change kept ({_ROWS:,} rows, {rounds} rounds)", rows)


async def _wal(pool: Pool, rounds: int) -> dict[str, list[float]]:
    """Return the bytes that a kept change adds to the WAL of a row, by its shape."""
    lease = await Leases(pool).acquire(_ACCOUNT, ttl=3600.0, settles_within=0.0)
    fence = Fence(pool, _ACCOUNT, lease.epoch)
    identity = Identity(_ACCOUNT, "respond_io", "https://example.org", {}, "nothing")
    taken: dict[str, list[float]] = {}
    for number in range(rounds):
        for shape, fields in _SHAPES.items():
            written: dict[bool, float] = {}
            for keeps in (number % 2 == 0, number % 2 == 1):
                run_id = await start_run(fence, "benchmark", identity, RunKind.SYNC)
                store = Contacts(
                    fence, "benchmark", run_id, numbered=True, keeps_changes=keeps
                )
                written[keeps] = await _bytes_written(pool, store, fields, number)
            taken.setdefault(shape, []).append((written[True] - written[False]) / _ROWS)
    return taken


async def _bytes_written(
    pool: Pool, store: Contacts, fields: int, number: int
) -> float:
    """Record all rows, and return how far the WAL came."""
    # No page image may be counted for one side alone.
    await pool.execute("VACUUM")
    await pool.execute("CHECKPOINT")
    before = await pool.fetchval("SELECT pg_current_wal_insert_lsn()")
    for start in range(0, _ROWS, MOST):
        records = [_record(each, fields, number) for each in range(start, start + MOST)]
        await store.record(1, records)
    written: float = await pool.fetchval(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::float8",
        before,
    )
    return written


def _record(number: int, fields: int, version: int) -> Record:
    values = {
        f"field_{each}": f"value {number} {version} of it" for each in range(fields)
    }
    changed = {
        name: ChangedField(value, f"value {number} before", is_old_known=True)
        for name, value in values.items()
    }
    external_id = f"contact-{number}"
    change = ContactChange(Effect.UPDATED, changed, external_id=external_id)
    return Record(
        str(number),
        Known(external_id, fields=values),
        Status.SYNCED,
        source_hash=number,
        outcome=ContactOutcome(OutcomeKind.APPLIED, (Action.UPDATE,), 1),
        changes={THIS_RUN: change},
    )


async def _backfill(folder: Path, dsn: str, contacts: int, rounds: int) -> None:
    """Send the same backfill with changes kept and with none, in turn."""
    vendor = "charles"
    cpu: dict[str, list[float]] = {"30d": [], "0": []}
    wal: dict[str, list[float]] = {"30d": [], "0": []}
    async with served(vendor) as url:
        configured = configure(folder / "changes", vendor, url, state=dsn)
        plain = configured.file.read_text(encoding="utf-8")
        for number in range(rounds):
            # Which of the two comes first changes from round to round.
            order = list(cpu) if number % 2 else list(reversed(cpu))
            for keep in order:
                say(f"{vendor}: round {number + 1}, keep_changes {keep} ...")
                configured.file.write_text(
                    plain.replace("{", f'{{"keep_changes": "{keep}", ', 1)
                    if keep != "0"
                    else plain.replace("{", '{"keep_changes": 0, ', 1),
                    encoding="utf-8",
                )
                shutil.rmtree(
                    configured.file.parent / ".syncengine", ignore_errors=True
                )
                connection = await connect(dsn)
                await connection.execute(
                    "TRUNCATE syncengine.sync_run, syncengine.sync_state, "
                    "syncengine.sync_known, syncengine.sync_key CASCADE"
                )
                await connection.execute("CHECKPOINT")
                before = await connection.fetchval("SELECT pg_current_wal_lsn()")
                report, took = await run_command(configured, "--backfill")
                if report["contacts"]["applied"] != contacts:
                    raise RuntimeError(f"the backfill did not go through: {report}")
                written = await connection.fetchval(
                    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)::float8", before
                )
                await connection.close()
                cpu[keep].append(took["cpu"] / contacts * 1e6)
                wal[keep].append(written / contacts)
    show(
        f"A backfill of {contacts:,} contacts with changes kept, next to one without "
        f"({rounds} interleaved rounds: min / median / max)",
        [
            Measured("CPU of the client a contact", "us", cpu["30d"], cpu["0"]),
            Measured("WAL a contact", "bytes", wal["30d"], wal["0"]),
        ],
    )
    more = statistics.median(wal["30d"]) - statistics.median(wal["0"])
    say(f"a created contact's change takes {more:.0f} bytes of WAL")
