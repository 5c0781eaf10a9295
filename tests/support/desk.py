"""The command called in this process, for the verbs that read the state."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from syncengine.cli import verbs  # noqa: F401 - registers the verbs
from syncengine.cli.root import main
from tests.support.people_project import People


class Desk:
    """The command, called in this process, and what it printed."""

    def __init__(self, here: People, capsys: pytest.CaptureFixture[str]) -> None:
        self.here = here
        self._capsys = capsys

    async def say(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code of a call, its results, and its messages."""
        config = ["--config", str(self.here.file)]
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, [*config, *arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the rows of a call that succeeds."""
        code, results, messages = await self.say(*arguments, "--json")
        assert (code, messages) == (0, ""), arguments
        found: list[dict[str, Any]] = json.loads(results)
        return found

    async def refused(self, *arguments: str) -> str:
        """Return the message of a call that is refused."""
        code, results, messages = await self.say(*arguments)
        assert (code, results) == (2, ""), (arguments, messages)
        return messages
