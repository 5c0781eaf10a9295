"""A backfill to HubSpot, which takes a hundred contacts a request.

First without limits, next to respond_io, which takes one contact a request: both look
each contact up, create it, and give it its tags, which is a request of its own at
respond_io. Then at HubSpot's limit, with answers that take as long
as those of a real vendor, next to what window and round trip allow.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from syncengine.storage.connect import connect
from tests.benchmarks.contacts import create_source
from tests.benchmarks.measured import Measured, say, show
from tests.benchmarks.scratch import (
    FIELDS,
    Configured,
    ask_twin,
    configure,
    forget,
    run_command,
    scratch_databases,
    served,
)
from tests.support.databases import Databases

_BULK, _SINGLE = "hubspot", "respond_io"
_PART = 10
"""The divisor of the contacts that are sent one by one."""
_STEPS = {_BULK: 2, _SINGLE: 3}
"""Look-up and create with tags; or look-up, create, and tags."""
_AIM_CPU, _AIM_MEMORY = 1 / 3, 120.0
_AIM = 2.0
"""Percent of what window and round trip allow that may be left unused."""
_MANY_A_DAY = {"calls": 1_000_000, "per": "1d"}
"""The largest limit of a day: no more than this benchmark needs."""


def main(arguments: list[str]) -> None:
    """Measure both, and print the tables. Takes a quarter of an hour."""
    parser = argparse.ArgumentParser(prog="./run bench bulk", description=__doc__)
    parser.add_argument(
        "--contacts",
        type=int,
        default=100_000,
        help="without limits, and a tenth of them one by one; the default is %(default)s",
    )
    parser.add_argument(
        "--rounds", type=int, default=1, help="the default is %(default)s"
    )
    parser.add_argument(
        "--paced",
        type=int,
        default=50_000,
        help="contacts at the limit; 0 leaves that out. The default is %(default)s",
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=100,
        help="requests a window: 100, or 190 of the larger plans; "
        "the default is %(default)s",
    )
    parser.add_argument(
        "--per",
        type=float,
        default=10.0,
        help="seconds of a window; the default is %(default)s",
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=0.3,
        help="seconds that an answer takes there; the default is %(default)s",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=100,
        help="contacts a request; the default is %(default)s",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), options))


async def _measure(folder: Path, options: argparse.Namespace) -> None:
    async with scratch_databases() as databases:
        if options.contacts:
            await _without_limits(folder, databases, options)
        if options.paced:
            await _at_the_limit(folder, databases, options)


# --- without limits -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """A vendor that contacts are sent to, and what the rounds took there."""

    vendor: str
    contacts: int
    requests: int
    """The fewest that they take."""
    configured: Configured
    dsn: str
    url: str
    cpu: list[float]
    peaks: list[float]
    made: list[float]


async def _without_limits(
    folder: Path, databases: Databases, options: argparse.Namespace
) -> None:
    contacts = options.contacts
    few = max(1, contacts // _PART)
    async with (
        _side(folder, databases, _BULK, contacts, options.batch) as bulk,
        _side(folder, databases, _SINGLE, few, 1) as single,
    ):
        for number in range(options.rounds):
            for side in (bulk, single):
                say(f"{side.vendor}: round {number + 1} of {options.rounds} ...")
                await _round(side)
    show(
        f"A backfill of {contacts:,} contacts to {_BULK}, {options.batch} a request, "
        f"next to one of {few:,} to {_SINGLE}, 1 a request; each contact is looked up, "
        "created and tagged",
        [
            Measured("CPU of the run a contact", "us", bulk.cpu, single.cpu, _AIM_CPU),
            Measured("peak memory of the run", "MB", bulk.peaks, aim=_AIM_MEMORY),
            Measured(f"peak memory at {_SINGLE}", "MB", single.peaks),
            Measured("requests", "", bulk.made, [bulk.requests] * len(bulk.made)),
        ],
    )


@asynccontextmanager
async def _side(
    folder: Path, databases: Databases, vendor: str, contacts: int, batch: int
) -> AsyncIterator[_Side]:
    """Set up contacts, a twin without limits, and a destination there."""
    requests = _STEPS[vendor] * -(-contacts // batch)
    async with _source(databases, contacts) as dsn, served(vendor) as url:
        settings = {}
        if vendor == _BULK:
            settings["batch_size"] = batch
            await _define_properties(url)
        configured = configure(
            folder / vendor, vendor, url, state=dsn, settings=settings
        )
        yield _Side(vendor, contacts, requests, configured, dsn, url, [], [], [])


async def _round(side: _Side) -> None:
    await forget(side.configured, side.dsn)
    await ask_twin(side.url, "POST", "reset")
    report, took = await run_command(side.configured, "--backfill")
    _refuse_other_than_done(report, side.contacts)
    side.cpu.append(took["cpu"] / side.contacts * 1e6)
    side.peaks.append(took["peak"])
    side.made.append(report["requests"])


# --- at the limit ---------------------------------------------------------------------


class _PacedLimit(NamedTuple):
    calls: int
    per: float


async def _at_the_limit(
    folder: Path, databases: Databases, options: argparse.Namespace
) -> None:
    limit = _PacedLimit(options.calls, options.per)
    contacts = options.paced
    say(
        f"{_BULK}: {contacts:,} contacts, {limit.calls} requests in {limit.per:g} s ..."
    )
    async with _source(databases, contacts) as dsn, served(_BULK) as url:
        await _define_properties(url)
        await _be_like_the_vendor(url, limit, options.latency)
        configured = configure(
            folder / "paced",
            _BULK,
            url,
            state=dsn,
            limits=[{"calls": limit.calls, "per": f"{limit.per}s"}, _MANY_A_DAY],
            settings={"batch_size": options.batch},
        )
        report, took = await run_command(configured, "--backfill")
        _refuse_other_than_done(report, contacts)
        log = await ask_twin(url, "GET", "log")
    turn = limit.per + options.latency
    arrivals = [entry["at"] for entry in log]
    shares = _shares(arrivals, turn, limit.calls)
    allowed_seconds = len(arrivals) / limit.calls * turn
    show(
        f"A backfill of {contacts:,} contacts to {_BULK}, {limit.calls} requests in any "
        f"{limit.per:g} s, answers after {options.latency * 1000:.0f} ms; a request's "
        f"place is free again after {turn:g} s",
        [
            Measured("of the limit used, by window", "%", shares),
            Measured("of the limit left unused", "%", [100.0 - mean(shares)], aim=_AIM),
            Measured(
                "seconds, next to the limit's",
                "s",
                [arrivals[-1] - arrivals[0]],
                [allowed_seconds],
            ),
            Measured(
                "contacts a request", "", [_STEPS[_BULK] * contacts / len(arrivals)]
            ),
            Measured("requests refused for the limit", "", [_refused(log)], aim=0.0),
            Measured("CPU of the run a contact", "us", [took["cpu"] / contacts * 1e6]),
            Measured("peak memory of the run", "MB", [took["peak"]], aim=_AIM_MEMORY),
        ],
    )


async def _be_like_the_vendor(url: str, limit: _PacedLimit, latency: float) -> None:
    """Have the twin keep the limit strictly, and take its time for each answer."""
    strictly = [
        {"calls": limit.calls, "per": limit.per, "kind": kind}
        for kind in ("sliding", "fixed")
    ]
    await ask_twin(url, "PUT", "limits", strictly)
    await ask_twin(url, "PUT", "faults", [{"kind": "latency", "seconds": latency}])


def _shares(arrivals: Sequence[float], turn: float, calls: int) -> list[float]:
    """Return the percent of the limit that each whole window used.

    The first one does not count: the vendor has nothing to look up and nothing to
    refuse yet, and a run begins with a single request.
    """
    used: list[int] = [0] * int((arrivals[-1] - arrivals[0]) / turn)
    for at in arrivals:
        number = int((at - arrivals[0]) / turn)
        if number < len(used):
            used[number] += 1
    return [100 * number / calls for number in used[1:]]


def _refused(log: Sequence[Any]) -> int:
    return sum(entry["status"] == 429 for entry in log)


# --- both -----------------------------------------------------------------------------


@asynccontextmanager
async def _source(databases: Databases, contacts: int) -> AsyncIterator[str]:
    """Yield the DSN of a database with so many contacts."""
    dsn = await asyncio.to_thread(databases.create, migrated=True)
    connection = await connect(dsn)
    await create_source(connection, contacts)
    await connection.close()
    yield dsn
    await asyncio.to_thread(databases.drop, dsn)


async def _define_properties(url: str) -> None:
    """Define the properties that the contacts have, in the twin of HubSpot."""
    kinds = {"crm_id": "unique", "tags": "boxes"}
    kinds |= {name: "text" for name in FIELDS if name != "email"}
    await ask_twin(url, "PUT", "switches", {"properties": kinds})


def _refuse_other_than_done(report: dict[str, Any], contacts: int) -> None:
    if (report["status"], report["contacts"]["applied"]) != ("done", contacts):
        raise RuntimeError(f"the backfill did not go through: {report}")
