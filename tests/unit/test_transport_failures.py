"""Failures on the way of a request.

Each has a message, says whether the request may have arrived, and settles the permit.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import traceback
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aioresponses import aioresponses

import syncengine.transport.errors as words
from syncengine.errors import SyncEngineError, VendorUnavailable
from syncengine.model.bounds import ONE_BYTES
from syncengine.model.http import Request
from syncengine.transport.client import Transport
from tests.support.recording_gate import NotedGate, Talk, answer, read_request, serving

SECRET = "hunter2-secret"
CERTIFICATE = Path(__file__).parent / "certificate" / "certificate.pem"
CLIENT_ERRORS = sorted(
    (
        kind
        for kind in vars(aiohttp.client_exceptions).values()
        if isinstance(kind, type) and issubclass(kind, aiohttp.ClientError)
    ),
    key=lambda kind: kind.__name__,
)


def request(method: str) -> Request:
    return Request(
        method,
        "/contact/17",
        f"{method} /contact/{{id}}",
        query=(("email", SECRET),),
        headers={"Authorization": SECRET},
        json={"name": SECRET} if method in ("POST", "PUT") else None,
    )


async def fails(
    url: str, gate: NotedGate, method: str = "POST", *, patience: float = 20.0
) -> VendorUnavailable:
    """Return the failure of one request; its traceback holds no secret either."""
    async with Transport(url, gate, timeout=patience) as transport:
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(request(method))
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    assert SECRET not in "".join(traceback.format_exception(error))
    assert f"{method} /contact/{{id}}" in str(error)
    return error


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection with a reset, not a goodbye."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


async def reset_unread(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    reset(writer)


async def reset_after_reading(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await read_request(reader)
    reset(writer)


async def close_after_reading(
    reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
) -> None:
    await read_request(reader)


async def cut_in_the_head(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"\x16\x03\x01 what is this, HTTP?\r\n\r\n")


@pytest.mark.parametrize(
    "talk",
    [reset_unread, reset_after_reading, close_after_reading, cut_in_the_head, garbage],
    ids=lambda t: t.__name__,
)
@pytest.mark.asyncio
async def test_a_connection_that_breaks_before_the_answer_is_unknown(
    talk: Talk,
) -> None:
    gate = NotedGate()
    async with serving(talk) as url:
        error = await fails(url, gate)
    assert error.maybe_applied
    assert error.status is None
    assert gate.fates == ["abandoned"]


@pytest.mark.parametrize(
    "asked",
    [request("GET"), replace(request("POST"), reads=True)],
    ids=lambda r: r.method,
)
@pytest.mark.asyncio
async def test_a_look_up_whose_answer_is_lost_is_not_unknown(asked: Request) -> None:
    gate = NotedGate()
    async with serving(reset_after_reading) as url, Transport(url, gate) as transport:
        with pytest.raises(VendorUnavailable) as caught:
            await transport.send(asked)
    assert not caught.value.maybe_applied
    assert gate.fates[-1] == "abandoned"


async def truncated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(answer(b"x" * 100)[:-1])


async def truncated_and_reset(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await truncated(reader, writer)
    await writer.drain()
    reset(writer)


async def truncated_chunks(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")


async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * (ONE_BYTES // 8))
        await writer.drain()


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "talk", [truncated, truncated_chunks, huge], ids=lambda t: t.__name__
)
@pytest.mark.asyncio
async def test_half_an_answer_is_none_and_is_not_asked_for_twice(
    talk: Talk, method: str
) -> None:
    gate = NotedGate()
    async with serving(talk) as url:
        error = await fails(url, gate, method)
    assert error.maybe_applied
    assert error.status == 200
    assert gate.fates == ["answered"]


@pytest.mark.asyncio
async def test_half_an_answer_and_a_reset() -> None:
    """The reset may overtake the answer's head; the outcome is unknown either way."""
    gate = NotedGate()
    async with serving(truncated_and_reset) as url:
        error = await fails(url, gate)
    assert error.maybe_applied
    assert gate.fates == ["answered" if error.status == 200 else "abandoned"]


@pytest.mark.asyncio
async def test_silence_ends_after_the_timeout_counted_from_sending() -> None:
    async def silence(
        reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    gate = NotedGate(wait=0.3)
    async with serving(silence) as url:
        error = await fails(
            url, gate, patience=0.05
        )  # shorter than the wait for the permit, which does not count
    assert error.maybe_applied
    assert gate.fates == ["abandoned"]
    assert "in time" in str(error)


@pytest.mark.asyncio
async def test_a_slow_body_ends_after_the_timeout() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b"x" * 100)[:-50])
        await reader.read()

    gate = NotedGate()
    async with serving(slow) as url:
        error = await fails(url, gate, patience=0.1)
    assert error.maybe_applied
    assert error.status == 200
    assert gate.fates == ["answered"]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.asyncio
