"""The desk's server under addresses and connections that nobody should send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import TYPE_CHECKING, cast

import asyncpg
import pytest

from syncengine.app.desk_state import PagedState
from syncengine.desk.connections import ConnectionGuard
from syncengine.desk.server import DeskAddress, serve_desk
from syncengine.storage.connect import open_pool
from tests.support.desk_state import fill

if TYPE_CHECKING:
    from syncengine.ports import DeskState

_ODD = (
    b"%00",
    b"a%00b",
    b"%FF",
    b"%ED%A0%80",
    b"\xff\xfe",
    b"%zz",
    b"%D9%A3",
    b"-1",
    b"9" * 10,
    b"9" * 18,
    b"9" * 19,
)
"""Values that a part of an address may have, as bytes on the wire."""
_WORKING = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def _answer(address: DeskAddress, request: bytes, *, ends: bool = True) -> bytes:
    """Send bytes, and return the answer; empty where there is none."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(request + (b"Connection: close\r\n\r\n" if ends else b""))
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def _addresses(run_id: int) -> list[bytes]:
    """Return addresses in which OUR is to be replaced."""
    run = b"%d" % run_id
    filters = {
        b"/": (b"after",),
        b"/runs": (b"destination", b"before"),
        b"/runs/" + run: (b"batches_after", b"refresh"),
        b"/failures?run=" + run: (b"outcome", b"code", b"after_code", b"after"),
        b"/failures": (b"run", b"destination", b"reason", b"code", b"after"),
        b"/contact": (b"id",),
        b"/contact?id=41": (b"before",),
        b"/healthz": (b"x", b"format"),
        b"/style.css": (b"x",),
    }
    found = [b"/OUR", b"/runs/OUR", b"/runs/%dOUR" % run_id, b"/contact/OUR"]
    for path, names in filters.items():
        joint = b"&" if b"?" in path else b"?"
        found += [path + joint + name + b"=OUR" for name in names]
    return [*found, b"/?OUR=1", b"/runs?format=json&OUR"]


@pytest.mark.asyncio
async def test_no_odd_value_in_an_address_is_a_fault_of_the_server(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await asyncpg.connect(database)
    state = await fill(connection, 600)
    await connection.close()
    async with (
        open_pool(database, size=3, read_only=True) as pool,
        serve_desk(
            PagedState(pool), "127.0.0.1", 0, with_values=True, version="1"
        ) as address,
    ):
        statuses = {}
        for path, odd in product(_addresses(state.big_run), _ODD):
            asked = path.replace(b"OUR", odd)
            answer = await _answer(
                address, b"GET " + asked + b" HTTP/1.1\r\nHost: localhost\r\n"
            )
            statuses[asked] = answer[9:12]
        wrong = {
            path: status
            for path, status in statuses.items()
            if status not in {b"200", b"400", b"404"}
        }
        assert wrong == {}
        assert caplog.records == [], "nobody can fill the log"
        for path in (b"/contact?id=%00", b"/runs?destination=a%00b", b"/runs/%00"):
            assert statuses[path] == b"400", path


class _NoState:
    """A state that can be asked for nothing but a sign of life."""

    async def require_answer(self) -> None:
        """Answer."""


@asynccontextmanager
async def _served(guard: ConnectionGuard) -> AsyncIterator[DeskAddress]:
    state = cast("DeskState", _NoState())
    async with serve_desk(
        state, "127.0.0.1", 0, with_values=False, version="1", connections=guard
    ) as address:
        yield address


@pytest.mark.asyncio
async def test_a_connection_that_brings_no_whole_header_is_closed() -> None:
    async with _served(ConnectionGuard(longest_wait=0.1)) as address:
        for half in (b"", b"GET", _WORKING, _WORKING + b"X: " + b"y" * 500):
            assert await _answer(address, half, ends=False) == b""
        healthy = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        # After an answer the next header has as long.
        answer = await _answer(address, healthy + b"\r\n" + healthy, ends=False)
        assert answer.count(b"HTTP/1.1 200") == 1


@pytest.mark.asyncio
async def test_of_too_many_connections_the_longest_waiting_one_gives_way() -> None:
    async with _served(ConnectionGuard(most=3)) as address:
        opened = [
            await asyncio.open_connection(address.host, address.port) for _ in range(3)
        ]
        answer = await _answer(address, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        first, _ = opened[0]
        assert await asyncio.wait_for(first.read(), 20) == b""
        _, writer = opened[2]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reader, _ = opened[2]
        assert await reader.readuntil(b" 200 ") == b"HTTP/1.1 200 "
        for _, each in opened:
            each.close()
