"""A diff of contacts that did not change, next to the bare hash scan of the same rows in the same minute."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from syncengine.storage.connect import connect
from syncengine.storage.inspect_source import inspect
from tests.benchmarks.contacts import COLUMNS, SPEC, create_source, put_in_step
from tests.databases import Databases, running_server

MANY, FEW = 1_000_000, 100_000
ROUNDS = 5
_AIM, _AIM_MEMORY = 1.6, 80.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds and peak megabytes, round by round."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)


async def main() -> None:
    """Build the contacts, measure in interleaved rounds, print the table. Takes a few minutes."""
    console = Console()
    with running_server(os.environ.get("SYNCENGINE_DATABASE_URL")) as server:
        databases = await asyncio.to_thread(Databases, server)
        try:
            console.print(f"Building {MANY:,} and {FEW:,} contacts of {len(COLUMNS)} columns, twice each ...")
            many, many_elsewhere = await _build(databases, MANY)
            few, few_elsewhere = await _build(databases, FEW)
            floor, beside, apart = Taken(), Taken(), Taken()
            small_beside, small_apart = Taken(), Taken()
            for number in range(1, ROUNDS + 1):
                console.print(f"Round {number} of {ROUNDS} ...")
                floor.seconds.append(await _hash_scan(many))
                await _diff(beside, many, many, MANY)
                await _diff(apart, many, many_elsewhere, MANY)
                await _diff(small_beside, few, few, FEW)
                await _diff(small_apart, few, few_elsewhere, FEW)
        finally:
            await asyncio.to_thread(databases.close)
    console.print(_table(floor, {"source beside the state": beside, "source in another database": apart}))
    console.print(
        f"Python's peak memory, largest of {ROUNDS}: "
        f"beside {max(small_beside.peaks):.0f} MB for {FEW:,} contacts and {max(beside.peaks):.0f} MB for {MANY:,}, "
        f"apart {max(small_apart.peaks):.0f} and {max(apart.peaks):.0f} MB (aim: below {_AIM_MEMORY:.0f} MB)"
    )


async def _build(databases: Databases, rows: int) -> tuple[str, str]:
    """A database with source and state in step, and another one with the same source."""
    here = await asyncio.to_thread(databases.create, migrated=True)
    elsewhere = await asyncio.to_thread(databases.create, migrated=False)
    for dsn in (here, elsewhere):
        connection = await connect(dsn)
        # One process a side: what is compared is work, not how many workers a planner hands out.
        await connection.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET max_parallel_workers_per_gather = 0',"
            " current_database()); END $$"
        )
        await create_source(connection, rows)
        if dsn == here:
            await put_in_step(connection, connection, await inspect(connection, SPEC))
        await connection.execute("CHECKPOINT")
        await connection.close()
    return here, elsewhere


async def _hash_scan(dsn: str) -> float:
    """The floor: a sequential scan that hashes every column and keeps nothing."""
    connection = await connect(dsn)
    try:
        await connection.execute("SET jit = off")
        began = time.perf_counter()
        hashed = f"SELECT count(hash_record_extended(ROW({', '.join(COLUMNS)}), 0)) FROM {SPEC.table}"  # noqa: S608
        await connection.fetchval(hashed)
        return time.perf_counter() - began
    finally:
        await connection.close()


async def _diff(taken: Taken, state: str, source: str, rows: int) -> None:
    """One diff in a fresh process, which is what a nightly run is."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.diff_once", state, source),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the diff ended with exit code {process.returncode}")
    result = json.loads(output)
    if (result["rows"], result["differing"]) != (rows, 0):
        raise RuntimeError(f"the diff compared {result['rows']} rows and found {result['differing']} differing")
    taken.seconds.append(result["seconds"])
    taken.peaks.append(result["peak"])


def _table(floor: Taken, ways: dict[str, Taken]) -> Table:
    table = Table(title=f"A diff of {MANY:,} unchanged contacts, {len(COLUMNS)} columns ({ROUNDS} interleaved rounds)")
    for heading in ("", "seconds", "times the floor", "aim"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("bare hash scan (the floor)", _spread(floor.seconds), "1", "")
    for name, taken in ways.items():
        ratios = [ours / least for ours, least in zip(taken.seconds, floor.seconds, strict=True)]
        table.add_row(name, _spread(taken.seconds), _spread(ratios), f"{_AIM}")
    return table


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    asyncio.run(main())
