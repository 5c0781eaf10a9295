"""The pacing in real time, over real HTTP with jitter.

Next to it, simpler ways of keeping the same limit.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

import aiohttp
import orjson
from aiolimiter import AsyncLimiter

from syncengine.engine.pacing import Pacing
from syncengine.model.http import Request
from syncengine.model.limits import Limit
from syncengine.ports import Gate, Permit
from syncengine.transport.client import Transport
from tests.benchmarks.measured import say, table
from tests.benchmarks.scratch import KEY, served

_AIM = 98.0
"""Percent of the limit."""
_JITTER = 0.05
"""Seconds at most between the permit and the first byte, and before the answer."""
_WORKERS = 8
_UPSERT = Request(
    "PUT",
    "/api/v1beta/contacts",
    "PUT /contacts",
    headers={"x-api-key": KEY},
    json={"external_reference_id": "1", "source_type": "benchmark"},
)

Gates = Callable[[Limit], AbstractAsyncContextManager[Gate]]


def main(arguments: list[str]) -> None:
    """Send as fast as each gate lets, gate by gate, and print what the twin counted."""
    parser = argparse.ArgumentParser(prog="./run bench pacing", description=__doc__)
    parser.add_argument(
        "--calls",
        type=int,
        default=200,
        help="requests a window; the default is %(default)s",
    )
    parser.add_argument(
        "--per",
        type=float,
        default=6.0,
        help="seconds of a window; the default is %(default)s",
    )
    parser.add_argument(
        "--contacts",
        type=int,
        default=2200,
        help="for each gate; the default is %(default)s",
    )
    options = parser.parse_args(arguments)
    # One window less: the first one does not count.
    windows = max(1, options.contacts // options.calls - 1)
    asyncio.run(_measure(Limit(options.calls, options.per), windows))


async def _measure(limit: Limit, windows: int) -> None:
    rows = []
    for name, gates in _GATES.items():
        say(f"{name}: {(windows + 1) * limit.per:g} s ...")
        async with served("charles") as url:
            rows.append(_row(name, await _counted(url, gates, limit, windows), limit))
    table(
        f"{limit.most} requests in any {limit.per:g} s, counted at arrival in a "
        f"sliding and in fixed windows; {_JITTER * 1000:.0f} ms of jitter each way, "
        f"{_WORKERS} workers, {windows} windows after the first",
        (
            "",
            "requests",
            "answered 429",
            "fullest window",
            "% of the limit: min / median / max",
            "aim",
            "",
        ),
        rows,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """The twin's counts.

    Every request, those it refused, the fullest window, and the share that each later
    window used.
    """

    requests: int
    refused: int
    fullest: int
    shares: Sequence[float]


def _row(name: str, counted: _Counted, limit: Limit) -> tuple[str, ...]:
    shares = counted.shares
    met = (
        not counted.refused and counted.fullest <= limit.most and median(shares) >= _AIM
    )
    return (
        name,
        str(counted.requests),
        str(counted.refused),
        str(counted.fullest),
        f"{min(shares):.1f} / {median(shares):.1f} / {max(shares):.1f}",
        f"no 429, {_AIM:.0f} %",
        "met" if met else "missed",
    )


async def _counted(url: str, gates: Gates, limit: Limit, windows: int) -> _Counted:
    base, _, name = url.rpartition("/")
    admin = f"{base}/__sandbox/{name}"
    strictly = [
        {"calls": limit.most, "per": limit.per, "kind": kind}
        for kind in ("sliding", "fixed")
    ]
    answers = [
        {"kind": "latency", "seconds": _JITTER * number / 10} for number in range(11)
    ]
    async with aiohttp.ClientSession() as session:
        await _put(session, f"{admin}/limits", strictly)
        await _put(
            session,
            f"{admin}/faults",
            {"random": {"seed": 7, "share": 1.0, "kinds": answers}},
        )
        async with gates(limit) as gate:
            await _send_all(url, gate, (windows + 1) * limit.per)
        async with session.get(
            f"{admin}/requests", params={"per": repr(limit.per)}
        ) as response:
            report = orjson.loads(await response.read())
        async with session.get(f"{admin}/log") as response:
            log = orjson.loads(await response.read())
    first = log[0]["at"]
    used = [0] * (windows + 1)
    for entry in log:
        if (
            entry["status"] == 200
            and (number := int((entry["at"] - first) / limit.per)) <= windows
        ):
            used[number] += 1
    fullest = max(each["worst"] for each in report["worst_window"])
    return _Counted(
        report["total"],
        report["refused"],
        fullest,
        [100 * count / limit.most for count in used[1:]],
    )


async def _put(session: aiohttp.ClientSession, url: str, body: Any) -> None:
    async with session.put(url, data=orjson.dumps(body)) as response:
        if response.status != 200:
            raise RuntimeError(f"the sandbox refused {body}: {await response.text()}")


async def _send_all(url: str, gate: Gate, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds

    async def worker() -> None:
        while loop.time() < until:
            await transport.send(_UPSERT)

    async with (
        Transport(url, _Jittery(gate), connections=_WORKERS) as transport,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(_WORKERS):
            group.create_task(worker())


class _Jittery:
    """Holds a request up between its permit and its first byte."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._random = Random(7)
        self.check = gate.check

    async def permit(self, method: str, items: int = 1) -> Permit:
        permit = await self._gate.permit(method, items)
        await asyncio.sleep(self._random.uniform(0.0, _JITTER))
        return permit


@asynccontextmanager
async def _ours(limit: Limit) -> AsyncIterator[Gate]:
    async with Pacing([limit], in_flight=_WORKERS, settles_within=5.0) as pacing:
        pacing.prove()
        yield pacing


class _Bucket:
    """A gate that trusts a token bucket; its own permits."""

    def __init__(self, limit: Limit) -> None:
        self._bucket = AsyncLimiter(limit.most, limit.per)

    async def permit(self, _method: str, _items: int = 1) -> Permit:
        await self._bucket.acquire()
        return self

    def check(self) -> None: ...

    def answered(self) -> None: ...

    def abandoned(self) -> None: ...

    def unsent(self) -> None: ...


class _Sends(_Bucket):
    """A gate that counts requests when it sends them."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self._limit = limit
        self._sent: deque[float] = deque()

    async def permit(self, _method: str, _items: int = 1) -> Permit:
        now = asyncio.get_running_loop().time()
        turn = (
            now
            if len(self._sent) < self._limit.most
            else max(now, self._sent.popleft() + self._limit.per)
        )
        self._sent.append(turn)
        await asyncio.sleep(turn - now)
        return self


def _simple(kind: type[_Bucket]) -> Gates:
    @asynccontextmanager
    async def gates(limit: Limit) -> AsyncIterator[Gate]:
        yield kind(limit)

    return gates


_GATES: dict[str, Gates] = {
    "syncengine": _ours,
    "a token bucket (aiolimiter)": _simple(_Bucket),
    "a log of sends": _simple(_Sends),
}
