"""Pages of ``serve`` over a large state, next to the smallest question to it.

The floor is ``/healthz`` of the same round: one request, one transaction, no table.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import aiohttp
import asyncpg

from syncengine.app.desk_state import PagedState
from syncengine.desk.server import DeskAddress, serve_desk
from syncengine.storage.connect import open_pool
from tests.benchmarks.measured import Measured, say, show
from tests.benchmarks.scratch import scratch_databases
from tests.support.desk_state import BIG, DeskState, fill

_AIM = 500.0
"""Milliseconds that a page may take."""


def main(arguments: list[str]) -> None:
    """Fill a state, open each page in interleaved rounds, and print the table."""
    parser = argparse.ArgumentParser(prog="./run bench desk", description=__doc__)
    parser.add_argument(
        "--contacts", type=int, default=5_000_000, help="the default is %(default)s"
    )
    parser.add_argument(
        "--rounds", type=int, default=10, help="the default is %(default)s"
    )
    options = parser.parse_args(arguments)
    asyncio.run(_measure(options.contacts, options.rounds))


def _pages(state: DeskState) -> dict[str, str]:
    """Return the addresses of the pages by what they show."""
    last = str(state.contacts * 9 // 10)
    return {
        "destinations": "",
        "runs": "runs",
        "the run that concerned everybody": f"runs/{state.big_run}",
        "a run under way": f"runs/{state.running}",
        "failures of the large run": f"failures?run={state.big_run}",
        "of one code, far behind": (
            f"failures?run={state.big_run}&code=http_422"
            f"&after_code=%3Dhttp_422&after={last}"
        ),
        "of one outcome": f"failures?run={state.big_run}&outcome=unknown",
        "standing contacts": f"failures?destination={BIG}",
        "of one code": f"failures?destination={BIG}&code=key_held",
        "one contact and its history": f"contact?id={last}",
        "metrics": "metrics",
    }


async def _measure(contacts: int, rounds: int) -> None:
    async with scratch_databases() as databases:
        dsn = await asyncio.to_thread(databases.create, migrated=True)
        say(f"Building a state of {contacts:,} contacts ...")
        connection = await asyncpg.connect(dsn)
        state = await fill(connection, contacts)
        await connection.close()
        async with (
            open_pool(dsn, size=4, read_only=True) as pool,
            serve_desk(
                PagedState(pool), "127.0.0.1", 0, with_values=False, version="bench"
            ) as address,
            aiohttp.ClientSession() as session,
        ):
            await _time_all(address, session, state, rounds)


async def _time_all(
    address: DeskAddress,
    session: aiohttp.ClientSession,
    state: DeskState,
    rounds: int,
) -> None:
    pages = _pages(state)
    floor: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in pages}
    # The first round prepares templates and connections.
    for number in range(rounds + 1):
        values = {
            name: await _milliseconds(session, address.url + path)
            for name, path in pages.items()
        }
        least = await _milliseconds(session, address.url + "healthz")
        if number:
            floor.append(least)
            for name, value in values.items():
                taken[name].append(value)
    show(
        f"Pages over {state.contacts:,} contacts ({rounds} interleaved rounds: "
        "min / median / max)",
        [
            Measured("the smallest question (the floor)", "ms", floor),
            *(Measured(name, "ms", taken[name], aim=_AIM) for name in pages),
        ],
    )


async def _milliseconds(session: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with session.get(url) as response:
        await response.read()
        if response.status != 200:
            raise RuntimeError(f"{url} answered with status {response.status}")
    return 1000 * (time.perf_counter() - began)
