"""An unthrottled backfill, next to its floor in the same minute.

The floor is the fewest lines of aiohttp that send the same requests.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from syncengine.storage.connect import connect
from tests.benchmarks import changes
from tests.benchmarks.contacts import COLUMNS, create_source
from tests.benchmarks.measured import Measured, say, show
from tests.benchmarks.scratch import (
    Configured,
    configure,
    forget,
    report_of,
    run_command,
    scratch_databases,
    served,
)

_AIM, _AIM_MEMORY = 1 / 0.6, 80.0
_REQUESTS = {"charles": 1, "respond_io": 3}
"""Requests a contact: one upsert; a look-up, a create and a tag call."""
_PART = {"charles": 1, "respond_io": 10}
"""The divisor of the contacts.

With it all stays below twenty-five minutes on two cores.
"""
_IN_FLIGHT = 8
"""The value as shipped."""


def main(arguments: list[str]) -> None:
    """Build the contacts, send them in interleaved rounds, and print the table.

    Takes a quarter of an hour.
    """
    parser = argparse.ArgumentParser(prog="./run bench backfill", description=__doc__)
    parser.add_argument(
        "--contacts",
        type=int,
        default=100_000,
        help="to charles, and a tenth of them to respond_io; the default is %(default)s",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="the default is %(default)s"
    )
    parser.add_argument(
        "--vendor", choices=sorted(_REQUESTS), help="only this one; the default is each"
    )
    parser.add_argument(
        "--changes",
        action="store_true",
        help="the cost of keep_changes instead: WAL a row, and 30d next to 0",
    )
    options = parser.parse_args(arguments)
    if options.changes:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(changes.measure(Path(folder), options.contacts, options.rounds))
        return
    vendors = [options.vendor] if options.vendor else sorted(_REQUESTS)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), options.contacts, options.rounds, vendors))


@dataclass(slots=True)
class _Taken:
    """Measurements round by round.

    Microseconds of CPU a request, requests a second, peak megabytes.
    """

    cpu: list[float] = field(default_factory=list)
    pace: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def note(self, took: dict[str, float], requests: int) -> None:
        self.cpu.append(took["cpu"] / requests * 1e6)
        self.pace.append(requests / took["seconds"])
        self.peaks.append(took["peak"])


async def _measure(
    folder: Path, contacts: int, rounds: int, vendors: list[str]
) -> None:
    async with scratch_databases() as databases:
        for vendor in vendors:
            fewer = max(1, contacts // _PART[vendor])
            dsn = await asyncio.to_thread(databases.create, migrated=True)
            connection = await connect(dsn)
            await create_source(connection, fewer)
            await connection.close()
            engine, bare = _Taken(), _Taken()
            async with served(vendor) as url:
                configured = configure(folder / vendor, vendor, url, state=dsn)
                for number in range(rounds):
                    say(f"{vendor}: round {number + 1} of {rounds} ...")
                    await _round(configured, dsn, vendor, url, fewer, engine, bare)
            await asyncio.to_thread(databases.drop, dsn)
            _show(vendor, fewer, rounds, engine, bare)


async def _round(
    configured: Configured,
    dsn: str,
    vendor: str,
    url: str,
    contacts: int,
    engine: _Taken,
    bare: _Taken,
) -> None:
    requests = contacts * _REQUESTS[vendor]
    await forget(configured, dsn)
    report, took = await run_command(configured, "--backfill")
    sent = report["status"], report["contacts"]["applied"], report["requests"]
    if sent != ("done", contacts, requests):
        raise RuntimeError(f"the backfill did not go through: {report}")
    engine.note(took, requests)
    seen = await _seen_by_twin(url)
    (took,) = await report_of(
        "tests.benchmarks.bare", dsn, vendor, url, str(_IN_FLIGHT)
    )
    bare.note(took, requests)
    if await _seen_by_twin(url) != seen:
        raise RuntimeError(
            f"{vendor} was sent different requests by the engine and by the bare loop"
        )


async def _seen_by_twin(url: str) -> tuple[Any, str]:
    """Return how often each route was called, and a digest of all contacts.

    Ids are left out of the digest. Then the twin forgets both.
    """
    base, _, name = url.rpartition("/")
    admin = f"{base}/__sandbox/{name}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{admin}/requests") as response:
            routes = orjson.loads(await response.read())["by_route"]
        async with session.get(f"{admin}/contacts") as response:
            contacts = orjson.loads(await response.read())
        await (await session.post(f"{admin}/reset")).read()
    contents = [
        (each["key"], _plain(each["fields"]), sorted(each["tags"])) for each in contacts
    ]
    lines = sorted(orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in contents)
    return routes, sha256(b"\n".join(lines)).hexdigest()


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields with 2.0 as 2: JSON has one kind of number."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in fields.items()
    }


def _show(
    vendor: str, contacts: int, rounds: int, engine: _Taken, bare: _Taken
) -> None:
    show(
        f"A backfill of {contacts:,} contacts, {len(COLUMNS)} columns, to {vendor}: "
        f"{_REQUESTS[vendor]} requests each, {_IN_FLIGHT} in flight "
        f"({rounds} interleaved rounds: min / median / max)",
        [
            Measured("CPU of the client a request", "us", engine.cpu, bare.cpu, _AIM),
            Measured("peak memory of the command", "MB", engine.peaks, bare.peaks),
            Measured("requests a second", "1/s", engine.pace, bare.pace),
        ],
    )
