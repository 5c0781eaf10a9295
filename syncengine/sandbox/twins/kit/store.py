"""Stores of twins: accounts with their contacts, and what is defined in them.

A store is all that a twin remembers. It has several accounts because a person may
exchange the credentials of a destination for those of another account (the act
``swap``): our engine has to notice that all contacts are strangers then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Generic, TypeVar

from syncengine.model.http import Json
from syncengine.sandbox.twins.screen import DefinedKind
from syncengine.sandbox.twins.twin import Seed
from syncengine.sandbox.validation import validated

SwitchesT = TypeVar("SwitchesT")
AccountT = TypeVar("AccountT", bound="TwinAccount")
MAIN = "main"
"""Name of the account that the credentials lead to at first."""
IDS_APART = 1_000_000
"""Numbers of contacts lie this far apart in two accounts, so that no id is in both."""


class Definitions:
    """Names that a person undefined in an account, and fields that a contact must have.

    What nobody has undefined is defined, unless a switch of the twin says otherwise:
    an adapter can be tried with any field, without defining it first.
    """

    def __init__(self) -> None:
        self._undefined: defaultdict[DefinedKind, set[str]] = defaultdict(set)
        self._required: dict[str, bool] = {}
        """Required fields; True where updates of a contact without one fail too."""

    def undefine(self, kind: DefinedKind, name: str) -> None:
        """Take a definition away, as a person does at the vendor's screen."""
        self._undefined[kind].add(name)

    def define(self, kind: DefinedKind, name: str) -> None:
        """Define a name again; does nothing where it is defined."""
        self._undefined[kind].discard(name)

    def has(self, kind: DefinedKind, name: str) -> bool:
        """Return whether a name is defined."""
        return name not in self._undefined[kind]

    def undefined(self, kind: DefinedKind, names: Iterable[str]) -> list[str]:
        """Return those of the names that are undefined."""
        return [name for name in names if not self.has(kind, name)]

    def require(self, field: str, *, in_updates: bool) -> None:
        """Require a field of new contacts, and with ``in_updates`` of all."""
        self._required[field] = in_updates

    def release(self, field: str) -> None:
        """Make a field optional again."""
        self._required.pop(field, None)

    def missing(self, written: Iterable[str], *, creates: bool) -> list[str]:
        """Return the required fields that a contact would lack after a write.

        ``written`` names the fields that the contact would have.
        """
        present = set(written)
        missing = []
        for field, in_updates in self._required.items():
            is_required = creates or in_updates
            if is_required and field not in present:
                missing.append(field)
        return missing


def is_known(name: str, known: Sequence[str] | None) -> bool:
    """Return whether a switch lists a name; None lists every name."""
    return known is None or name in known


class TwinAccount:
    """One account of a vendor. Subclasses add its contacts."""

    def __init__(self) -> None:
        self.definitions = Definitions()


class TwinStore(ABC, Generic[SwitchesT, AccountT]):
    """The accounts that the credentials can lead to, one at a time, and the switches.

    Both the API and the screen of a twin change contacts through its store.
    ``new_account`` makes an empty account; its argument numbers the accounts, so that
    each gives ids of its own.
    """

    account: AccountT
    """The account that the credentials lead to now."""

    def __init__(
        self, switches: SwitchesT, new_account: Callable[[int], AccountT]
    ) -> None:
        self.switches = switches
        self._new_account = new_account
        # Sets the attributes that a reset sets anew; subclasses add theirs there.
        self.reset()

    @property
    def definitions(self) -> Definitions:
        """The definitions of the present account."""
        return self.account.definitions

    def configure(self, changes: Mapping[str, Json]) -> None:
        """Change switches by name. Raises ValueError, and then changes nothing."""
        # The switches are a dataclass, which the bare type variable cannot say.
        switches: Any = self.switches
        changed = {**asdict(switches), **changes}
        self.switches = validated(type(switches), changed)

    def reset(self) -> None:
        """Forget all accounts; the credentials lead to the first one again."""
        self.account = self._new_account(0)
        self._accounts = {MAIN: self.account}

    def swap_account(self, name: str) -> None:
        """Have the credentials lead to the account of this name, empty at first."""
        if name not in self._accounts:
            self._accounts[name] = self._new_account(len(self._accounts))
        self.account = self._accounts[name]

    @abstractmethod
    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        """Put contacts in and return their ids."""

    @abstractmethod
    def contacts(self, now: float) -> list[dict[str, Json]]:
        """Return the contacts, in the form of ``listed``."""


def listed(
    contact_id: str,
    fields: Mapping[str, Json],
    tags: Iterable[str] = (),
    key: str | None = None,
) -> dict[str, Json]:
    """Return a contact in the form of ``Twin.contacts``.

    ``fields`` are flat: see ``kit.fields``.
    """
    return {"id": contact_id, "key": key, "fields": dict(fields), "tags": list(tags)}
