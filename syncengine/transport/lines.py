"""Connections that accept no answer without a request.

aiohttp keeps a connection for the next request, and takes what arrives meanwhile for
the answer to it: a late or a forged response would be believed, for another contact.
Here whatever arrives unasked ends the connection.

It also reads interim answers (1xx) for as long as any come, and no other task runs
meanwhile. Here their number is limited, and the bytes of their heads.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextvars import ContextVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

MOST_INTERIMS = 10
"""Interim answers to one request."""
MOST_HEAD = 64 * 1024
"""Bytes of all heads of one answer, the interim ones counted."""
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FINAL = re.compile(rb"\s*HTTP/\S+ +(101|[2-9]\d\d)")


class EndlessHeadError(Exception):
    """The answer is one interim answer after the other, or a head without an end."""


class UnaskedError(Exception):
    """Something arrived on the connection before the request was written.

    Nothing of it was sent.
    """


class Head:
    """Watches what arrives until the head of the final answer is complete."""

    def __init__(self) -> None:
        self._begun = b""
        """The head that has begun to arrive."""
        self._bytes = 0
        """Bytes of the heads that are complete."""
        self._interims = 0
        self._complete = False
        """True once the head of the final answer has arrived."""

    def watch(self, data: bytes) -> None:
        """Raise EndlessHeadError where it goes on for too long."""
        if self._complete:
            return
        # A blank line may be cut in two by how the bytes arrive.
        search_from = max(0, len(self._begun) - 3)
        self._begun += data
        start = 0
        while end := _BLANK_LINE.search(self._begun, search_from):
            self._bytes += end.end() - start
            if _FINAL.match(self._begun, start):
                self._complete = True
                self._begun = b""
                break
            self._interims += 1
            if self._interims > MOST_INTERIMS:
                raise EndlessHeadError
            start = search_from = end.end()
        self._begun = self._begun[start:]
        if self._bytes + len(self._begun) > MOST_HEAD:
            raise EndlessHeadError


class Line(asyncio.Protocol):
    """Stands between a connection's socket and aiohttp.

    Lets an answer through only after a request.
    """

    def __init__(self, transport: asyncio.Transport, protocol: ResponseHandler) -> None:
        self._transport = transport
        self._protocol = protocol
        self._asked = False
        self._head = Head()

    async def ask(self) -> None:
        """Let the next answer through.

        Raises UnaskedError when something has arrived already, or the other side has
        left.
        """
        # What the socket has already is delivered between two steps of the event loop.
        for _ in range(2):
            await asyncio.sleep(0)
        if self._transport.is_closing():
            raise UnaskedError
        self._asked = True
        self._head = Head()

    def rest(self) -> None:
        """Note that the answer is complete: nothing more may come."""
        self._asked = False

    def data_received(self, data: bytes) -> None:
        """Hand an answer on to aiohttp, or end the connection."""
        if not self._asked:
            self._transport.abort()
            return
        try:
            self._head.watch(data)
        except EndlessHeadError as error:
            self._protocol.set_exception(error)
            self._transport.abort()
            return
        self._protocol.data_received(data)
        # aiohttp calls ``rest`` when the answer is complete. If it wants to close the
        # connection then, more came with the answer's end.
        if not self._asked and self._protocol.should_close:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


taken: ContextVar[Callable[[Line], None]] = ContextVar("taken")
"""Is given the line of each connection that a request gets, new or kept."""


class Connector(aiohttp.TCPConnector):
    """aiohttp's connector, with a line on each connection.

    ``connect`` is the one method through which aiohttp gets a connection, whether new
    or kept.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the name is aiohttp's
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        transport, protocol = connection.transport, connection.protocol
        assert transport is not None
        assert protocol is not None
        line = transport.get_protocol()
        if not isinstance(line, Line):
            line = Line(transport, protocol)
            transport.set_protocol(line)
        connection.add_callback(line.rest)
        taken.get()(line)
        return connection
