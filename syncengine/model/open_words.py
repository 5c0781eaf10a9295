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
    shown as that, and is none of the members that are listed.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = value
        word._value_ = value
        return word
