"""Bytes that arrive on a connection unasked are no answer.

They end the connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import orjson
import pytest

from syncengine.errors import VendorUnavailable
from syncengine.model.http import Request, Response
from syncengine.transport.client import Transport
from syncengine.transport.lines import MOST_HEAD, MOST_INTERIMS, EndlessHeadError, Head
from tests.support.recording_gate import NotedGate, answer, read_request, serving
from tests.unit.test_transport_failures import CERTIFICATE

Then = Callable[[asyncio.StreamWriter], Awaitable[None]]
FORGED = answer(b'"forged"')


class Vendor:
    """A server that answers each request with its own path.

    ``then`` does something unasked behind each answer.
    """

    def __init__(
        self, then: Then | None = None, behind: bytes = b"", before: bytes = b""
    ) -> None:
        self.paths: list[str] = []
        self.connections = 0
        self.read = asyncio.Event()
        """To be set once the answer was read."""
        self.late = asyncio.Event()
        """Set once the unasked bytes are written and have arrived on this machine."""
        self._then, self._behind, self._before = then, behind, before

    async def talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        writer.write(self._before)
        while True:
            path = (await read_request(reader)).decode().split(" ")[1]
            self.paths.append(path)
            writer.write(answer(orjson.dumps(path)) + self._behind)
            await writer.drain()
            if self._then is not None:
                await self.read.wait()
                self.read.clear()
                await self._then(writer)
                self.late.set()


async def _forged(writer: asyncio.StreamWriter) -> None:
    writer.write(FORGED)
    await writer.drain()


def _post(path: str) -> Request:
    return Request("POST", path, f"POST {path}", json={})


def _said(response: Response) -> str:
    said: str = orjson.loads(response.body)
    return said


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "unasked", [FORGED, FORGED[:20], b"x", b"HTTP/1.1 204 No Content\r\n\r\n"], ids=len
)
async def test_a_late_answer_on_an_idle_connection_is_not_believed(
    unasked: bytes,
) -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        writer.write(unasked)
        await writer.drain()

    vendor = Vendor(late)
    async with (
        serving(vendor.talk) as url,
        Transport(url, NotedGate(), connections=1) as transport,
    ):
        for number in range(5):
            vendor.late.clear()
            assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
            vendor.read.set()
            await vendor.late.wait()
    assert vendor.paths == [f"/{number}" for number in range(5)], (
        "what is reported is what was sent"
    )
    assert vendor.connections == 5


@pytest.mark.asyncio
@pytest.mark.parametrize("behind", [FORGED, FORGED * 3], ids=len)
async def test_what_comes_along_with_the_end_of_an_answer_is_not_the_next_one(
    behind: bytes,
) -> None:
    vendor = Vendor(behind=behind)
    async with (
        serving(vendor.talk) as url,
        Transport(url, NotedGate(), connections=1) as transport,
    ):
        for number in range(5):
            assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
    assert (len(vendor.paths), vendor.connections) == (5, 5)


@pytest.mark.asyncio
async def test_an_answer_with_garbage_behind_it_is_none() -> None:
    vendor = Vendor(behind=b"garbage")
    async with (
        serving(vendor.talk) as url,
        Transport(url, NotedGate(), connections=1) as transport,
    ):
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(_post("/1"))
    assert caught.value.maybe_applied


@pytest.mark.asyncio
async def test_a_late_answer_that_arrives_while_consent_is_asked_is_not_believed() -> (
    None
):
    vendor = Vendor(_forged)

    async def allowed() -> None:
        if vendor.paths == ["/1"]:
            vendor.read.set()
            await vendor.late.wait()

    gate = NotedGate()
    async with (
        serving(vendor.talk) as url,
        Transport(url, gate, connections=1) as transport,
    ):
        assert _said(await transport.send(_post("/1"), allowed)) == "/1"
        assert _said(await transport.send(_post("/2"), allowed)) == "/2"
    assert vendor.paths == ["/1", "/2"]
    assert gate.fates == ["answered", "unsent", "answered"]


@pytest.mark.asyncio
async def test_an_answer_before_the_request_is_not_believed_and_nothing_was_sent() -> (
    None
):
    vendor = Vendor(before=FORGED)
    gate = NotedGate()
    async with (
        serving(vendor.talk) as url,
        Transport(url, gate, connections=2) as transport,
    ):
        with pytest.raises(
            VendorUnavailable, match="before anything is asked"
        ) as caught:
            await transport.send(_post("/1"))
    assert not caught.value.maybe_applied
    assert vendor.paths == []
    assert set(gate.fates) == {"unsent"}


@pytest.mark.asyncio
async def test_a_connection_on_which_nothing_else_arrives_is_kept() -> None:
    vendor = Vendor()
    async with (
        serving(vendor.talk) as url,
        Transport(url, NotedGate(), connections=1) as transport,
    ):
        for number in range(5):
            await transport.send(_post(f"/{number}"))
    assert (len(vendor.paths), vendor.connections) == (5, 1)


@pytest.mark.asyncio
async def test_a_create_is_not_lost_on_a_connection_that_the_vendor_has_closed() -> (
    None
):
    async def leave(writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    vendor = Vendor(leave)
    async with (
        serving(vendor.talk) as url,
        Transport(url, NotedGate(), connections=1) as transport,
    ):
        for number in range(3):
            vendor.late.clear()
            assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
            vendor.read.set()
            await vendor.late.wait()
    assert vendor.paths == ["/0", "/1", "/2"]


@pytest.mark.asyncio
async def test_over_tls_a_late_answer_is_not_believed_and_a_quiet_connection_is_kept() -> (
    None
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    for vendor, connections in ((Vendor(), 1), (Vendor(_forged), 3)):
        async with (
            serving(vendor.talk, tls=context) as url,
            Transport(url, NotedGate(), tls=trusting) as transport,
        ):
            for number in range(3):
                vendor.late.clear()
                assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
                if connections > 1:
                    vendor.read.set()
                    await vendor.late.wait()
        assert (vendor.paths, vendor.connections) == (["/0", "/1", "/2"], connections)


_INTERIM = b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n"


def _said_to_all(
    said: bytes,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(said)
            await writer.drain()

    return talk


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "said",
    [
        _INTERIM * MOST_INTERIMS + FORGED,
        b"\r\n" + _INTERIM + FORGED,
        answer(b'"forged"', headers=f"X: {'y' * 8000}\r\n" * 7),
        FORGED[:-8] + b'"' + b"x\n\n" * 2 + b'"',
    ],
    ids=len,
)
async def test_some_interim_answers_and_a_long_head_are_read_over(said: bytes) -> None:
    async with (
        serving(_said_to_all(said)) as url,
        Transport(url, NotedGate(), connections=1) as transport,
    ):
        for number in range(3):
            assert (await transport.send(_post(f"/{number}"))).body == said[-8:]


async def _endlessly(writer: asyncio.StreamWriter, said: bytes) -> None:
    while True:
        writer.write(said)
        await writer.drain()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "said",
    [
        _INTERIM * 100,
        _INTERIM.replace(b"\r\n", b"\n"),
        _INTERIM,
        b"\r\n\r\n" + _INTERIM,
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early\r\n" + b"X: %s\r\n" % (b"y" * 8000) * 4 + b"\r\n",
    ],
    ids=len,
)
async def test_interim_answers_without_end_are_none_and_hold_nobody_else_up(
    said: bytes,
) -> None:
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        await _endlessly(writer, said)

    async with (
        serving(talk) as url,
        Transport(url, NotedGate(), timeout=60.0) as transport,
    ):
        with pytest.raises(
            VendorUnavailable, match="without coming to an end"
        ) as caught:
            await transport.send(_post("/1"))
    assert caught.value.maybe_applied
    assert requests == 1


def _watched(said: bytes, size: int) -> Head:
    """Watch a head that has come in pieces of this size."""
    head = Head()
    for start in range(0, len(said), size):
        head.watch(said[start : start + size])
    return head


def test_heads_are_counted_however_they_are_cut() -> None:
    said = _INTERIM * MOST_INTERIMS + FORGED
    for size in range(1, len(said)):
        _watched(said, size).watch(b"x" * 2 * MOST_HEAD)
    for flood in (
        _INTERIM * (MOST_INTERIMS + 1),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MOST_HEAD // 6),
    ):
        for size in (1, 7, len(flood)):
            with pytest.raises(EndlessHeadError):
                _watched(flood, size)
