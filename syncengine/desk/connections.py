"""Connections of the desk: none is kept for a request that does not come.

aiohttp waits for the rest of a request's header for as long as the connection lives.
Whoever opens connections and sends half a header in each would keep all others out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

LONGEST_WAIT = 30.0
"""Seconds a connection has to bring a whole header, or to take an answer."""
MOST_CONNECTIONS = 200
"""Number of connections at once."""


class ConnectionGuard:
    """Closes connections that bring no request for too long, or that are too many.

    A connection waits from its beginning, or from its last answer, until the header of
    its next request is complete.
    """

    def __init__(
        self, longest_wait: float = LONGEST_WAIT, most: int = MOST_CONNECTIONS
    ) -> None:
        self._longest_wait = longest_wait
        self._most = most
        self._open: set[asyncio.BaseTransport] = set()
        self._waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        """The connections that wait, the longest waiting first."""

    def protocol(self, served: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """Return the protocol of a new connection, served by the one of a server."""
        return _GuardedProtocol(served(), self)

    def opened(self, transport: asyncio.Transport) -> None:
        """Note a new connection, which waits for its first request."""
        self._open.add(transport)
        if len(self._open) > self._most:
            self._make_room(transport)
        self.waits(transport)

    def waits(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a connection waits for a request from now on."""
        if transport not in self._open or transport is None:
            # It was closed meanwhile.
            return
        self.has_request(transport)
        assert isinstance(transport, asyncio.Transport), "it came by opened()"
        loop = asyncio.get_running_loop()
        end = partial(self._end, transport)
        self._waiting[transport] = loop.call_later(self._longest_wait, end)

    def has_request(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that the header of a connection's request is complete."""
        timer = None if transport is None else self._waiting.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def closed(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection."""
        self.has_request(transport)
        self._open.discard(transport)

    def _make_room(self, newest: asyncio.Transport) -> None:
        """End the connection that waited longest; the newest if all are at work."""
        longest = next(iter(self._waiting), newest)
        assert isinstance(longest, asyncio.Transport), "it came by opened()"
        self._end(longest)

    def _end(self, transport: asyncio.Transport) -> None:
        # Not close(), which would wait for a reader of what is left to send.
        self.closed(transport)
        transport.abort()


class _GuardedProtocol(asyncio.Protocol):
    """Hands everything on to the server's own protocol."""

    def __init__(self, served: asyncio.Protocol, guard: ConnectionGuard) -> None:
        self._served = served
        self._guard = guard
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a stream has this one"
        self._transport = transport
        self._served.connection_made(transport)
        self._guard.opened(transport)

    def data_received(self, data: bytes) -> None:
        self._served.data_received(data)

    def eof_received(self) -> bool | None:
        return self._served.eof_received()

    def pause_writing(self) -> None:
        self._served.pause_writing()

    def resume_writing(self) -> None:
        self._served.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._guard.closed(self._transport)
        self._served.connection_lost(exc)
