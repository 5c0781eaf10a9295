"""Help comes quickly, and says of each verb what the verb says of itself.

It imports nothing that only a run needs.
"""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from syncengine.cli.verbs import VERBS, python_name

_HEAVY = {
    "aiohttp",
    "asyncpg",
    "phonenumbers",
    "pydantic",
    "structlog",
    "yaml",
    "syncengine.app",
    "syncengine.config.loading",
    "syncengine.config.models",
}


_SCRIPT = """
import sys
from syncengine.__main__ import main
assert main() == 0
sys.stderr.write("\\n".join(sys.modules))
"""


def _imported(*arguments: str) -> set[str]:
    """Every module that is there after a call of the command."""
    command = [sys.executable, "-c", _SCRIPT, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(answer.stderr.split())


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_nothing_heavy(argument: str) -> None:
    imported = _imported(argument)
    assert "syncengine.cli.root" in imported
    assert imported & _HEAVY == set()


def test_a_verb_imports_what_it_needs_and_no_other_verb() -> None:
    imported = _imported("run", "--help")
    assert {"syncengine.cli.run", "syncengine.app"} <= imported
    assert (
        imported & {"aiohttp.web", "syncengine.cli.demo", "syncengine.cli.sandbox"}
        == set()
    )


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_of_a_verb_what_the_verb_says_of_itself(verb: str) -> None:
    name = python_name(verb)
    module = importlib.import_module(f"syncengine.cli.{name}")
    said = inspect.getdoc(getattr(module, name))
    assert said is not None
    assert said.splitlines()[0] == VERBS[verb]
