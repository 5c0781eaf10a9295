"""The sandbox: twins of vendors behind one HTTP server, each at a path of its own.

``syncengine sandbox`` serves it from the command line; tests use ``serve``::

    async with serve(["respond_io", "second=respond_io"]) as sandbox:
        sandbox.url("second")        # http://127.0.0.1:PORT/second
        sandbox.admin_url("second")  # http://127.0.0.1:PORT/__sandbox/second
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from aiohttp import web

from syncengine.model.http import Response
from syncengine.sandbox.admin import answer_admin
from syncengine.sandbox.faults import Faults
from syncengine.sandbox.holds import Holds
from syncengine.sandbox.journal import Journal
from syncengine.sandbox.stage import Stage, as_web_response
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.kit.answers import answer
from syncengine.sandbox.twins.twin import Twin, TwinRequest

_ADMIN = "__sandbox"
_SHUTDOWN_SECONDS = 0.5
"""Seconds an open connection has to end when the server stops."""


class Sandbox:
    """A running sandbox; see ``serve``.

    Each ``name`` below is one that ``serve`` was given. LookupError is raised for any
    other.
    """

    def __init__(self, stages: Mapping[str, Stage], host: str) -> None:
        self._stages = stages
        self._host = host
        self.port = 0

    def url(self, name: str) -> str:
        """Return the twin's address, without a last slash."""
        self._stage(name)
        return f"http://{self._host}:{self.port}/{name}"

    def admin_url(self, name: str) -> str:
        """Return the address of the twin's admin endpoint, without a last slash."""
        self._stage(name)
        return f"http://{self._host}:{self.port}/{_ADMIN}/{name}"

    def settings(self, name: str) -> dict[str, str]:
        """Return the ``settings`` of a destination that uses the twin."""
        return {"base_url": self.url(name), **self._stage(name).twin.settings}

    def exists(self, name: str) -> dict[str, str]:
        """Return what contacts may name that exists in the twin from the start."""
        return self._stage(name).twin.exists

    def twin(self, name: str) -> Twin:
        return self._stage(name).twin

    def faults(self, name: str) -> Faults:
        return self._stage(name).faults

    def journal(self, name: str) -> Journal:
        return self._stage(name).journal

    def holds(self, name: str) -> Holds:
        return self._stage(name).holds

    def contacts(self, name: str) -> list[dict[str, object]]:
        """Return the contacts that the twin stores now."""
        stage = self._stage(name)
        return stage.twin.contacts(stage.clock())

    def reset(self, name: str) -> None:
        """See ``Stage.reset``."""
        self._stage(name).reset()

    def _stage(self, name: str) -> Stage:
        if name not in self._stages:
            raise LookupError(
                f'The sandbox has no "{name}", only {", ".join(self._stages)}.'
            )
        return self._stages[name]

    async def answer(self, wire: web.BaseRequest) -> web.StreamResponse:
        """Answer any request, for a twin or about one.

        Twins are at ``/NAME/...``, their admin endpoints at ``/__sandbox/NAME/...``.
        """
        # ``raw_path`` is what the client sent: aiohttp's own ``path`` is decoded, and
        # a slash inside an id (%2F) would divide it.
        path, _, query = wire.raw_path.partition("?")
        head, _, tail = path.removeprefix("/").partition("/")
        headers = {key.lower(): value for key, value in wire.headers.items()}
        body = await wire.content.read()
        request = TwinRequest(wire.method, f"/{tail}", query, headers, body)
        if head == _ADMIN:
            return as_web_response(await self._answer_admin(tail, request))
        stage = self._stages.get(head)
        if stage is None:
            return as_web_response(self._no_such_twin())
        return await stage.answer(request, wire)

    async def _answer_admin(self, path: str, request: TwinRequest) -> Response:
        """Answer a request about a twin; ``path`` is such as ``respond_io/log``."""
        name, _, noun = path.partition("/")
        stage = self._stages.get(name)
        if stage is None:
            return self._no_such_twin()
        verb = f"{request.method} {noun}"
        query = dict(parse_qsl(request.query))
        return await answer_admin(stage, verb, request, query)

    def _no_such_twin(self) -> Response:
        message = f"There is no such twin here, only {', '.join(self._stages)}."
        addresses = {}
        for name in self._stages:
            addresses[name] = {
                "base_url": self.url(name),
                "admin": self.admin_url(name),
            }
        return answer(404, {"error": message, "twins": addresses})


@asynccontextmanager
async def serve(
    names: Sequence[str],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    vendor_limits: bool = False,
) -> AsyncIterator[Sandbox]:
    """Serve new, empty twins of vendors until the block ends; port 0 takes a free one.

    A name is a vendor's, or ``NAME=VENDOR`` for a twin at another path: two accounts
    of one vendor are two twins. VENDOR may also be the place of a twin, such as
    ``acme_sync.twin:AcmeTwin``. ``vendor_limits`` puts what each vendor is known to
    allow in force; else there are no limits until they are set.

    Raises LookupError for a vendor without a twin, OSError where the port is taken.
    """
    clock = _steady_clock()
    stages = {}
    for each in names:
        name, _, vendor = each.partition("=")
        twin = load(vendor or name)
        if vendor_limits:
            twin.limiter.configure(twin.vendor_limits)
        stages[name] = Stage(twin, clock)
    sandbox = Sandbox(stages, host)
    server = web.Server(sandbox.answer, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        # With port 0 the system has chosen one by now.
        sandbox.port = runner.addresses[0][1]
        yield sandbox
    finally:
        for stage in stages.values():
            await stage.close()
        await runner.cleanup()


def _steady_clock() -> Callable[[], float]:
    """Return a clock of seconds since 1970 that never goes back.

    The limiters rely on it; the system's own clock may be set back at any time.
    """
    started = time.time()
    monotonic_start = time.monotonic()

    def clock() -> float:
        return started + time.monotonic() - monotonic_start

    return clock
