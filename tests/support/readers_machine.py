"""The machine of somebody who follows a page: a checkout, a table, a vendor."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from syncengine.sandbox.server import Sandbox, serve
from tests.support.demo_project import TOKEN
from tests.support.doc_blocks import Block, is_like
from tests.support.quick_command import quick_command
from tests.support.repository import ROOT

_MARK = "=== end of block"
_TABLE = """
CREATE SCHEMA crm;
CREATE TABLE crm.contacts (
    id integer PRIMARY KEY, first_name text, last_name text, phone text, email text,
    plan text, tags text[] NOT NULL DEFAULT '{}', country text, opted_in boolean
);
INSERT INTO crm.contacts
SELECT id, 'First ' || id, 'Last ' || id, '+49151' || lpad(id::text, 7, '0'),
    'person' || id || '@example.org', 'free', '{vip}', 'DE', true
FROM generate_series(1, 6) AS id
"""
_CURL = """
import sys, urllib.request
url, data = sys.argv[1], None
if "-d" in sys.argv:
    data = sys.argv[sys.argv.index("-d") + 1].encode()
request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""
"""Not every machine has curl; pages use no more of it than this."""


@dataclass
class ReadersMachine:
    """A folder like a checkout, and what the names on the pages stand for here."""

    folder: Path
    dsn: str
    sandbox: Sandbox

    async def follow(self, blocks: Sequence[Block]) -> None:
        """Run the blocks of one page in one shell, one after the other.

        A YAML block that begins with its path is written there. Fails where a command
        fails, or where the output is not as the page shows it in the block behind it.
        """
        script = "\n".join(self._step(block) for block in blocks)
        printed = (await self._bash(script)).split(_MARK)
        for number, block in enumerate(blocks):
            output, code = printed[number], printed[number + 1].split(maxsplit=1)[0]
            assert code == "0", f"{block.place}: exit code {code}\n{output}"
            if block.language == "text":
                before = printed[number - 1]
                assert is_like(block.text, before), f"{block.place}:\n{before}"

    def _step(self, block: Block) -> str:
        return f"{self._command(block)}\necho '{_MARK}' $?"

    def _command(self, block: Block) -> str:
        text = self._here(block.text)
        if block.language == "sh":
            return text
        if block.file is not None:
            return f"cat > {block.file} <<'END_OF_FILE'\n{text}END_OF_FILE"
        return "true"

    def _here(self, text: str) -> str:
        """Replace the pages' addresses by those of this machine."""
        served = self.sandbox.url("respond_io").removesuffix("/respond_io")
        text = text.replace("http://127.0.0.1:8080", served)
        return text.replace("postgresql://reader@db/crm", self.dsn)

    async def _bash(self, script: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "bash",
            env=self._environ(),
            cwd=self.folder,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        printed, _ = await process.communicate(script.encode())
        # What stands behind the last mark is that block's exit code.
        return printed.decode()

    def _environ(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ
        }
        return {
            **kept,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "SYNCENGINE_DATABASE_URL": self.dsn,
            "CRM_DATABASE_URL": self.dsn,
            "RESPOND_IO_TOKEN": TOKEN,
            "TERM": "dumb",
        }


@asynccontextmanager
async def readers_machine(dsn: str, folder: Path) -> AsyncIterator[ReadersMachine]:
    """Make a table of six contacts, an empty vendor, and a checkout's files."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_TABLE)
    finally:
        await connection.close()
    shutil.copytree(ROOT / "config", folder / "config")
    _program(folder / "run", 'shift; exec syncengine "$@"')
    (folder / "bin").mkdir()
    (folder / "bin" / "curl.py").write_text(_CURL, encoding="utf-8")
    _program(folder / "bin" / "curl", 'exec {python} "$(dirname "$0")/curl.py" "$@"')
    with quick_command(folder / "bin" / "syncengine"):
        async with serve(["respond_io"]) as sandbox:
            yield ReadersMachine(folder, dsn, sandbox)


def _program(file: Path, command: str) -> None:
    file.parent.mkdir(exist_ok=True)
    text = command.replace("{python}", sys.executable)
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
