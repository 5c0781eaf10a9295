"""HTTP: requests as data go in, responses as data come out.

aiohttp sends GET, PUT and DELETE a second time by itself when a connection that it kept
drops. So the permit is taken in a client middleware, which runs once per real attempt.
The gate is asked again when the connection is there, and once more right before a body
goes out. From that moment on, a request that fails may have reached the vendor.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace, TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from syncengine.errors import (
    AccountStopped,
    CannotBeSent,
    ContactSuppressed,
    RequestFailed,
    SyncEngineError,
    VendorHalted,
    VendorUnavailable,
)
from syncengine.model.http import Request, Response
from syncengine.ports import Gate, Permit, SendCheck
from syncengine.transport.errors import TooLong, in_words
from syncengine.transport.lines import Connector, Line, UnaskedError, taken
from syncengine.version import __version__

_DRAIN = 15.0
"""Seconds that requests under way have left once the run is to stop.

Supervisors commonly kill a process thirty seconds after they asked it to stop.
"""
_PROXY_REFUSES = 407
"""Proxy Authentication Required: no vendor answers with it."""
_ALWAYS = {"accept": "application/json", "user-agent": f"syncengine/{__version__}"}


class Transport:
    """Sends one account's requests (``ports.Sender``); an async context manager.

    ``timeout`` (seconds) runs from when a request may be sent until its answer is read;
    once ``stop`` is set it is ``drain`` at most. ``tls`` replaces the usual trust
    store; certificates are always verified. ``proxy`` is the URL of an HTTP proxy; the
    environment's proxy variables are not used.
    """

    def __init__(
        self,
        base_url: str,
        gate: Gate,
        *,
        timeout: float = 30.0,
        connections: int = 8,
        tls: ssl.SSLContext | None = None,
        stop: asyncio.Event | None = None,
        drain: float = _DRAIN,
        proxy: str | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._gate = gate
        self._timeout = timeout
        self._connections = connections
        self._tls = tls
        self._stop = stop or asyncio.Event()
        self._drain = drain
        self._proxy = proxy
        self._under_way: set[_Attempts] = set()
        """Attempts of the requests that are not answered yet."""
        self._drain_task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_about_to_send)
        trace.on_request_chunk_sent.append(_about_to_write_the_body)
        self._session = aiohttp.ClientSession(
            connector=Connector(limit=self._connections, ssl=self._tls or True),
            # Our own deadline counts only the time that the vendor takes: aiohttp's
            # would also count waits for a permit and for our database.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[trace],
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_ALWAYS,
        )
        self._drain_task = asyncio.create_task(self._limit_when_stopped(), name="drain")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._drain_task is not None:
            self._drain_task.cancel()
        if self._session is not None:
            await self._session.close()

    async def _limit_when_stopped(self) -> None:
        """Limit the time of the requests under way, once the run is to stop."""
        await self._stop.wait()
        for attempts in self._under_way:
            attempts.limit_to(self._drain)

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        """Send one request and read its response to the end.

        Raises VendorUnavailable when no whole response came, AccountStopped when
        nothing may be sent, and whatever ``allowed`` raises.
        """
        _refuse_broken(request)
        url, body = self._written(request)
        attempts = _Attempts(self._gate, self._timeout, allowed, request.items)
        self._under_way.add(attempts)
        failure: RequestFailed | VendorHalted
        try:
            async with attempts.deadline:
                response = await self._on_a_quiet_line(request, url, body, attempts)
        except (AccountStopped, ContactSuppressed) as error:
            if not (attempts.resent and request.writes):
                raise
            # Only aiohttp's second attempt was stopped. The first one may have been
            # carried out, and that must not be forgotten.
            failure = VendorUnavailable(f"{request.route}: {error}", maybe_applied=True)
        except SyncEngineError:
            raise
        except Exception as error:  # noqa: BLE001 - damage ends with its request
            failure = _failure(request, error, attempts)
        else:
            attempts.answered()
            return response
        finally:
            attempts.close()
            self._under_way.discard(attempts)
        # Raised out here, so that the cause does not cling to it: the text of aiohttp's
        # errors may hold the address and the headers.
        raise failure

    async def _on_a_quiet_line(
        self, request: Request, url: URL, written: bytes | None, attempts: _Attempts
    ) -> Response:
        """Send the request on a connection on which nothing has arrived unasked.

        A connection on which something has is given up. Every kept one may be such a
        connection, so there is one more try than connections, on a new one.
        """
        taken.set(attempts.connection.take)
        for _ in range(self._connections):
            with suppress(UnaskedError):
                return await self._exchange(request, url, written, attempts)
        return await self._exchange(request, url, written, attempts)

    async def _exchange(
        self, request: Request, url: URL, written: bytes | None, attempts: _Attempts
    ) -> Response:
        """Send the request on any connection, and read its response."""
        assert self._session is not None, "enter the transport first"
        async with self._session.request(
            request.method,
            url,
            data=written,
            headers=_headers(request),
            allow_redirects=False,
            middlewares=(attempts,),
            proxy=self._proxy,
            trace_request_ctx=attempts,
        ) as response:
            attempts.status = response.status
            if response.status == _PROXY_REFUSES:
                raise _proxy_refused(request)
            body = await _read(response, request.most_bytes)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Response(response.status, headers, body, resent=attempts.resent)

    def _written(self, request: Request) -> tuple[URL, bytes | None]:
        """Return the address and the body.

        Raises CannotBeSent for values that no request can carry.
        """
        # Values come from rows, and may be anything: what quoting, JSON or the URL's
        # own rules refuse is not known beforehand.
        with suppress(Exception):
            address = f"{self._base_url}{request.path}"
            if request.query:
                address += f"?{_query(request)}"
            body = None
            if request.json is not None:
                body = orjson.dumps(request.json)
            return URL(address, encoded=True), body
        raise CannotBeSent(
            f"{request.route}: a value cannot be written into the request; correct the "
            "row"
        )


def _query(request: Request) -> str:
    """Return the query string of a request, with everything quoted."""
    pairs: list[str] = []
    for name, value in request.query:
        pairs.append(f"{quote(name, safe='')}={quote(value, safe='')}")
    return "&".join(pairs)


class _TakenConnection:
    """The connection of an attempt.

    It is apart from the attempt: a connection's callbacks keep the context in which it
    was opened for as long as it lasts, with this in it. An attempt would be kept with
    all contacts that its check asks about.
    """

    def __init__(self) -> None:
        self.line: Line | None = None

    def take(self, line: Line) -> None:
        self.line = line


class _Attempts:
    """The real attempts of one request, each with a permit of its own.

    It is aiohttp's client middleware for the request: called for each attempt.
    """

    def __init__(
        self, gate: Gate, timeout: float, allowed: SendCheck | None, items: int
    ) -> None:
        self.deadline = asyncio.timeout(None)
        """Runs only while the vendor is waited for."""
        self.maybe_arrived = False
        """True once the bytes of some attempt may have gone out."""
        self.resent = False
        """True once aiohttp sends a request again that may have arrived."""
        self.status: int | None = None
        self.connection = _TakenConnection()
        self._gate = gate
        self._timeout = timeout
        self._allowed = allowed
        self._items = items
        self._permit: Permit | None = None
        self._sending = False
        """True once the bytes of the present attempt may have gone out."""
        self._refusal: AccountStopped | None = None
        """Raised by the gate when the body was about to go out."""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Wait for a permit, then make one attempt."""
        # Called again, aiohttp has given up the attempt before.
        self.close()
        self.connection.line = None
        self.resent = self.maybe_arrived
        # The wait for the permit is no delay of the vendor's.
        self.deadline.reschedule(None)
        self._permit = await self._gate.permit(request.method, self._items)
        self._sending = False
        self.deadline.reschedule(_now() + self._timeout)
        try:
            return await handler(request)
        except aiohttp.ClientConnectionError:
            if self._refusal is None:
                raise
        # Raised out here, so that aiohttp's error, into which it was wrapped, does not
        # cling to it.
        raise self._refusal

    async def about_to_send(self) -> None:
        """Check, with the connection there, that the bytes may go out.

        Raises AccountStopped or ContactSuppressed when they must stay here,
        UnaskedError when another connection is needed.
        """
        if self._allowed is not None:
            # Nor is the wait for our own database a delay of the vendor's.
            left = self.deadline.when()
            self.deadline.reschedule(None)
            began = _now()
            await self._allowed()
            if left is not None:
                self.deadline.reschedule(left + _now() - began)
        line = self.connection.line
        assert line is not None, "the connector tells of every connection"
        await line.ask()
        # From here to the write of a request without a body nothing waits: what is
        # checked now still holds then.
        self._gate.check()
        self._sending = True
        self.maybe_arrived = True

    def about_to_write_the_body(self) -> None:
        """Check again that the bytes may go out: the head has only been kept so far.

        aiohttp writes head and body at once, on Python 3.11 in a later step of the
        event loop. In between, a process may have stood still past its lease.
        """
        try:
            self._gate.check()
        except AccountStopped as error:
            self._refusal = error
            self._sending = False
            self.maybe_arrived = self.resent
            raise

    def limit_to(self, seconds: float) -> None:
        """Limit the time of the attempt under way.

        An attempt that still waits for a permit has no deadline; it gets no permit.
        """
        when = self.deadline.when()
        if when is not None and not self.deadline.expired():
            self.deadline.reschedule(min(when, _now() + seconds))

    def answered(self) -> None:
        """Note that the whole response is read."""
        if self._permit is not None:
            self._permit.answered()
            self._permit = None

    def close(self) -> None:
        """Give the permit back as befits what happened, if that is still to be done."""
        permit = self._permit
        self._permit = None
        if permit is None:
            return
        if not self._sending:
            permit.unsent()
        elif self.status is not None:
            # The response's head came in, so the vendor has counted the request.
            permit.answered()
        else:
            permit.abandoned()


