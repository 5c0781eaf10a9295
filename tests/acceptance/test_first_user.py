"""A first user's path, through the installed command: from a table to a run and back."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from syncengine.sandbox.server import Sandbox, serve
from tests.support.command_process import Command
from tests.support.demo_project import TOKEN

_TABLES = """
CREATE SCHEMA crm;
CREATE TABLE crm.orders (id integer PRIMARY KEY, amount numeric, email text);
CREATE TABLE crm.kunden (
    kundennr integer PRIMARY KEY, "Vorname" text, "Nachname" text, "Telefon" text,
    "E-Mail" text, "Schlagwörter" text[], werbesperre boolean NOT NULL, passwort text
);
INSERT INTO crm.kunden
SELECT n, 'Vorname' || n, 'Nachname' || n, '0151 ' || lpad(n::text, 7, '0'),
       'Person' || n || '@Example.org', '{vip}', n = 6, 'geheim' || n
FROM generate_series(1, 6) AS n
"""
_OPT_OUT_IN_WORDS = """
CREATE TABLE kunden ("Kunden-Nr" text PRIMARY KEY, "E-Mail" text, abgemeldet text);
INSERT INTO kunden VALUES
    ('K-1', 'a@example.org', 'nein'), ('K-2', 'b@example.org', ' N '),
    ('K-3', 'c@example.org', NULL), ('K-4', 'd@example.org', 'JA'),
    ('K-5', 'e@example.org', '2026-11-01'), ('K-6', 'f@example.org', '0')
