"""A vendor's words, made fit for a log: no value of a contact in them, one line, not too long."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from syncengine.model.http import Json
from syncengine.vendors.kit.values import text

LENGTH = 300
"""Characters a message may have."""

_GONE = "[...]"
_PERSONAL = re.compile(r"(?<![^\s@<>\"'])[^\s@<>\"']+@[^\s@<>\"']+|\+?\d[\d\s().-]{4,}\d")
"""What looks like an e-mail address or a phone number, whoever's it is."""
_SHORT = 4
"""Shorter ASCII values are removed as whole words only, else ``1`` or ``de`` would eat the sentence."""


def cleaned(said: str, sent: Iterable[Json]) -> str:
    """What the vendor said, without the values that were sent and without anything like an address or a number."""
    words = _one_line(html.unescape(said))
    forms = {form for value in sent for leaf in _leaves(value) for form in (text(leaf), html.unescape(text(leaf)))}
    values = sorted({_one_line(form) for form in forms} - {""}, key=len, reverse=True)
    if values:
        words = re.sub("|".join(_pattern(value) for value in values), _GONE, words, flags=re.IGNORECASE)
    words = _PERSONAL.sub(_GONE, words)
    return words if len(words) <= LENGTH else words[: LENGTH - 3].rstrip() + "..."


def _one_line(said: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in said).split())


def _leaves(value: Json) -> Iterator[Json]:
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)


def _pattern(value: str) -> str:
    escaped = re.escape(value)
    return rf"(?<!\w){escaped}(?!\w)" if len(value) < _SHORT and value.isascii() else escaped
