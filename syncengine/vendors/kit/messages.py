"""Make a vendor's message fit for a log.

Afterwards it holds no value of a contact and no query of a URL, and is one short line.
Vendors repeat what they refuse ("+49 171... is no valid phone"), and messages are kept
in Postgres and printed: nothing personal may be in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from syncengine.model.http import Json
from syncengine.model.texts import Concealer, decoded, printable
from syncengine.vendors.kit.values import as_text

MAX_LENGTH = 300
"""Characters that a cleaned message may have."""
_MAX_READ = 4_000
"""Characters of a vendor's message that are read at most."""

REMOVED = "[...]"
"""Text in place of a value that was taken out of a message."""
_QUERY = re.compile(r"\?[^\s?\"'<>]*=[^\s\"'<>]*")
"""The query of a URL: some vendors take keys there."""
_MASKED = re.compile(r"(?<![^\s\"'<>])[^\s\"'<>*\u2022]*[*\u2022]{3,}[^\s\"'<>]*")
"""A masked key, of which only the ends are shown."""
_PERSONAL = re.compile(
    r"(?<![^\s@<>\"'])[^\s@<>\"']+@[^\s@<>\"']+|\+?\d[\d\s()./-]{4,}\d"
)
"""Text in the form of an e-mail address, a phone number or a date, even of others."""


def clean_message(said: str, sent: Iterable[Json], names: Collection[str] = ()) -> str:
    """Return the vendor's message without the values sent and other personal data.

    ``sent`` are JSON values; those inside lists and objects count too. Anything in the
    form of an address or a number is removed as well, also where it was never sent.
    ``names``, such as those of fields, stay where they are whole words, also where they
    are the value of a contact: they are known from the configuration, and tell nothing.
    """
    leaves: list[str] = []
    for value in sent:
        leaves += map(as_text, _leaves(value))
    concealer = Concealer(leaves, words=True)
    beginning = decoded(said[:_MAX_READ])
    words = concealer.hide(beginning, REMOVED, names)
    if len(said) > _MAX_READ and concealer.longest:
        # The limit may have cut a value in two, which is then not recognised.
        words = words[: -concealer.longest]
    words = _one_line(words)
    for pattern in (_QUERY, _MASKED, _PERSONAL):
        words = pattern.sub(REMOVED, words)
    if len(words) > MAX_LENGTH:
        return words[: MAX_LENGTH - 3].rstrip() + "..."
    return words


def _one_line(said: str) -> str:
    """Return a text with single spaces in place of white space of any kind."""
    return " ".join(printable(said).split())


def _leaves(value: Json) -> Iterator[Json]:
    """Yield a value, and all values inside it."""
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