"""
_PATIENCE = 120.0
"""Seconds after which a command counts as one that does not end."""
_VALUES = ("Vorname1", "Example.org", "0151 ", "geheim")
"""Parts of values, none of which may be shown."""


@dataclass
class FirstUser:
    """An empty folder, a table, a vendor, and the command."""

    folder: Path
    dsn: str
    sandbox: Sandbox
    said: str = field(default="")

    @property
    def environ(self) -> Mapping[str, str]:
        return {
            "CRM_DATABASE_URL": self.dsn,
            "SYNCENGINE_DATABASE_URL": self.dsn,
            "SYNCENGINE_CONFIG": str(self.folder / "config" / "syncengine.yaml"),
            "RESPOND_IO_TOKEN": TOKEN,
            "TERM": "dumb",
        }

    @property
    def address(self) -> str:
        return self.sandbox.url("respond_io")

    @property
    def destination(self) -> Path:
        return self.folder / "config" / "destinations" / "whatsapp_de.yaml"

    def adding(self, name: str) -> tuple[str, ...]:
        """Return the words that add a destination at the sandbox."""
        address = ("--base-url", self.address)
        return ("add", name, "--vendor", "respond_io", *address)

    async def call(self, *arguments: str) -> int:
        """Call the command, and keep what it said. No value is ever in it."""
        command = Command(arguments, self.environ, self.folder / "said")
        code = await command.ended()
        self.said = command.said()
        assert not [value for value in _VALUES if value in self.said], self.said
        return code

    def contacts(self) -> object:
        """Return the contacts that the vendor has."""
        return self.sandbox.contacts("respond_io")

    def held(self) -> int:
        """Return the number of contacts that the vendor has."""
        return len(self.sandbox.contacts("respond_io"))

    async def rename_second(self, name: str) -> None:
        """Change the first name of contact 2 in the table."""
        connection = await asyncpg.connect(self.dsn)
        change = 'UPDATE crm.kunden SET "Vorname" = $1 WHERE kundennr = 2'
        await connection.execute(change, name)
        await connection.close()


@asynccontextmanager
async def _first_user(dsn: str, folder: Path) -> AsyncIterator[FirstUser]:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_TABLES)
    await connection.close()
    async with serve(["respond_io"]) as sandbox:
        yield FirstUser(folder, dsn, sandbox)


@pytest.mark.asyncio
async def test_from_a_table_to_the_first_run_and_back(
    empty_database: str, tmp_path: Path
) -> None:
    async with _first_user(empty_database, tmp_path) as user:
        assert await user.call("init", "--yes") == 0, user.said
        accepted = ("--region", "DE", "--yes")
        assert await user.call(*user.adding("whatsapp_de"), *accepted) == 0, user.said
        assert await user.call("migrate") == 0, user.said
        assert await user.call("check") == 0, user.said
        assert await user.call("plan") == 0, user.said
        assert "5 create" in user.said
        assert await user.call("run", "--contact", "1") == 0, user.said
        assert user.held() == 1
        assert await user.call("run") == 0, user.said
        assert user.held() == 5, "the sixth has opted out"
        await user.rename_second("Vorname1x")
        assert await user.call("run") == 0, user.said
        assert "Vorname1x" in str(user.contacts())
        assert await user.call("why", "2") == 0, user.said
        assert await user.call("history", "2") == 0, user.said
        assert "firstName" in user.said
        assert await user.call("undo", "3", "--yes") == 0, user.said
        assert "Vorname1x" not in str(user.contacts())
        assert "Vorname2" in str(user.contacts())
        page = tmp_path / "night.html"
        assert await user.call("report", "3", "--out", str(page)) == 0, user.said
        written = page.read_text(encoding="utf-8")
        assert "whatsapp_de" in written
        assert not [value for value in _VALUES if value in written]


@pytest.mark.asyncio
async def test_at_a_terminal_each_question_has_an_answer_already(
    empty_database: str, tmp_path: Path
) -> None:
    async with _first_user(empty_database, tmp_path) as user:
        code, shown = await _talk(user, ("init",), ["crm.kunde", "1", "nr", ""])
        assert code == 0, shown
        assert 'did you mean "crm.kunden"?' in shown
        assert 'column "nr" is not in crm.kunden' in shown
        assert "1. crm.kunden (table" in shown
        add = user.adding("whatsapp_de")
        code, shown = await _talk(user, add, ["\x03"])
        assert (code, user.destination.exists()) == (130, False), shown
        assert "Nothing was written." in shown
        # The country, then no to the proposal: the last name is left out.
        kept = ["", "", "-", "", "", "", "-", ""]
        code, shown = await _talk(user, add, ["", "n", *kept])
        assert code == 0, shown
        text = user.destination.read_text(encoding="utf-8")
        assert "lastName" not in text
        assert "phone: {from: Telefon, as: e164, region: DE}" in text
        assert "match_on: [crm_id, phone]" in text
        assert "opted_out: werbesperre" in text
        assert "tags" not in text


@pytest.mark.asyncio
async def test_the_advice_for_an_opt_out_in_words_can_be_followed_as_it_is(
    empty_database: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute(_OPT_OUT_IN_WORDS)
    async with serve(["respond_io"]) as sandbox:
        user = FirstUser(tmp_path, empty_database, sandbox)
        assert await user.call("init", "--yes") == 0, user.said
        add = user.adding("whatsapp_de")
        assert await user.call(*add, "--yes") == 2, user.said
        said = " ".join(user.said.split())
        assert "SELECT DISTINCT abgemeldet FROM" in said
        advised = re.search(r"(CREATE VIEW .*), and add with (--.*?)\. Look", said)
        assert advised is not None, said
        view, options = advised.groups()
        await connection.execute(view)
        assert await user.call(*add, *options.split(), "--yes") == 0, user.said
        said = " ".join(user.said.split())
        assert 'beside "said_no", which alone decides' in said
        assert "is sent, unless" in said
    left_out = 'SELECT "Kunden-Nr" FROM contacts_to_send WHERE said_no ORDER BY 1'
    assert [row[0] for row in await connection.fetch(left_out)] == ["K-4", "K-5"]
    await connection.close()


async def _talk(
    user: FirstUser, arguments: tuple[str, ...], answers: list[str]
) -> tuple[int, str]:
    """Type answers at a terminal, each when it is asked for; return what it shows."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "syncengine", *arguments),
        env={**os.environ, **user.environ, "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        async with asyncio.timeout(_PATIENCE):
            shown = await asyncio.to_thread(_converse, ours, answers)
            return await process.wait(), shown
    except TimeoutError:
        process.kill()  # which ends the thread that reads, too
        raise


def _take_terminal() -> None:
    """Make stdin the terminal that Ctrl-C is typed at."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _converse(terminal: int, answers: list[str]) -> str:
    """Give each answer once a question is shown, which ends in ``: ``."""
    left = list(answers)
    shown = ""
    with os.fdopen(terminal, "r+b", buffering=0) as stream:
        while True:
            try:
                piece = stream.read(65536)
            except OSError:  # how Linux tells that nobody writes any more
                return shown
            if not piece:
                return shown
            shown += piece.decode("utf-8", "replace")
            if left and shown.endswith(": "):
                answer = left.pop(0)
                stream.write(
                    answer.encode() if answer == "\x03" else f"{answer}\n".encode()
                )
