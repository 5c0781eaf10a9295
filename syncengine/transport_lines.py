"""Connections on which nothing is believed that nobody asked for.

aiohttp keeps a connection for the next request, and takes what arrives meanwhile for the answer to it: a late or a
forged response would be believed, for another contact. Here whatever arrives unasked ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class UnaskedError(Exception):
    """Something arrived on the connection before the request was written; nothing of it was sent."""


class Line(asyncio.Protocol):
    """Stands between a connection's socket and aiohttp, and lets answers through only after a question."""

    def __init__(self, transport: asyncio.Transport, protocol: ResponseHandler) -> None:
        self._transport = transport
        self._protocol = protocol
        self._asked = False

    async def ask(self) -> None:
        """Let the next answer through.

        Raises UnaskedError when something has arrived already, or the other side has left.
        """
        for _ in range(2):  # what the socket holds is delivered between two steps of the event loop
            await asyncio.sleep(0)
        if self._transport.is_closing():
            raise UnaskedError
        self._asked = True

    def rest(self) -> None:
        """The answer is complete: nothing more may come."""
        self._asked = False

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            self._transport.abort()
            return
        self._protocol.data_received(data)
        if not self._asked and self._protocol.should_close:  # the answer ended, and more came with its end
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

    ``connect`` is the one method through which aiohttp gets a connection, whether new or kept.
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
