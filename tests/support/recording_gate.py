"""A gate that records what became of each permit, and a server made of raw bytes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from syncengine.errors import AccountStopped

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class NotedPermit:
    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def answered(self) -> None:
        self._notes.append("answered")

    def abandoned(self) -> None:
        self._notes.append("abandoned")

    def unsent(self) -> None:
        self._notes.append("unsent")


class NotedGate:
    """A gate that lets everything through and records it.

    ``closed`` is raised by every check, ``closing`` by every one after the next;
    ``shut`` by every permit; a permit takes ``wait`` seconds.
    """

    def __init__(self, *, wait: float = 0.0) -> None:
        self.methods: list[str] = []
        self.items: list[int] = []
        self.fates: list[str] = []
        self.permitted: asyncio.Queue[str] = asyncio.Queue()
        self.checks = 0
        self.wait = wait
        self.closed: AccountStopped | None = None
        self.closing: AccountStopped | None = None
        self.shut: AccountStopped | None = None

    async def permit(self, method: str, items: int = 1) -> NotedPermit:
        await asyncio.sleep(self.wait)
        if self.shut is not None:
            raise self.shut
        self.methods.append(method)
        self.items.append(items)
        self.permitted.put_nowait(method)
        return NotedPermit(self.fates)

    def check(self) -> None:
        self.checks += 1
        if self.closed is not None:
            raise self.closed
        self.closed = self.closing


@asynccontextmanager
async def serving(
    talk: Talk, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Yield the address of a server that treats each connection as ``talk`` says.

    A connection that is still open is closed afterwards.

    With ``tls`` it is one for ``localhost``.
    """
    lines: set[asyncio.Task[None]] = set()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        lines.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    try:
        host = "https://localhost" if tls else "http://127.0.0.1"
        _, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.close()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole request with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    """A response on the wire."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
        + body
    )
