"""The sandbox: twins of vendors behind one HTTP server, each at a path of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from aiohttp import web

from syncengine.sandbox.admin import answer_admin
from syncengine.sandbox.faults import Faults
from syncengine.sandbox.holds import Holds
from syncengine.sandbox.journal import Journal
from syncengine.sandbox.stage import Stage
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import Furnished, Twin, TwinRequest, answer

_ADMIN = "__sandbox"
_GOODBYE = 0.5
"""Seconds an open connection has to end when the server stops."""


class Sandbox:
    """A running sandbox; see ``serve``. Each name below is one that ``serve`` was given."""

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
        twin = self._stage(name).twin
        return twin.exists if isinstance(twin, Furnished) else {}

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
        """Answer any request, for a twin or about one."""
        path, _, query = wire.raw_path.partition("?")
        head, _, tail = path.removeprefix("/").partition("/")
        name, _, verb = tail.partition("/")
        stage = self._stages.get(name if head == _ADMIN else head)
        if stage is None:
            message = f"There is no such twin here, only {', '.join(self._stages)}."
            addresses = {
                each: {"base_url": self.url(each), "admin": self.admin_url(each)}
                for each in self._stages
            }
            response = answer(404, {"error": message, "twins": addresses})
            return web.Response(
                status=response.status, headers=response.headers, body=response.body
            )
        headers = {key.lower(): value for key, value in wire.headers.items()}
        request = TwinRequest(
            wire.method, f"/{tail}", query, headers, await wire.content.read()
        )
        if head != _ADMIN:
            return await stage.answer(request, wire)
        response = await answer_admin(
            stage, f"{wire.method} {verb}", request, dict(parse_qsl(query))
        )
        return web.Response(
            status=response.status, headers=response.headers, body=response.body
        )


@asynccontextmanager
async def serve(
    names: Sequence[str],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    vendor_limits: bool = False,
) -> AsyncIterator[Sandbox]:
    """Serve new, empty twins of vendors until the block ends; port 0 takes a free one.

    A name is a vendor's, or ``NAME=VENDOR`` for a twin at another path: two accounts of one vendor are two twins.
    ``vendor_limits`` puts what each vendor is known to allow in force; else there are no limits until they are set.
    Raises LookupError for a vendor without a twin, OSError where the port is taken.
    """
    started, reading = time.time(), time.monotonic()

    def clock() -> float:
        return started + time.monotonic() - reading

    stages = {}
    for each in names:
        name, _, vendor = each.partition("=")
        stages[name] = Stage(twin := load(vendor or name), clock)
        twin.limiter.configure(twin.vendor_limits if vendor_limits else ())
    sandbox = Sandbox(stages, host)
    runner = web.ServerRunner(
        web.Server(sandbox.answer, access_log=None), shutdown_timeout=_GOODBYE
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        sandbox.port = runner.addresses[0][1]
        yield sandbox
    finally:
        for stage in stages.values():
            await stage.close()
        await runner.cleanup()
