"""HTTP: requests as data go in, responses as data come out. The sole importer of aiohttp's client.

aiohttp sends GET, PUT and DELETE a second time by itself when a reused connection drops. So the permit is taken in a
client middleware, which runs once per real attempt, and the lease is checked again when the connection is there, right
before the bytes go out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from syncengine.errors import AccountStopped, VendorUnavailable
from syncengine.model.http import Request, Response
from syncengine.ports import Gate

MOST_BYTES = 10 * 1024 * 1024
"""An answer longer than this is no answer of a contacts API."""
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""The connection was never made (refused, unknown host, TLS), so nothing was sent."""
_left: ContextVar[list[bool]] = ContextVar("attempts of this request that may have reached the vendor")
_FAILED = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class Transport:
    """Sends one account's requests (``ports.Sender``); an async context manager."""

    def __init__(self, base_url: str, gate: Gate, *, timeout: float = 30.0, connections: int = 8) -> None:
        self._base_url = base_url.rstrip("/")
        self._gate = gate
        self._timeout = timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._about_to_send)
        trace.on_connection_reuseconn.append(self._about_to_send)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=None),
            middlewares=(self._with_permit,),
            trace_configs=[trace],
            cookie_jar=aiohttp.DummyCookieJar(),
            raise_for_status=False,
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> Response:
        """Send and read one request.

        Raises VendorUnavailable when no whole response came, AccountStopped when nothing may be sent.
        """
        assert self._session is not None, "enter the transport first"
        left = _left.set([])
        try:
            async with self._session.request(
                request.method,
                self._url(request),
                data=None if request.json is None else orjson.dumps(request.json),
                headers=_headers(request),
                allow_redirects=False,
            ) as response:
                async with asyncio.timeout(self._timeout):
                    body = await _read(response)
                return Response(response.status, {k.lower(): v for k, v in response.headers.items()}, body)
        except AccountStopped:
            raise
        except _FAILED as error:
            maybe = bool(_left.get()) or not isinstance(error, _NEVER_LEFT)
            raise VendorUnavailable(f"{request.route}: {_in_words(error)}", maybe_applied=maybe) from None
        finally:
            _left.reset(left)

    def _url(self, request: Request) -> URL:
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in request.query)
        return URL(f"{self._base_url}{request.path}" + (f"?{query}" if query else ""), encoded=True)

    async def _with_permit(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        permit = await self._gate.permit(request.method)
        try:
            self._gate.check()
            async with asyncio.timeout(self._timeout):  # from here: waiting for the permit is no delay of the vendor's
                response = await handler(request)
        except BaseException as error:
            permit.abandoned()
            if not isinstance(error, (*_NEVER_LEFT, AccountStopped)):
                _left.get().append(True)
            raise
        permit.answered()
        return response

    async def _about_to_send(self, _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
        self._gate.check()


def _headers(request: Request) -> Mapping[str, str]:
    if request.json is None or any(name.lower() == "content-type" for name in request.headers):
        return request.headers
    return {**request.headers, "content-type": "application/json"}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MOST_BYTES:
            raise ValueError("the answer is longer than 10 MB")
    return bytes(body)


def _in_words(error: BaseException) -> str:  # noqa: PLR0911 - a table of words
    """What happened, without the address: it may hold secrets and personal data."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the vendor's host is unknown; check settings.base_url and DNS"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "the vendor's certificate cannot be trusted, or TLS failed; check settings.base_url"
        case aiohttp.ClientConnectorError():
            return "nothing listens at settings.base_url, or the network is down"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection was cut before the answer"
        case aiohttp.ClientPayloadError():
            return "the answer was cut off"
        case ValueError() if not isinstance(error, aiohttp.InvalidURL):
            return str(error) if "10 MB" in str(error) else "the request or its answer cannot be read"
        case _:
            return f"the request failed ({type(error).__name__})"
