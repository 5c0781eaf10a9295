"""Numbers of things, as messages say them."""

from __future__ import annotations


def counted(number: int, one: str, several: str) -> str:
    """Return a number with the words for one or for several.

    ``counted(1, "contact is", "contacts are")`` is "1 contact is"; with 2000 it is
    "2,000 contacts are".
    """
    words = worded(number, one, several)
    return f"{number:,} {words}"


def worded(number: int, one: str, several: str) -> str:
    """Return the words for one or for several, where the number itself is not said."""
    return one if number == 1 else several
