"""The desk's web server: a few pages over the state that change nothing.

It answers GET and HEAD alone, keeps no sessions, loads nothing from elsewhere, and
trusts no name of a host that it was not told: a page of somebody else's, whose name is
pointed at this machine, could else read it through a browser here (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST

from syncengine.desk.connections import ConnectionGuard
from syncengine.desk.metrics import exposition, read_facts
from syncengine.desk.pages import BadQuestion, DeskPages, NoSuchPage, PageView
from syncengine.desk.templating import environment, stylesheet
from syncengine.errors import StorageError, where_it_broke
from syncengine.model.texts import is_storable
from syncengine.ports import DeskState

_PATIENCE = 10.0
"""Seconds that all reading of a page may take."""
_SHUTDOWN_SECONDS = 1.0
"""Seconds an open connection has to end when the server stops."""
_LONGEST_ADDRESS = 4096
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_logger = logging.getLogger(__name__)
_LOCAL_NAMES = frozenset({"localhost"})

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class DeskAddress:
    """Address at which the desk can be reached."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Return its address for a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """Return whether a record tells of more than a request that is no HTTP.

    Such a request is answered with 400: with each of them in the log, together with a
    traceback, anybody could fill the disk.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


_logger.addFilter(_is_no_bad_request)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server at this address."""
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@asynccontextmanager
async def serve_desk(
    state: DeskState,
    host: str,
    port: int,
    *,
    with_values: bool,
    allowed_hosts: Collection[str] = (),
    version: str,
    connections: ConnectionGuard | None = None,
) -> AsyncIterator[DeskAddress]:
    """Serve the pages until the block ends; port 0 takes a free one.

    ``connections`` bounds their number and how long they wait. Raises OSError where it
    cannot listen there.
    """
    guard = connections or ConnectionGuard()
    # A page of a stranger may have its own name point to this machine (DNS rebinding).
    # It could read the desk, were any name accepted.
    names = {each.lower() for each in (*_LOCAL_NAMES, host, *allowed_hosts)}
    desk = _Desk(
        state, with_values=with_values, hosts=names, version=version, guard=guard
    )
    runner = web.AppRunner(
        desk.application(),
        access_log=None,
        logger=_logger,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    served = runner.server
    assert served is not None, "a runner that was set up has one"
    server: asyncio.Server | None = None
    try:
        # Not aiohttp's TCPSite, which gives no hold on the connections.
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: guard.protocol(served), host, port)
        # With port 0 the system has chosen one by now.
        yield DeskAddress(host, server.sockets[0].getsockname()[1])
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


class _Desk:
    """Turns requests into pages, and whatever goes wrong into words."""

    def __init__(
        self,
        state: DeskState,
        *,
        with_values: bool,
        hosts: Collection[str],
        version: str,
        guard: ConnectionGuard,
    ) -> None:
        self._guard = guard
        self._state = state
        self._pages = DeskPages(state, with_values=with_values)
        self._with_values = with_values
        self._hosts = hosts
        self._version = version

    def application(self) -> web.Application:
        """Return the application with its addresses."""
        application = web.Application(middlewares=[self._dressed])
        application.add_routes(
            [
                web.get("/", self._destinations),
                web.get("/runs", self._runs),
                web.get("/runs/{run_id:[0-9]{1,18}}", self._run),
                web.get("/failures", self._failures),
                web.get("/contact", self._contact),
                web.get("/style.css", self._style),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._health),
            ]
        )
        return application

    @web.middleware
    async def _dressed(
        self, request: web.Request, handler: _Handler
    ) -> web.StreamResponse:
        """Return an answer with the headers that all have."""
        self._guard.has_request(request.transport)
        try:
            response = await self._answer(request, handler)
        finally:
            # Taking the answer counts as waiting: a reader may never come for it.
            self._guard.waits(request.transport)
        response.headers.update(_HEADERS)
        # What software this is, is nobody's business.
        response.headers["Server"] = "syncengine"
        return response

    async def _answer(
        self, request: web.Request, handler: _Handler
    ) -> web.StreamResponse:
        if not self._is_expected(request.headers.get("Host", "")):
            return self._error(
                request,
                421,
                "This name is not known here",
                "The desk answers to the names that it was started with: name another "
                "one with --allow-host.",
            )
        if request.method not in ("GET", "HEAD"):
            response = self._error(
                request,
                405,
                "Only reading is possible here",
                "The desk changes nothing.",
            )
            response.headers["Allow"] = "GET, HEAD"
            return response
        if len(request.raw_path) > _LONGEST_ADDRESS:
            return self._error(request, 414, "The address is too long", "")
        if not _is_readable(request):
            return self._error(
                request,
                400,
                "The address cannot be read",
                "It holds a character that no name or id here has.",
            )
        return await self._carried_out(request, handler)

    async def _carried_out(
        self, request: web.Request, handler: _Handler
    ) -> web.StreamResponse:
        """Return the answer of a page, or what went wrong in words."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await handler(request)
        except Exception as error:  # noqa: BLE001 - told without its message, which may hold a value
            return self._error(request, *_in_words(error))

    def _is_expected(self, host: str) -> bool:
        """Return whether a Host header names this server.

        A number is no name that somebody could have pointed here.
        """
        name = host.rpartition(":")[0] if not host.endswith("]") else host
        # Without a port there is nothing to cut off.
        if not host.rpartition(":")[2].isdigit():
            name = host
        name = name.strip("[]").lower()
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _destinations(self, request: web.Request) -> web.Response:
        return self._page(request, await self._pages.destinations(request.query))

    async def _runs(self, request: web.Request) -> web.Response:
        return self._page(request, await self._pages.runs(request.query))

    async def _run(self, request: web.Request) -> web.Response:
        run_id = int(request.match_info["run_id"])
        return self._page(request, await self._pages.run(run_id, request.query))

    async def _failures(self, request: web.Request) -> web.Response:
        return self._page(request, await self._pages.failures(request.query))

    async def _contact(self, request: web.Request) -> web.Response:
        return self._page(request, await self._pages.contact(request.query))

    async def _style(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=stylesheet(), content_type="text/css")

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        body = exposition(await read_facts(self._state))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, request: web.Request) -> web.Response:
        del request
        try:
            await self._state.require_answer()
        except StorageError:
            return _json({"status": "state unreadable"}, status=503)
        return _json({"status": "ok"})

    def _page(self, request: web.Request, view: PageView) -> web.Response:
        if _wants_json(request):
            return _json(view.public)
        response = self._html(view.template, view.title, request.path, view.facts)
        if view.refresh is not None:
            # A header rather than an element: the page offers to switch it off.
            response.headers["Refresh"] = str(view.refresh)
        return response

    def _error(
        self, request: web.Request, status: int, title: str, what: str
    ) -> web.Response:
        if _wants_json(request):
            return _json({"error": title, "what": what}, status=status)
        facts = {"what": what, "status": status}
        # A path that is not even UTF-8 could not be written into the page.
        path = request.path if is_storable(request.path) else ""
        return self._html("error.html", title, path, facts, status=status)

    def _html(
        self,
        template: str,
        title: str,
        path: str,
        facts: Mapping[str, object],
        *,
        status: int = 200,
    ) -> web.Response:
        page = environment().get_template(template)
        text = page.render(
            title=title,
            path=path,
            version=self._version,
            with_personal_data=self._with_values,
            **facts,
        )
        return web.Response(text=text, content_type="text/html", status=status)


def _in_words(error: Exception) -> tuple[int, str, str]:
    """Return the status, what went wrong, and what to do about it."""
    match error:
        case NoSuchPage():
            return 404, "There is no such thing", str(error)
        case BadQuestion():
            return 400, "That cannot be asked", str(error)
        case web.HTTPNotFound():
            return 404, "There is no such page", "Start from the destinations."
        case TimeoutError():
            what = (
                f"The state gave no answer within {_PATIENCE:.0f} seconds. Nothing is "
                "lost; try again."
            )
            return 503, "The page took too long", what
        case StorageError():
            what = f"{error}. Nothing is lost; try again."
            return 503, "The state cannot be read now", what
        case _:
            what = f"{where_it_broke(error)}. Other pages go on."
            return 500, "Something unforeseen happened", what


def _is_readable(request: web.Request) -> bool:
    """Return whether Postgres could be asked for all that the address holds."""
    parts = [request.path]
    for name, value in request.query.items():
        parts += [name, value]
    return all(map(is_storable, parts))


def _wants_json(request: web.Request) -> bool:
    return request.query.get("format") == "json"


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(value, default=str),
        content_type="application/json",
        status=status,
    )
