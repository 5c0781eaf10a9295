"""A whole run over unchanged contacts, next to its floor in the same minute.

The floor is the bare hash scan of the same rows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncengine.app.databases import inspect_source, source_spec
from syncengine.config.loading import load_config
from syncengine.storage.connect import connect, open_pool
from tests.benchmarks.contacts import COLUMNS, create_source, put_in_step
from tests.benchmarks.measured import Measured, say, show
from tests.benchmarks.scratch import (
    DESTINATION,
    Configured,
    configure,
    run_command,
    scratch_databases,
)
from tests.support.databases import Databases

_AIM, _AIM_MEMORY = 1.6, 80.0
_NOWHERE = "http://127.0.0.1:9"
"""Nothing is sent, so nobody has to listen."""


def main(arguments: list[str]) -> None:
    """Build the contacts, measure in interleaved rounds, and print the table.

    Takes a few minutes.
    """
    parser = argparse.ArgumentParser(prog="./run bench unchanged", description=__doc__)
    parser.add_argument(
        "--contacts", type=int, default=1_000_000, help="the default is %(default)s"
    )
    parser.add_argument(
        "--few",
        type=int,
        help="for comparing the memory; the default is a tenth of them",
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="the default is %(default)s"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            _measure(
                Path(folder),
                options.contacts,
                options.few or options.contacts // 10,
                options.rounds,
            )
        )


@dataclass(frozen=True, slots=True)
class _World:
    """Contacts in step, with the source beside the state and in another database."""

    contacts: int
    source: str
    beside: Configured
    apart: Configured


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds and peak megabytes, round by round."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)


async def _measure(folder: Path, contacts: int, few: int, rounds: int) -> None:
    floor: list[float] = []
    beside, apart, few_beside, few_apart = _Taken(), _Taken(), _Taken(), _Taken()
    async with scratch_databases() as databases:
        say(
            f"Building {contacts:,} and {few:,} contacts of {len(COLUMNS)} columns, "
            "twice each ..."
        )
        many, small = (
            await _build(databases, folder, contacts),
            await _build(databases, folder, few),
        )
        for number in range(rounds):
            say(f"Round {number + 1} of {rounds} ...")
            floor.append(await _hash_scan(many.source))
            await _run(beside, many.beside)
            await _run(apart, many.apart)
            await _run(few_beside, small.beside)
            await _run(few_apart, small.apart)
    show(
        f"A run over {contacts:,} unchanged contacts, {len(COLUMNS)} columns "
        f"({rounds} interleaved rounds: min / median / max)",
        [
            Measured(
                "whole run, source beside the state", "s", beside.seconds, floor, _AIM
            ),
            Measured(
                "whole run, source in another database", "s", apart.seconds, floor, _AIM
            ),
            Measured(
                "peak memory of the command, beside",
                "MB",
                beside.peaks,
                aim=_AIM_MEMORY,
            ),
            Measured(
                "peak memory of the command, apart", "MB", apart.peaks, aim=_AIM_MEMORY
            ),
            Measured(
                f"the same with {few:,}, beside",
                "MB",
                few_beside.peaks,
                aim=_AIM_MEMORY,
            ),
            Measured(
                f"the same with {few:,}, apart", "MB", few_apart.peaks, aim=_AIM_MEMORY
            ),
        ],
    )


async def _build(databases: Databases, folder: Path, contacts: int) -> _World:
    """Create a database with source and state in step, and another with the source.

    The state is copied in: what a diff reads of it is what a first run would have left.
    That the hashes are the engine's own shows in every run, which finds no difference.
    """
    here = await asyncio.to_thread(databases.create, migrated=True)
    elsewhere = await asyncio.to_thread(databases.create, migrated=False)
    beside = configure(folder / f"{contacts}-beside", "charles", _NOWHERE, state=here)
    apart = configure(
        folder / f"{contacts}-apart", "charles", _NOWHERE, state=here, source=elsewhere
    )
    for dsn in (here, elsewhere):
        connection = await connect(dsn)
        # One process a side: work is compared, not how many workers a planner uses.
        await connection.execute(
            "DO $$ BEGIN EXECUTE format("
            "'ALTER DATABASE %I SET max_parallel_workers_per_gather = 0', "
            "current_database()); END $$"
        )
        await create_source(connection, contacts)
        await connection.close()
    (destination,) = load_config(beside.file, {**os.environ, **beside.environ}).chosen(
        ()
    )
    async with open_pool(here) as pool:
        source = await inspect_source(destination, pool)
        async with pool.acquire() as pooled:
            await put_in_step(pooled, pooled, source, destination=DESTINATION)
            await pooled.execute("CHECKPOINT")
    assert source.spec == source_spec(destination)
    return _World(contacts, here, beside, apart)


async def _hash_scan(dsn: str) -> float:
    """The floor: a sequential scan that hashes every column and keeps nothing."""
    connection = await connect(dsn)
    try:
        await connection.execute("SET jit = off")
        began = time.perf_counter()
        columns = ", ".join(COLUMNS)
        await connection.fetchval(
            f"SELECT count(hash_record_extended(ROW({columns}), 0)) FROM crm.contacts"
        )
        return time.perf_counter() - began
    finally:
        await connection.close()


async def _run(taken: _Taken, configured: Configured) -> None:
    # Accepted because the two sources take turns over one state.
    report, took = await run_command(configured, "--accept", "database")
    _require_silence(report)
    taken.seconds.append(took["seconds"])
    taken.peaks.append(took["peak"])


def _require_silence(report: dict[str, Any]) -> None:
    found = report["status"], report["contacts"]["changed"], report["requests"]
    if found != ("done", 0, 0):
        raise RuntimeError(f"a run over unchanged contacts was not silent: {report}")
