"""What arrives on a connection without having been asked for is no answer, and ends the connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import orjson
import pytest

from syncengine.errors import VendorUnavailable
from syncengine.model.http import Request, Response
from syncengine.transport import Transport
from tests.unit.gates import NotedGate, answer, read_request, serving
from tests.unit.test_transport_failures import CERTIFICATE

Then = Callable[[asyncio.StreamWriter], Awaitable[None]]
FORGED = answer(b'"forged"')


class Vendor:
    """Answers each request with its own path; ``then`` does something unasked behind each answer."""

    def __init__(self, then: Then | None = None, behind: bytes = b"", before: bytes = b"") -> None:
        self.paths: list[str] = []
        self.connections = 0
        self.read = asyncio.Event()
        """To be set once the answer was read."""
        self.late = asyncio.Event()
        """Set once what is unasked has been written, and has arrived on this machine."""
        self._then, self._behind, self._before = then, behind, before

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
@pytest.mark.parametrize("unasked", [FORGED, FORGED[:20], b"x", b"HTTP/1.1 204 No Content\r\n\r\n"], ids=len)
async def test_a_late_answer_on_an_idle_connection_is_not_believed(unasked: bytes) -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        writer.write(unasked)
        await writer.drain()

    vendor = Vendor(late)
    async with serving(vendor.talk) as url, Transport(url, NotedGate(), connections=1) as transport:
        for number in range(5):
            vendor.late.clear()
            assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
            vendor.read.set()
            await vendor.late.wait()
    assert vendor.paths == [f"/{number}" for number in range(5)], "what is reported is what was sent"
    assert vendor.connections == 5


@pytest.mark.asyncio
@pytest.mark.parametrize("behind", [FORGED, FORGED * 3], ids=len)
async def test_what_comes_along_with_the_end_of_an_answer_is_not_the_next_one(behind: bytes) -> None:
    vendor = Vendor(behind=behind)
    async with serving(vendor.talk) as url, Transport(url, NotedGate(), connections=1) as transport:
        for number in range(5):
            assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
    assert (len(vendor.paths), vendor.connections) == (5, 5)


@pytest.mark.asyncio
async def test_an_answer_with_garbage_behind_it_is_none() -> None:
    vendor = Vendor(behind=b"garbage")
    async with serving(vendor.talk) as url, Transport(url, NotedGate(), connections=1) as transport:
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(_post("/1"))
    assert caught.value.maybe_applied


@pytest.mark.asyncio
async def test_a_late_answer_that_arrives_while_consent_is_asked_is_not_believed() -> None:
    vendor = Vendor(_forged)

    async def allowed() -> None:
        if vendor.paths == ["/1"]:
            vendor.read.set()
            await vendor.late.wait()

    gate = NotedGate()
    async with serving(vendor.talk) as url, Transport(url, gate, connections=1) as transport:
        assert _said(await transport.send(_post("/1"), allowed)) == "/1"
        assert _said(await transport.send(_post("/2"), allowed)) == "/2"
    assert vendor.paths == ["/1", "/2"]
    assert gate.fates == ["answered", "unsent", "answered"]


@pytest.mark.asyncio
async def test_a_vendor_that_answers_before_it_is_asked_is_not_believed_and_nothing_was_sent() -> None:
    vendor = Vendor(before=FORGED)
    gate = NotedGate()
    async with serving(vendor.talk) as url, Transport(url, gate, connections=2) as transport:
        with pytest.raises(VendorUnavailable, match="before anything is asked") as caught:
            await transport.send(_post("/1"))
    assert not caught.value.maybe_applied
    assert vendor.paths == []
    assert set(gate.fates) == {"unsent"}


@pytest.mark.asyncio
async def test_a_connection_on_which_nothing_else_arrives_is_kept() -> None:
    vendor = Vendor()
    async with serving(vendor.talk) as url, Transport(url, NotedGate(), connections=1) as transport:
        for number in range(5):
            await transport.send(_post(f"/{number}"))
    assert (len(vendor.paths), vendor.connections) == (5, 1)


@pytest.mark.asyncio
async def test_a_create_is_not_lost_on_a_connection_that_the_vendor_has_closed() -> None:
    async def leave(writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    vendor = Vendor(leave)
    async with serving(vendor.talk) as url, Transport(url, NotedGate(), connections=1) as transport:
        for number in range(3):
            vendor.late.clear()
            assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
            vendor.read.set()
            await vendor.late.wait()
    assert vendor.paths == ["/0", "/1", "/2"]


@pytest.mark.asyncio
async def test_over_tls_a_late_answer_is_not_believed_either_and_a_quiet_connection_is_kept() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    for vendor, connections in ((Vendor(), 1), (Vendor(_forged), 3)):
        async with serving(vendor.talk, tls=context) as url, Transport(url, NotedGate(), tls=trusting) as transport:
            for number in range(3):
                vendor.late.clear()
                assert _said(await transport.send(_post(f"/{number}"))) == f"/{number}"
                if connections > 1:
                    vendor.read.set()
                    await vendor.late.wait()
        assert (vendor.paths, vendor.connections) == (["/0", "/1", "/2"], connections)
