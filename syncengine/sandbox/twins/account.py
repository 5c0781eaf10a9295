"""Things that belong to one account of a vendor, besides its contacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Generic, Literal, TypeAlias, TypeVar

T = TypeVar("T")
Kind: TypeAlias = Literal["field", "tag", "stage", "list", "location"]
"""Things that a person defines at a vendor before contacts can have them."""
MAIN = "main"
"""Name of the account that the credentials lead to at first."""


class Definitions:
    """Names that a person undefined in an account, and fields that a contact must have.

    What nobody has undefined is defined, unless a switch of the twin says otherwise.
    """

    def __init__(self) -> None:
        self._undefined: defaultdict[Kind, set[str]] = defaultdict(set)
        self._required: dict[str, bool] = {}

    def undefine(self, kind: Kind, name: str) -> None:
        self._undefined[kind].add(name)

    def define(self, kind: Kind, name: str) -> None:
        self._undefined[kind].discard(name)

    def has(self, kind: Kind, name: str) -> bool:
        return name not in self._undefined[kind]

    def undefined(self, kind: Kind, names: Iterable[str]) -> list[str]:
        """Return those of the names that are undefined."""
        return [name for name in names if not self.has(kind, name)]

    def require(self, field: str, *, in_updates: bool) -> None:
        self._required[field] = in_updates

    def release(self, field: str) -> None:
        self._required.pop(field, None)

    def missing(self, written: Iterable[str], *, creates: bool) -> list[str]:
        """Return the required fields that a contact would lack after a write.

        ``written`` names the fields that the contact would have.
        """
        here = set(written)
        return [
            field
            for field, in_updates in self._required.items()
            if (creates or in_updates) and field not in here
        ]


class Accounts(Generic[T]):
    """The accounts that the credentials can lead to, one at a time.

    ``make`` returns a new, empty account; its argument tells accounts apart, so that
    each gives ids of its own.
    """

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make
        self._accounts = {MAIN: make(0)}
        self._name = MAIN

    @property
    def present(self) -> T:
        return self._accounts[self._name]

    def swap(self, name: str) -> None:
        """Have the credentials lead to the account of this name, empty at first."""
        if name not in self._accounts:
            self._accounts[name] = self._make(len(self._accounts))
        self._name = name
