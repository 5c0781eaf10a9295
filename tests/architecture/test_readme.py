"""Names in README and CONTRIBUTING exist: files, verbs, and those of ``./run``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from syncengine.cli.verbs import VERBS
from tests.support.repository import ROOT

_DOCUMENTS = ("README.md", "CONTRIBUTING.md")
_OURS = re.compile(
    r"(?<![\w./-])((?:tests|syncengine|config|migrations|docker)/[\w./-]*|[\w-]+\.(?:md|toml|lock|yml))"
)
_YOURS = ("acme", "NNNN", "whatsapp_de", "NAME")
"""In the names of files that readers are to make."""
_MADE = re.compile(r"\bcp \S+ (\S+)")


def _text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _code(document: str) -> Iterator[str]:
    """Code blocks and code spans."""
    text = _text(document)
    yield from re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    yield from re.findall(
        r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    )


def _paths(document: str) -> set[str]:
    text = _text(document)
    links = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    named = {
        path.rstrip(".") for code in _code(document) for path in _OURS.findall(code)
    }
    return {
        path for path in links | named if not any(yours in path for yours in _YOURS)
    } - set(_MADE.findall(text))


def _verbs(document: str, command: str) -> set[str]:
    """The words behind a command at the beginning of a line, a code span or a pipe."""
    said = rf"(?:^|[|&;] *|bin/){command} (?:--[a-z-]+ \S+ )*([a-z][a-z_-]*)"
    return {
        verb
        for code in _code(document)
        for verb in re.findall(said, code, re.MULTILINE)
    }


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_path_exists(document: str) -> None:
    paths = _paths(document)
    assert len(paths) > 2
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_verb_exists(document: str) -> None:
    verbs = _verbs(document, r"(?:\./run )?syncengine")
    assert sorted(verbs - VERBS.keys()) == []


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_verb_of_run_exists(document: str) -> None:
    verbs = _verbs(document, r"\./run")
    assert {"test"} <= verbs
    script = (ROOT / "run").read_text(encoding="utf-8")
    assert sorted(verb for verb in verbs if f'"{verb}"' not in script) == []