def _now() -> float:
    """Return the event loop's time in seconds, by which deadlines are set."""
    return asyncio.get_running_loop().time()


async def _about_to_send(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    """Check once more right before the head is written.

    In spite of its name, aiohttp's signal comes at that moment (a test asserts it).
    """
    await context.trace_request_ctx.about_to_send()


async def _about_to_write_the_body(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceRequestChunkSentParams,
) -> None:
    """Check once more right before head and body are written, as one chunk.

    This signal, too, comes before what it is named after (a test asserts it).
    """
    context.trace_request_ctx.about_to_write_the_body()


def _refuse_broken(request: Request) -> None:
    """Refuse a line break in a header.

    It would end the header, and what follows would be read as another one.
    """
    for name, value in request.headers.items():
        if not value.isprintable():
            raise VendorHalted(
                f"{request.route}: header {name} cannot be sent, since its value holds "
                "a line break or another unprintable character; look at the key in "
                "settings",
                setting="settings",
            )


def _headers(request: Request) -> Mapping[str, str]:
    """Return the headers of a request, and that of its body if it has one."""
    if request.json is None:
        return request.headers
    return {"content-type": "application/json", **request.headers}


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body, unpacked.

    Raises TooLong as soon as it has more than ``most`` bytes.
    """
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > most:
            # The rest would otherwise be read when the connection is given back.
            response.close()
            raise TooLong
    return bytes(body)


def _proxy_refused(request: Request) -> VendorHalted:
    return VendorHalted(
        f"{request.route}: the proxy asks for another user or password; nothing gets "
        "through to the vendor",
        setting="proxy",
    )


def _failure(
    request: Request, error: Exception, attempts: _Attempts
) -> RequestFailed | VendorHalted:
    """Return aiohttp's error as one of ours."""
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return VendorHalted(
            f"{request.route}: {in_words(error)}", setting="settings.base_url"
        )
    if (
        isinstance(error, aiohttp.ClientHttpProxyError)
        and error.status == _PROXY_REFUSES
    ):
        return _proxy_refused(request)
    return VendorUnavailable(
        f"{request.route}: {in_words(error)}",
        maybe_applied=request.writes and attempts.maybe_arrived,
        status=attempts.status,
    )
