"""Run every command of the page on backup, restore and loss.

Each has to print what the page says it prints.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.consent import Subject, SubjectKind
from tests.support.dumps import lose, program, restore
from tests.support.people_project import RESPOND_IO, People, people
from tests.support.quick_command import quick_command
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "how-to" / "backup-restore-loss.md"
NAME = "whatsapp_de"
FAILING = [
    "sync_batch",
    "sync_change",
    "sync_migration",
    "sync_outcome",
    "sync_salt",
    "sync_self",
]
"""Tables that a restore of the data alone leaves out."""
CONTACT_3 = Subject(SubjectKind.CONTACT, "3")


@dataclass
class Step:
    """Commands of the page, and the output it shows below them."""

    section: str
    commands: str
    printed: str | None = None


def _steps() -> Iterator[Step]:
    section, step = "", None
    pattern = r"^## ([^\n]+)$|^```(sh|text)\n(.*?)^```$"
    for found in re.finditer(
        pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        if found[1]:
            section = found[1]
        elif found[2] == "sh":
            if step:
                yield step
            step = Step(section, found[3])
        elif step:
            step.printed = found[3]
    if step:
        yield step


@dataclass
class Shell:
    """A shell in which the page's commands mean what they mean to its reader."""

    here: People
    folder: Path
    steps: list[Step]

    async def play(self, section: str, *, until: int | None = None) -> None:
        """Run the next commands of a section: all of them, or the given number."""
        for step in [step for step in self.steps if step.section == section][:until]:
            self.steps.remove(step)
            said = await self.run(step.commands)
            assert step.printed is None or _fits(step.printed, said), (
                f"{step.commands}{said}"
            )

    async def run(self, commands: str) -> str:
        environ = {
            **os.environ,
            **self.here.environ,
            "SYNCENGINE_CONFIG": str(self.here.file),
            "PATH": f"{self.folder / 'bin'}:{Path(program('pg_dump')).parent}:{os.environ['PATH']}",
            "TERM": "dumb",
        }
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            commands,
            env=environ,
            cwd=self.folder,
            stdout=PIPE,
            stderr=STDOUT,
        )
        said, _ = await process.communicate()
        return said.decode()


def _fits(page: str, said: str) -> bool:
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in page.split("…"))
    return (
        re.search(
            pattern.replace(r"\ .*", ".*").replace(r".*\ ", ".*"),
            " ".join(said.split()),
        )
        is not None
    )


@pytest.mark.asyncio
async def test_every_command_of_the_page(database: str, tmp_path: Path) -> None:
    with quick_command(tmp_path / "bin" / "syncengine"):
        await _play_the_page(database, tmp_path)


async def _play_the_page(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path / "config", {NAME: RESPOND_IO}, twins=["respond_io"]
    ) as here:
        shell = Shell(here, tmp_path, list(_steps()))
        await here.add(range(1, 6))
        assert exit_code(await here.run(NAME)) == 0
        await shell.play("What to keep", until=1)
        await app.suppress(here.config, [CONTACT_3])
        await here.change(1, name="Later")
        assert exit_code(await here.run(NAME)) == 0
        await shell.play("What to keep")

        for number in (
            1,
            3,
        ):  # the first as the backup knows it, the third not to be sent
            await here.change(
                number, name=f"Name {number}" if number == 1 else "DO NOT SEND"
            )
        await shell.play("A restored state")
        assert _names(here) == {number: f"Name {number}" for number in range(1, 6)}

        await lose(database)
        await shell.play("A lost state")
        assert _names(here) == {number: f"Name {number}" for number in range(1, 6)}

        await lose(database)
        await app.migrate(here.config)
        half = restore(database, tmp_path / "state.dump", "--data-only")
        failed = re.findall(r'COPY failed for table "(\w+)"', half.stderr)
        assert (half.returncode, sorted(failed)) == (1, FAILING)
        await here.source.execute(  # the dump is older than the only suppression
            "INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason, salted) "
            "VALUES ('\\x00', 'contact', 'suppressed', '\\x00')"
        )
        await shell.play("Data without their salt")
        assert (
            await here.source.fetchval("SELECT count(*) FROM syncengine.sync_outcome")
            > 0
        )
        await shell.play("An empty state")

        await lose(database)
        shutil.rmtree(here.file.parent / ".syncengine")
        await shell.play("New machine and new state")
        assert _names(here) == {number: f"Name {number}" for number in range(1, 6)}
        assert shell.steps == []


def _names(here: People) -> dict[int, str]:
    return {
        number: contact["fields"]["firstName"]
        for number, contact in here.held("respond_io").items()
    }
