"""aiohttp sends GET, PUT and DELETE a second time when a connection drops.

Each attempt needs a permit of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from syncengine.errors import LeaseLost, VendorHalted, VendorUnavailable
from syncengine.model.http import Request
from syncengine.transport.client import Transport
from tests.support.recording_gate import NotedGate, Talk, answer, read_request, serving


def dropping(seen: list[str]) -> Talk:
    """Read a request and drop the connection."""

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader)).decode().split(" ")[0])

    return talk


def request(method: str) -> Request:
    return Request(
        method,
        "/contact",
        f"{method} /contact",
        json={"a": 1} if method in ("POST", "PUT") else None,
    )


@pytest.mark.parametrize(
    ("method", "checks"), [("GET", 1), ("PUT", 2), ("DELETE", 1)], ids=str
)
@pytest.mark.asyncio
async def test_a_request_that_is_sent_again_takes_a_second_permit(
    method: str, checks: int
) -> None:
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = not seen
        while True:
            seen.append((await read_request(reader)).decode().split(" ")[0])
            if first and len(seen) == 2:
                return
            writer.write(answer())

    gate = NotedGate()
    async with serving(talk) as url, Transport(url, gate, connections=1) as transport:
        assert not (await transport.send(request("POST"))).resent
        again = await transport.send(replace(request(method), items=100))
        assert (again.status, again.resent) == (200, True)
    assert gate.items == [1, 100, 100], "each sending counts for all its contacts"
    assert seen == ["POST", method, method]
    assert gate.methods == ["POST", method, method]
    assert gate.fates == ["answered", "abandoned", "answered"]
    assert gate.checks == 2 + 2 * checks, "a body is one more check"


@pytest.mark.asyncio
async def test_a_create_is_never_sent_again() -> None:
    seen: list[str] = []
    gate = NotedGate()
    async with serving(dropping(seen)) as url, Transport(url, gate) as transport:
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(request("POST"))
    assert caught.value.maybe_applied
    assert seen == ["POST"]
    assert gate.fates == ["abandoned"]


@pytest.mark.asyncio
async def test_two_drops_in_a_row_are_a_failure() -> None:
    seen: list[str] = []
    gate = NotedGate()
    async with serving(dropping(seen)) as url, Transport(url, gate) as transport:
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(request("PUT"))
    assert caught.value.maybe_applied
    assert seen == ["PUT", "PUT"]
    assert gate.fates == ["abandoned", "abandoned"]


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_no_second_permit_no_second_sending(method: str) -> None:
    """The account is stopped between the attempts.

    It is still recorded that the first may have arrived.
    """
    gate = NotedGate()
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader)).decode().split(" ")[0])
        gate.shut = VendorHalted("stop")

    async with serving(talk) as url, Transport(url, gate) as transport:
        with pytest.raises(VendorUnavailable, match="stop") as caught:
            await transport.send(request(method))
    assert caught.value.maybe_applied
    assert seen == [method]
    assert gate.fates == ["abandoned"]


@pytest.mark.asyncio
async def test_a_stop_between_head_and_body_of_the_second_attempt() -> None:
    """Nothing of the second one leaves, and the first may still have arrived."""
    gate = NotedGate()
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader)).decode().split(" ")[0])
        gate.closing = LeaseLost("taken over")

    async with serving(talk) as url, Transport(url, gate) as transport:
        with pytest.raises(VendorUnavailable, match="taken over") as caught:
            await transport.send(request("PUT"))
    assert caught.value.maybe_applied
    assert seen == ["PUT"]
    assert gate.fates == ["abandoned", "unsent"]