async def test_nobody_listens(method: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # held, but not listening
        gate = NotedGate()
        error = await fails(f"http://127.0.0.1:{bound.getsockname()[1]}", gate, method)
    assert not error.maybe_applied
    assert gate.fates == ["unsent"]


@pytest.mark.asyncio
async def test_the_host_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    gate = NotedGate()
    error = await fails("http://api.example.invalid", gate)
    assert not error.maybe_applied
    assert "DNS" in str(error)
    assert gate.fates == ["unsent"]


@pytest.mark.asyncio
async def test_plain_http_behind_an_https_address() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer())

    gate = NotedGate()
    async with serving(plain) as url:
        error = await fails(url.replace("http:", "https:"), gate)
    assert not error.maybe_applied
    assert gate.fates == ["unsent"]


@pytest.mark.asyncio
async def test_a_connection_that_is_never_made_in_time() -> None:
    """The TLS greeting is not answered, so nothing of the request was sent."""

    async def silence(
        reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    gate = NotedGate()
    async with serving(silence) as url:
        error = await fails(url.replace("http:", "https:"), gate, patience=0.1)
    assert not error.maybe_applied
    assert gate.fates == ["unsent"]


@pytest.mark.parametrize(
    ("trusted", "host"),
    [(False, "127.0.0.1"), (True, "localhost"), (True, "127.0.0.1")],
)
@pytest.mark.asyncio
async def test_certificates_are_verified(host: str, *, trusted: bool) -> None:
    """Self-signed, for ``localhost`` alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await read_request(reader)
            writer.write(answer())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    gate = NotedGate()
    tls = ssl.create_default_context(cafile=CERTIFICATE) if trusted else None
    async with (
        server,
        Transport(
            f"https://{host}:{server.sockets[0].getsockname()[1]}", gate, tls=tls
        ) as transport,
    ):
        if trusted and host == "localhost":
            assert (await transport.send(request("POST"))).status == 200
            assert gate.fates == ["answered"]
        else:
            with pytest.raises(VendorUnavailable, match="certificate") as caught:
                await transport.send(request("POST"))
            assert not caught.value.maybe_applied
            assert gate.fates == ["unsent"]


@pytest.mark.asyncio
async def test_a_cancelled_request_is_abandoned() -> None:
    arrived = asyncio.Event()

    async def silence(
        reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()

    gate = NotedGate()
    async with serving(silence) as url, Transport(url, gate) as transport:
        sending = asyncio.create_task(transport.send(request("PUT")))
        await arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert gate.fates == ["abandoned"]


@pytest.mark.asyncio
async def test_once_the_run_is_to_stop_what_is_under_way_is_not_waited_for_long() -> (
    None
):
    arrived, stop = asyncio.Event(), asyncio.Event()

    async def silence(
        reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()

    gate = NotedGate()
    async with (
        serving(silence) as url,
        Transport(url, gate, timeout=86400.0, stop=stop, drain=0.05) as transport,
    ):
        sending = asyncio.create_task(transport.send(request("PUT")))
        await arrived.wait()
        stop.set()
        with pytest.raises(VendorUnavailable, match="no answer in time") as caught:
            await sending
    assert caught.value.maybe_applied
    assert gate.fates == ["abandoned"]


@pytest.mark.parametrize("kind", CLIENT_ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.asyncio
async def test_every_error_of_the_library_is_translated(
    kind: type[aiohttp.ClientError],
) -> None:
    """An error that a new release adds fits only the table's last line, and fails."""
    error = kind.__new__(kind)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error._certificate_error = ssl.SSLCertVerificationError(1, SECRET)
    said = words.in_words(error)
    assert SECRET not in said
    if kind is not aiohttp.ClientError:
        assert kind.__name__ not in said, "no words of its own"


@pytest.mark.parametrize(
    "kind",
    [
        aiohttp.ServerDisconnectedError,
        aiohttp.ClientPayloadError,
        TimeoutError,
        OSError,
    ],
)
@pytest.mark.asyncio
async def test_what_the_library_raises_comes_out_as_ours(kind: type[Exception]) -> None:
    async with Transport("http://127.0.0.1:9", NotedGate()) as transport:
        with aioresponses() as vendor:
            vendor.post(
                f"http://127.0.0.1:9/contact/17?email={SECRET}", exception=kind(SECRET)
            )
            with pytest.raises(SyncEngineError) as caught:
                await transport.send(request("POST"))
    assert isinstance(caught.value, VendorUnavailable)
    assert SECRET not in str(caught.value)


@pytest.mark.asyncio
async def test_a_simple_answer() -> None:
    async with Transport("http://127.0.0.1:9", NotedGate()) as transport:
        with aioresponses() as vendor:
            vendor.get(
                f"http://127.0.0.1:9/contact/17?email={SECRET}",
                status=418,
                body=b"short",
                headers={"X-A": "b"},
            )
            response = await transport.send(request("GET"))
    assert (response.status, response.body, response.headers["x-a"]) == (
        418,
        b"short",
        "b",
    )
