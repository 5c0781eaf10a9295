"""Status of destinations, as the state knows it right now (``syncengine status``)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import asyncpg
import orjson

from syncengine.model.alerts import AlertKind, Concern
from syncengine.model.progress import snapshot_from
from syncengine.model.reports import RunStatus, present_status
from syncengine.model.status import LastRun, LeaseHolder, StatusReport
from syncengine.model.work import RunKind, Standing
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.failures import SEND_NOTHING
from syncengine.storage.statements import statements

_SQL = statements("status")
Makings = Mapping[str, Callable[[Iterable[str]], Iterator[tuple[str, str]]]]
"""By destination: given parts of a mapping, by their names in the notes of an undo,
yields each with a fingerprint of how it is made now."""


async def read_status(
    pool: Pool, destinations: Sequence[tuple[str, str]], makings: Makings
) -> list[StatusReport]:
    """Return the status of these destinations, given with their accounts, in order.

    ``makings`` tells how what was taken back is mapped by now, for the destinations
    whose mapping is known. Raises StorageError.
    """
    names = [name for name, _ in destinations]
    accounts = [account for _, account in destinations]
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["status"], names, accounts, list(SEND_NOTHING)
        )
        standing_rows = await connection.fetch(_SQL["standing"], names)
        alert_rows = await connection.fetch(_SQL["alerts"], names)
        held_parts = await connection.fetch(_SQL["held_parts"], names)
        as_mapped = _as_mapped(held_parts, makings)
        held_rows = await connection.fetch(
            _SQL["held_back"], names, list(makings), as_mapped
        )
        waiting_rows = await connection.fetch(_SQL["undelivered_alerts"], names)
    undelivered = {row["destination"]: row["number"] for row in waiting_rows}
    held_back = {row["destination"]: row["number"] for row in held_rows}
    alerts: defaultdict[str, dict[Concern, AlertKind]] = defaultdict(dict)
    for row in alert_rows:
        concern = Concern(row["concern"])
        alerts[row["destination"]][concern] = AlertKind(row["state"])
    standing: defaultdict[str, Counter[Standing]] = defaultdict(Counter)
    for row in standing_rows:
        standing[row["destination"]][Standing(row["standing"])] += row["number"]
    by_code = _by_code(standing_rows)
    found = {row["destination"]: row for row in rows}
    reports: list[StatusReport] = []
    for name, account in destinations:
        row = found[name]
        last_run = _last_run(row)
        progress = None
        if last_run is not None and last_run.status is RunStatus.RUNNING:
            progress = snapshot_from(orjson.loads(row["progress"] or "null"))
        report = StatusReport(
            destination=name,
            account=account,
            last_run=last_run,
            standing=standing[name],
            standing_codes=by_code[name],
            in_step=_in_step(row, last_run),
            whole_run=row["whole_run"],
            progress=progress,
            lease=_lease(row),
            open_erasures=row["erasures"],
            alerts=alerts[name],
            undelivered_alerts=undelivered.get(name, 0),
            held_back=held_back.get(name, 0),
        )
        reports.append(report)
    return reports


def _as_mapped(held_parts: Sequence[asyncpg.Record], makings: Makings) -> list[str]:
    """Return what was taken back, with how it is mapped by now, as JSON."""
    by_destination: defaultdict[str, list[str]] = defaultdict(list)
    for row in held_parts:
        by_destination[row["destination"]].append(row["name"])
    return [
        orjson.dumps([destination, name, making]).decode()
        for destination, names in by_destination.items()
        if destination in makings
        for name, making in makings[destination](names)
    ]


async def standing_by_code(
    pool: Pool, destination: str
) -> Mapping[Standing, Mapping[str, int]]:
    """Return the standing contacts of a destination that have a code, by reason.

    Raises StorageError.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["standing"], [destination])
    return _by_code(rows)[destination]


def _by_code(
    rows: Sequence[asyncpg.Record],
) -> defaultdict[str, dict[Standing, Counter[str]]]:
    """Return the numbers of standing contacts by destination, reason and code."""
    found: defaultdict[str, dict[Standing, Counter[str]]] = defaultdict(dict)
    for row in rows:
        if row["code"]:
            reason = Standing(row["standing"])
            codes = found[row["destination"]].setdefault(reason, Counter())
            codes[row["code"]] = row["number"]
    return found


def _in_step(row: asyncpg.Record, last_run: LastRun | None) -> bool | None:
    """Return whether the newest whole run, and each one since, did everything.

    None where that is not known.
    """
    sent_status = row["sent_status"]
    if sent_status is None or last_run is None:
        return None
    # The next run, of any kind, notes of one whose process is gone that it died.
    if sent_status == RunStatus.RUNNING and last_run.status is RunStatus.RUNNING:
        return None
    if sent_status == RunStatus.RUNNING or row["parts_fell_short"]:
        return False
    # That some contacts were brought in step says nothing of the others.
    if row["whole_status"] is None:
        return None
    return RunStatus(row["whole_status"]) is RunStatus.DONE


def _last_run(row: asyncpg.Record) -> LastRun | None:
    """Return the newest run in a row of the statement; None where there was none."""
    if row["run_id"] is None:
        return None
    totals = orjson.loads(row["totals"])
    contacts = totals.get("contacts")
    # Of a verification or an adoption, contacts are a list, and no numbers.
    if not isinstance(contacts, dict):
        contacts = {}
    return LastRun(
        run_id=row["run_id"],
        kind=RunKind(row["kind"]),
        status=present_status(RunStatus(row["status"]), holds_lease=row["holds_lease"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        contacts=contacts,
        error=row["error"],
    )


def _lease(row: asyncpg.Record) -> LeaseHolder | None:
    """Return who has the account's lease; None where nobody has."""
    if row["holder"] is None:
        return None
    return LeaseHolder(row["holder"], row["expires_at"])
