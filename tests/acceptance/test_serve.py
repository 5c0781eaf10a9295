"""The desk's pages and metrics: what they cost the database, and what they look like."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy

from syncengine.app.desk_state import PagedState
from syncengine.desk.server import DeskAddress, serve_desk
from syncengine.storage.connect import open_pool
from tests.support.command_process import Command, until
from tests.support.desk_state import BIG, DeskState, fill
from tests.support.people_project import RESPOND_IO, people

if TYPE_CHECKING:
    from tests.support.browser import Chromium

_MOST_ROWS = 1000
"""Rows that one statement of a page may read."""
_VALUE = "Ada 41"
"""A value of contact 41."""


@asynccontextmanager
async def _desk(
    database: str, contacts: int, *, with_values: bool = False
) -> AsyncIterator[tuple[DeskAddress, DeskState]]:
    """Serve the pages of a filled state; without contacts it stays empty."""
    state = DeskState(0, 0, 0)
    if contacts:
        connection = await asyncpg.connect(database)
        state = await fill(connection, contacts)
        await connection.close()
    async with (
        open_pool(database, size=3, read_only=True) as pool,
        serve_desk(
            PagedState(pool), "127.0.0.1", 0, with_values=with_values, version="1.0"
        ) as address,
    ):
        yield address, state


def _pages(state: DeskState) -> list[str]:
    """Return the addresses of all pages, with filters and further pages."""
    return [
        "",
        "?after=crm_de",
        "runs",
        f"runs?destination={BIG}&before=120",
        f"runs/{state.big_run}",
        f"runs/{state.big_run}?batches_after=20",
        f"runs/{state.running}?refresh=off",
        f"failures?run={state.big_run}",
        f"failures?run={state.big_run}&code=http_422",
        f"failures?run={state.big_run}&outcome=unknown",
        f"failures?run={state.big_run}&after_code=%3Dhttp_422&after=170",
        "failures",
        f"failures?destination={BIG}",
        f"failures?destination={BIG}&reason=unsupported&code=remove_tag",
        f"failures?destination={BIG}&after_code=%3Dhttp_422&after=41",
        "contact",
        "contact?id=41",
        "contact?id=41&before=100",
    ]


@pytest.mark.asyncio
async def test_no_statement_of_a_page_reads_more_than_a_thousand_rows(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[Any, ...]]] = []
    for method in ("fetch", "fetchrow", "fetchval"):
        _record(monkeypatch, method, asked)
    async with (
        _desk(database, 20_000, with_values=True) as (address, state),
        aiohttp.ClientSession() as session,
    ):
        for path in (*_pages(state), "metrics", "healthz"):
            async with session.get(address.url + path) as response:
                assert response.status == 200, path
    connection = await asyncpg.connect(database)
    try:
        read: dict[str, int] = {}
        for query, arguments in asked:
            if "FROM syncengine" in query:
                rows = await _rows_read(connection, query, arguments)
                read[query] = max(rows, read.get(query, 0))
    finally:
        await connection.close()
    assert len(read) > 10
    assert {query: rows for query, rows in read.items() if rows > _MOST_ROWS} == {}


def _record(
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    asked: list[tuple[str, tuple[Any, ...]]],
) -> None:
    original = getattr(PoolConnectionProxy, method)

    async def recorded(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
        asked.append((query, arguments))
        return await original(self, query, *arguments, **options)

    monkeypatch.setattr(PoolConnectionProxy, method, recorded)


async def _rows_read(
    connection: asyncpg.Connection[asyncpg.Record],
    query: str,
    arguments: tuple[Any, ...],
) -> int:
    """Return the number of rows that a statement reads from tables, used or not."""
    explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
    plan = json.loads(await connection.fetchval(explain + query, *arguments))
    return _rows_of(plan[0]["Plan"])


def _rows_of(node: dict[str, Any]) -> int:
    rows = sum(_rows_of(child) for child in node.get("Plans", ()))
    if "Relation Name" in node:
        names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
        of_one_loop = sum(node.get(name, 0) for name in names)
        rows += round(of_one_loop * node["Actual Loops"])
    return rows


@pytest.mark.asyncio
async def test_the_desk_answers_to_whom_it_knows_and_changes_nothing(
    database: str,
) -> None:
    async with (
        _desk(database, 600) as (address, state),
        aiohttp.ClientSession() as session,
    ):

        async def answer(path: str, method: str = "GET", **options: Any) -> Any:
            response = await session.request(method, address.url + path, **options)
            return response, await response.text()

        response, page = await answer(f"runs/{state.big_run}")
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in response.headers
        assert "<script" not in page
        assert " style=" not in page
        # A name of somebody else's, pointed at this machine.
        response, _ = await answer("", headers={"Host": "evil.example"})
        assert response.status == 421
        for host in ("localhost:1", "127.0.0.1", "[::1]:8010"):
            response, _ = await answer("", headers={"Host": host})
            assert response.status == 200, host
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            response, _ = await answer("", method)
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        response, _ = await answer("", "HEAD")
        assert response.status == 200
        for path, status, words in (
            ("runs/999", 404, "There is no run 999"),
            ("contact?id=nobody", 404, "Nothing is known of a contact nobody"),
            ("failures?reason=moods", 400, "only for dead_letter"),
            ("runs?before=x", 400, "is a whole number"),
            ("etc/passwd", 404, "There is no such page"),
        ):
            response, page = await answer(path)
            assert response.status == status, path
            assert words in page
            assert "Traceback" not in page
        # Every page is there for programs, too; none has a value.
        for path in _pages(state):
            joint = "&" if "?" in path else "?"
            response, text = await answer(f"{path}{joint}format=json")
            assert response.content_type == "application/json", path
            json.loads(text)
            assert _VALUE not in text
        _, page = await answer("contact?id=41")
        assert _VALUE not in page
        _, running = await answer(f"runs/{state.running}")
        assert "740 of 2,000 contacts are through" in running


@pytest.mark.asyncio
async def test_metrics_have_no_label_that_grows_and_say_when_the_state_is_away(
    database: str,
) -> None:
    async with (
        _desk(database, 600) as (address, state),
        aiohttp.ClientSession() as session,
    ):
        async with session.get(address.url + "metrics") as response:
            text = await response.text()
        for line in (
            'last_run_status{destination="whatsapp_de",kind="backfill",status="incomplete"} 1.0',
            'run_in_progress{destination="crm_de"} 1.0',
            'run_requests_last_minute{destination="crm_de"} 196.0',
            'standing_contacts{destination="whatsapp_de",reason="dead_letter"} 60.0',
        ):
            assert f"syncengine_{line}\n" in text
        labels = set(re.findall(r'(\w+)="', text))
        assert labels <= {
            "destination",
            "kind",
            "status",
            "outcome",
            "reason",
            "account",
            "concern",
        }
        connection = await asyncpg.connect(database)
        await connection.execute("UPDATE syncengine.sync_lease SET released = true")
        async with session.get(address.url + "metrics") as response:
            text = await response.text()
        assert 'destination="crm_de",kind="sync",status="died"} 1.0' in text
        await connection.execute("ALTER SCHEMA syncengine RENAME TO gone")
        await connection.close()
        async with session.get(address.url) as response:
            assert response.status == 503
            assert "The state cannot be read now" in await response.text()
    assert state.contacts == 600


@pytest.mark.asyncio
async def test_the_command_serves_until_it_is_told_to_stop_and_writes_metrics(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "x", {"respond_io": RESPOND_IO}) as here:
        file = tmp_path / "syncengine.prom"
        code, said = await here.command("metrics", "--out", str(file))
        assert code == 0, said
        assert "# TYPE syncengine_last_run_status gauge" in file.read_text("utf-8")
        command = here.start("serve", "--port", "0")
        try:
            address = await _address(command)
            async with (
                aiohttp.ClientSession() as session,
                session.get(address + "healthz") as response,
            ):
                assert await response.json() == {"status": "ok"}
        finally:
            os.kill(command.pid, signal.SIGTERM)
        assert await command.ended() == 0
        assert "Traceback" not in command.said()


async def _address(command: Command) -> str:
    """Return where the command says that it serves."""
    said = re.compile(r"http://127\.0\.0\.1:\d+/")
    await until(lambda: said.search(command.said()) is not None)
    found = said.search(command.said())
    assert found is not None
    return found[0]


@pytest.mark.asyncio
async def test_a_browser_finds_nothing_wrong_with_any_page(
    chromium: Chromium, database: str
) -> None:
    async with _desk(database, 600, with_values=True) as (address, state):
        for path in (
            "",
            "runs?before=12",
            f"runs/{state.big_run}",
            f"runs/{state.running}?refresh=off",
            f"failures?run={state.big_run}&code=no_answer",
            f"failures?destination={BIG}&reason=suppressed",
            "contact?id=41",
        ):
            seen = await asyncio.to_thread(chromium.look_at, address.url + path)
            assert (seen.status, seen.problems) == (200, []), path
        assert _VALUE in seen.text


@pytest.mark.asyncio
async def test_an_empty_state_says_how_to_begin(database: str) -> None:
    async with (
        _desk(database, 0) as (address, _),
        aiohttp.ClientSession() as session,
    ):
        for path, words in (
            ("", "No destination has run yet"),
            ("runs", "No run has taken place yet"),
            ("failures", "No destination has run yet"),
        ):
            async with session.get(address.url + path) as response:
                assert words in await response.text()
