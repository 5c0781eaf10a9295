"""Requests through a proxy, against one made of raw bytes."""

from __future__ import annotations

import asyncio

import pytest

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.http import Request
from syncengine.transport.client import Transport
from tests.support.recording_gate import NotedGate, Talk, answer, read_request, serving

_WRITE = Request("POST", "/contact", "POST /contact", json={"name": "Zoe"})


def _answering(response: bytes, seen: list[bytes]) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(response)
            await writer.drain()

    return talk


@pytest.mark.asyncio
async def test_a_request_goes_to_the_proxy_with_the_vendor_s_whole_address() -> None:
    seen: list[bytes] = []
    async with (
        serving(_answering(answer(), seen)) as proxy,
        Transport(
            "http://vendor.invalid/v1",
            NotedGate(),
            proxy=proxy.replace("//", "//me:word@"),
        ) as transport,
    ):
        response = await transport.send(_WRITE)
    assert response.status == 200
    assert seen[0].startswith(b"POST http://vendor.invalid/v1/contact HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6d29yZA==" in seen[0]


@pytest.mark.asyncio
async def test_the_environment_s_proxy_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxied: list[bytes] = []
    direct: list[bytes] = []
    async with (
        serving(_answering(answer(), proxied)) as proxy,
        serving(_answering(answer(), direct)) as vendor,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        async with Transport(vendor, NotedGate()) as transport:
            await transport.send(_WRITE)
    assert (len(proxied), len(direct)) == (0, 1)


@pytest.mark.parametrize("address", ["http://vendor.invalid", "https://vendor.invalid"])
@pytest.mark.asyncio
async def test_a_proxy_that_refuses_its_user_stops_the_account_and_no_contact_is_blamed(
    address: str,
) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with (
        serving(_answering(refusal, [])) as proxy,
        Transport(address, NotedGate(), proxy=proxy) as transport,
    ):
        with pytest.raises(
            VendorHalted, match="the proxy asks for another user or password"
        ) as halted:
            await transport.send(_WRITE)
    assert halted.value.setting == "proxy"


@pytest.mark.asyncio
async def test_nothing_arrived_where_the_proxy_does_not_open_a_tunnel() -> None:
    async with (
        serving(
            _answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", [])
        ) as proxy,
        Transport("https://vendor.invalid", NotedGate(), proxy=proxy) as transport,
    ):
        with pytest.raises(
            VendorUnavailable, match="the proxy refused to connect"
        ) as refused:
            await transport.send(_WRITE)
    assert not refused.value.maybe_applied


@pytest.mark.asyncio
async def test_a_proxy_that_is_not_there() -> None:
    async with Transport(
        "https://vendor.invalid", NotedGate(), proxy="http://127.0.0.1:1"
    ) as transport:
        with pytest.raises(
            VendorUnavailable, match="the proxy cannot be reached; check proxy"
        ) as refused:
            await transport.send(_WRITE)
    assert not refused.value.maybe_applied
