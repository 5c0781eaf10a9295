"""Bytes that the transport writes and reads, against a server of raw bytes."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from syncengine.errors import LeaseLost, VendorHalted, VendorUnavailable
from syncengine.model.bounds import ONE_BYTES
from syncengine.model.http import Request
from syncengine.transport.client import Transport
from tests.support.recording_gate import NotedGate, Talk, answer, read_request, serving

SECRET = "hunter2-secret"


def request(method: str = "POST", **given: object) -> Request:
    values: dict[str, object] = {
        "path": "/contact/17",
        "route": f"{method} /contact/{{id}}",
        "query": (("email", f"{SECRET}@x"),),
        "headers": {"Authorization": SECRET},
        "json": {"name": SECRET} if method in ("POST", "PUT") else None,
    }
    return Request(method, **(values | given))  # type: ignore[arg-type]


def replying(response: bytes, seen: list[bytes] | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await read_request(reader)
            if seen is not None:
                seen.append(asked)
            writer.write(response)
            await writer.drain()

    return talk


@pytest.mark.asyncio
async def test_a_request_is_written_as_given() -> None:
    seen: list[bytes] = []
    asked = request(
        "PUT",
        path="/contact/email%3Aa%2Bb%2Fc@x",
        query=(("a b", "1+1 &=/ü"), ("tag", "x"), ("tag", "y")),
        json={"name": "Zoë", "n": None},
    )
    gate = NotedGate()
    async with (
        serving(replying(answer(), seen)) as url,
        Transport(f"{url}/api/v1/", gate) as transport,
    ):
        await transport.send(asked)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == (
        "PUT /api/v1/contact/email%3Aa%2Bb%2Fc@x?a%20b=1%2B1%20%26%3D%2F%C3%BC&tag=x&tag=y HTTP/1.1"
    )
    assert body == '{"name":"Zoë","n":null}'.encode()
    names = {
        name.lower(): value
        for name, _, value in (header.partition(": ") for header in headers)
    }
    assert names["content-type"] == "application/json"
    assert names["accept"] == "application/json"
    assert names["authorization"] == SECRET
    assert gate.methods == ["PUT"]
    assert gate.fates == ["answered"]
    assert gate.checks == 2, "before the head, and before head and body are written"


@pytest.mark.asyncio
async def test_no_body_no_content_type() -> None:
    seen: list[bytes] = []
    async with (
        serving(replying(answer(), seen)) as url,
        Transport(url, NotedGate()) as transport,
    ):
        await transport.send(request("GET"))
    assert b"content-type" not in seen[0].lower()
    assert seen[0].endswith(b"\r\n\r\n")


@pytest.mark.asyncio
async def test_an_own_content_type_stays() -> None:
    seen: list[bytes] = []
    asked = request("POST", headers={"content-type": "application/vnd.api+json"})
    async with (
        serving(replying(answer(), seen)) as url,
        Transport(url, NotedGate()) as transport,
    ):
        await transport.send(asked)
    assert seen[0].lower().count(b"content-type") == 1
    assert b"vnd.api" in seen[0]


@pytest.mark.asyncio
async def test_a_response_is_read_whole_and_redirects_are_not_followed() -> None:
    body = b"x" * 300_000
    response = answer(
        body,
        status="302 Found",
        headers="Location: /elsewhere\r\nX-Thing: 1\r\nSet-Cookie: a=b\r\n",
    )
    seen: list[bytes] = []
    async with (
        serving(replying(response, seen)) as url,
        Transport(url, NotedGate()) as transport,
    ):
        got = await transport.send(request("GET"))
        await transport.send(request("GET"))
    assert (got.status, got.body) == (302, body)
    assert got.headers["x-thing"] == "1"
    assert all(name == name.lower() for name in got.headers)
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()


@pytest.mark.asyncio
async def test_a_packed_answer_is_unpacked_and_its_size_capped_unpacked() -> None:
    small = answer(gzip.compress(b"[1]"), headers="Content-Encoding: gzip\r\n")
    async with (
        serving(replying(small)) as url,
        Transport(url, NotedGate()) as transport,
    ):
        assert (await transport.send(request())).body == b"[1]"
    bomb = answer(
        gzip.compress(b"0" * (ONE_BYTES + 1)), headers="Content-Encoding: gzip\r\n"
    )
    gate = NotedGate()
    async with serving(replying(bomb)) as url, Transport(url, gate) as transport:
        with pytest.raises(VendorUnavailable, match="far too long") as caught:
            await transport.send(request())
    assert caught.value.maybe_applied
    assert caught.value.status == 200
    assert gate.fates == ["answered"]


@pytest.mark.asyncio
async def test_a_wrongly_packed_answer_is_no_answer() -> None:
    response = answer(b"this is not gzip", headers="Content-Encoding: gzip\r\n")
    async with (
        serving(replying(response)) as url,
        Transport(url, NotedGate()) as transport,
    ):
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(request())
    assert caught.value.maybe_applied


@pytest.mark.asyncio
async def test_nothing_leaves_when_the_lease_is_lost() -> None:
    """The gate is asked when the connection is open.

    Not one byte is written after it refuses.
    """
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(await reader.read())

    gate = NotedGate()
    gate.closed = LeaseLost("taken over")
    async with serving(talk) as url:
        async with Transport(url, gate) as transport:
            for method in ("POST", "GET", "PUT"):
                with pytest.raises(LeaseLost):
                    await transport.send(request(method))
        assert [await seen.get() for _ in range(3)] == [b"", b"", b""]
    assert gate.fates == ["unsent"] * 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.asyncio
async def test_nothing_leaves_when_the_lease_is_lost_between_head_and_body(
    method: str,
) -> None:
    """aiohttp keeps the head until the body is written, which may be a step later.

    A process may be frozen in between, and thaw past its lease.
    """
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(await reader.read())

    gate = NotedGate()
    gate.closing = LeaseLost("taken over")
    async with serving(talk) as url:
        async with Transport(url, gate) as transport:
            with pytest.raises(LeaseLost, match="taken over") as caught:
                await transport.send(request(method))
        assert await seen.get() == b""
    assert gate.fates == ["unsent"]
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.asyncio
async def test_the_gate_is_asked_again_after_the_wait_for_a_connection() -> None:
    hold, holding = asyncio.Event(), asyncio.Event()
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            holding.set()
            await hold.wait()
            writer.write(answer())

    gate = NotedGate()
    async with serving(talk) as url, Transport(url, gate, connections=1) as transport:
        first = asyncio.create_task(transport.send(request()))
        await holding.wait()
        second = asyncio.create_task(transport.send(request()))
        assert [await gate.permitted.get() for _ in range(2)] == ["POST", "POST"]
        gate.closed = LeaseLost("taken over")
        hold.set()
        assert (await first).status == 200
        with pytest.raises(LeaseLost):
            await second
    assert len(seen) == 1
    assert gate.fates == ["answered", "unsent"]


@pytest.mark.asyncio
async def test_a_stopped_account_sends_nothing() -> None:
    gate = NotedGate()
    gate.shut = VendorHalted("refused key")
    seen: list[bytes] = []
    async with (
        serving(replying(answer(), seen)) as url,
        Transport(url, gate) as transport,
    ):
        with pytest.raises(VendorHalted, match="refused key"):
            await transport.send(request())
    assert seen == []


@pytest.mark.parametrize("key", ["abc\n", "abc\r\nX-Evil: 1", "a\0b"])
@pytest.mark.asyncio
async def test_a_key_with_a_line_break_halts_and_is_not_shown(key: str) -> None:
    gate = NotedGate()
    async with Transport("http://127.0.0.1:9", gate) as transport:
        with pytest.raises(VendorHalted) as caught:
            await transport.send(request(headers={"Authorization": key}))
    assert "abc" not in str(caught.value)
    assert caught.value.setting == "settings"
    assert gate.methods == []
