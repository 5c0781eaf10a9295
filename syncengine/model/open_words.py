"""Words of the state that a newer release may have added to.

Several releases may work with one state, for example while hosts are upgraded one after
the other. What reads the runs of a newer one shows its words as they are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class OpenWords(StrEnum):
    """Base of enums that take a word that is none of their members.

    ``RunStatus("paused")`` is no error, but a value of its own. It equals its text, is
    shown as that, and is none of the members that are listed. What decides or writes
    takes a word by ``known``, since it cannot act on a word that it does not know.
    """

    @classmethod
    def known(cls, word: str) -> Self:
        """Return the member that is this word. Raises ValueError where none is."""
        for member in cls:
            if member == word:
                return member
        names = ", ".join(member.value for member in cls)
        raise ValueError(f'"{word}" is none of {names}')

    @property
    def is_known(self) -> bool:
        """Return whether this release knows the word."""
        return any(member == self for member in type(self))

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = value
        word._value_ = value
        return word
