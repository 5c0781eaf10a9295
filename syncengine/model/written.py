"""Take away what people and spreadsheets put around a number, an address or an id.

Phones, addresses and contact ids are read through this, so that mappings, match keys,
suppressions and look-ups agree on who is who.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator


class NotReadError(ValueError):
    """A value that is not surely one phone number or address.

    The message never repeats the value.
    """


_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufe0e\ufe0f")
"""Characters that show nothing, although Unicode does not count them as formatting:
fillers of Hangul, the blank Braille pattern, variation selectors of emoji."""
_DOUBLE = dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
_SINGLE = dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u00b4`", "'")
_QUOTES = _DOUBLE | _SINGLE
"""Typographic quotes of several languages, with the plain quote for each."""
_PAIRS = ('""', "''", "<>")
"""Signs that are taken away where they stand at both ends of a text."""


def id_spellings(line: str) -> tuple[str, ...]:
    """Return a contact id as it is in a line, then without what is put around it.

    An id may itself have quotes, so both are tried.
    """
    plain = line.strip()
    spellings = dict.fromkeys((plain, unwrapped(visible(plain), ";,")))
    return tuple(text for text in spellings if text)


def visible(text: str) -> str:
    """Remove invisible characters, and bring wide ones to their usual width."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", "".join(_looks(text)))


def _looks(text: str) -> Iterator[str]:
    """Yield the characters as a person sees them, as ASCII where they look like it."""
    for character in text:
        category = unicodedata.category(character)
        # Such characters come along when a number is copied from a web page.
        if category == "Cf" or character in _INVISIBLE:
            continue
        if category == "Zs":
            yield " "
        elif category == "Pd" or character == "−":  # noqa: RUF001 - the minus sign
            yield "-"
        elif "\uff01" <= character <= "\uff5e":
            # The wide forms of ASCII, as Asian keyboards write them.
            yield chr(ord(character) - 0xFEE0)
        else:
            yield _QUOTES.get(character, character)


def unwrapped(text: str, ends: str) -> str:
    """Remove quotes, angle brackets and the separators ``ends`` around a text.

    They may be nested: ``"<ann@x.de>",`` is ``ann@x.de``.
    """
    while True:
        # A dot ends a sentence, but at the beginning it belongs to the text.
        bare = text.strip().strip(ends.replace(".", "")).rstrip(ends).strip()
        # ="0171..." keeps a spreadsheet from making a number of it.
        if bare.startswith('="') and bare.endswith('"'):
            bare = bare[1:]
        if len(bare) > 1 and bare[0] + bare[-1] in _PAIRS:
            bare = bare[1:-1]
        elif bare.startswith("'"):
            # A spreadsheet's mark for a text that looks like a number.
            bare = bare[1:]
        if bare == text:
            return text
        text = bare
