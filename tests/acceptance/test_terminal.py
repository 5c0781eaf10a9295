"""Words of a vendor, row, column or file never steer the terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path

import pytest

from tests.support.people_project import RESPOND_IO, People, people, refusing

_NASTY = "\x1b]0;PWNED\x07\x1b[2J\x9b2J\u202ereversed\u2066\u200b\x7f\x08\r[red]marked[/red][link=http://evil.example]x"
_PATIENCE = 120.0
"""Seconds after which a command counts as one that does not end."""
_STEERING = (
    "\x1b]",
    "\x07",
    "\x1b[2J",
    "\x9b",
    "\u202e",
    "\u2066",
    "\u200b",
    "\x7f",
    "\x08",
    "\x1b]8;",
)
_COLUMN = f'na"me{_NASTY}'


async def _seen(here: People, *arguments: str, **environ: str) -> str:
    """Return what a terminal is sent when somebody types ``syncengine ARGUMENTS``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "syncengine", "--config", str(here.file), *arguments),
        env={**os.environ, **here.environ, "TERM": "xterm-256color", **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        async with asyncio.timeout(_PATIENCE):
            said = await asyncio.to_thread(_read, ours)
            await process.wait()
    except TimeoutError:
        process.kill()  # which ends the thread that reads, too
        raise
    return said.decode("utf-8", "replace")


def _read(terminal: int) -> bytes:
    said = bytearray()
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        while True:
            try:
                piece = stream.read(65536)
            except OSError:  # how Linux tells that nobody writes any more
                return bytes(said)
            if not piece:
                return bytes(said)
            said += piece


def _steered(said: str) -> list[str]:
    return [sequence for sequence in _STEERING if sequence in said]


async def _fill(here: People, column: str) -> None:
    quoted = column.replace('"', '""')
    await here.source.execute(
        f'CREATE TABLE crm.nasty (id text COLLATE "C" PRIMARY KEY, "{quoted}" text, '
        "phone text)"
    )
    await here.source.execute(
        "INSERT INTO crm.nasty VALUES ('1', 'Name 1', '+4915100001')"
    )
    await here.source.execute(
        "INSERT INTO crm.nasty VALUES ($1, 'Name 3', '+4915100003')", f"3{_NASTY}"
    )
    await here.source.execute(
        "INSERT INTO crm.nasty VALUES ('4', $1, '+4915100004')", f"Name 4 {_NASTY}"
    )


@pytest.mark.asyncio
async def test_no_name_and_no_word_steers_a_terminal(
    database: str, tmp_path: Path
) -> None:
    folder = tmp_path / f"config{_NASTY.replace('/', '')}"
    fields = {"crm_id": "id", "firstName": _COLUMN, "phone": "phone"}
    destination = {
        **RESPOND_IO,
        "source": {"table": "crm.nasty"},
        "fields": fields,
        "tags": None,
    }
    async with people(database, folder, {"respond_io": destination}) as here:
        await _fill(here, _COLUMN)
        here.configure("respond_io", tags=None)
        here.fail("respond_io", *(refusing(n, text=f"No: {_NASTY}") for n in (1, 3)))
        for arguments in (
            ("check",),
            ("plan",),
            ("--log-level", "debug", "run"),
            ("show", "4"),
        ):
            said = await _seen(here, *arguments)
            assert _steered(said) == [], arguments
            assert "PWNED" not in said or "[red]marked" in said, arguments
            assert "respond_io" in said
        here.configure("respond_io", fields={**fields, "lastName": f"missing{_NASTY}"})
        for environ in ({}, {"SYNCENGINE_DEBUG": "1"}):
            said = await _seen(here, "run", **environ)
            assert _steered(said) == []
            assert "missing" in said
            assert "[red]marked[/red][link=http://evil.example]x" in said
        (
            here.file.parent / "destinations" / f"x{_NASTY.replace('/', '')}.yml"
        ).write_text("vendor: respond_io")
        said = await _seen(here, "run", SYNCENGINE_DEBUG="1")
        assert _steered(said) == []
        assert "is not read" in said


@pytest.mark.asyncio
async def test_json_holds_the_data_and_no_control_character(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add([1])
        await here.change(1, name=f"Name 1 {_NASTY}")
        await here.run("respond_io")
        said = await _seen(here, "show", "1", "--json")
        assert _steered(said) == []
        assert "\\u202ereversed\\u2066\\u200b\\u007f" in said.replace("\r\n", "")
