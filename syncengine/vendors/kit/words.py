"""A vendor's words, made fit for a log: no value of a contact in them, no query of a URL, one line, not too long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from syncengine.model.http import Json
from syncengine.model.texts import Concealer, decoded, printable
from syncengine.vendors.kit.values import text

LENGTH = 300
"""Characters that a cleaned message may have."""
_READ = 4_000
"""Characters of a vendor's message that are read at most."""

REMOVED = "[...]"
"""Stands where a value was taken out of a message."""
_QUERY = re.compile(r"\?[^\s?\"'<>]*=[^\s\"'<>]*")
"""The query of a URL: some vendors take keys there."""
_MASKED = re.compile(r"(?<![^\s\"'<>])[^\s\"'<>*\u2022]*[*\u2022]{3,}[^\s\"'<>]*")
"""A masked key, of which only the ends are shown."""
_PERSONAL = re.compile(
    r"(?<![^\s@<>\"'])[^\s@<>\"']+@[^\s@<>\"']+|\+?\d[\d\s()./-]{4,}\d"
)
"""Text in the form of an e-mail address, a phone number or a date, even of others."""


def cleaned(said: str, sent: Iterable[Json]) -> str:
    """Return the vendor's message without the values sent and other personal data.

    Anything in the form of an address or a number is removed too, also where it was
    never sent.
    """
    concealer = Concealer(
        (text(leaf) for value in sent for leaf in _leaves(value)), words=True
    )
    words = concealer.hide(decoded(said[:_READ]), REMOVED)
    if len(said) > _READ:  # a value that was cut in two may be left at the end
        words = words[: -concealer.longest or None]
    words = _one_line(words)
    for pattern in (_QUERY, _MASKED, _PERSONAL):
        words = pattern.sub(REMOVED, words)
    return words if len(words) <= LENGTH else words[: LENGTH - 3].rstrip() + "..."


def _one_line(said: str) -> str:
    return " ".join(printable(said).split())


def _leaves(value: Json) -> Iterator[Json]:
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
