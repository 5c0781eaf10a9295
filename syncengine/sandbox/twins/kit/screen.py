"""The acts of a person that are the same at all of our own twins."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.fields import picked
from syncengine.sandbox.twins.kit.store import TwinAccount, TwinStore
from syncengine.sandbox.twins.screen import DefinedKind, Screen
from syncengine.sandbox.twins.twin import Seed

T = TypeVar("T")
StoreT = TypeVar("StoreT", bound=TwinStore[Any, Any])
AccountT = TypeVar("AccountT", bound=TwinAccount)


class StoreScreen(Screen, Generic[StoreT, AccountT]):
    """A screen that reaches its contacts through the store of the twin."""

    own_fields: ClassVar[str] = ""
    """Prefix of a custom field's name where a contact shows it."""

    def __init__(self, store: StoreT, now: float) -> None:
        self._store = store
        self._now = now

    @property
    def _account(self) -> AccountT:
        """The account that the credentials lead to now."""
        account: AccountT = self._store.account
        return account

    def move(self, field: str, source: str, to: str, instead: Any = None) -> None:
        value = self._shown(source)["fields"].get(field)
        if not value:
            raise ValueError(f"{field}: The contact {source} has none.")
        # Both contacts must exist before the first of them is changed.
        self._shown(to)
        self.edit(source, {field: instead})
        self.edit(to, {field: value})

    def create(
        self,
        fields: dict[str, Any],
        tags: tuple[str, ...] = (),
        key: str | None = None,
        created: float | None = None,
    ) -> str:
        (made,) = self._store.seed((Seed(fields, tags, key, created),), self._now)
        return made

    def recreate(self, contact: str, fields: tuple[str, ...] | None = None) -> str:
        shown = self._shown(contact)
        self.delete(contact)
        if fields is None:
            return self.create(shown["fields"], tuple(shown["tags"]), shown["key"])
        return self.create(picked(shown["fields"], fields), key=shown["key"])

    def define(self, kind: DefinedKind, name: str) -> None:
        # Contacts show custom fields and lists under a prefix; definitions have none.
        prefixes: dict[DefinedKind, str] = {"field": self.own_fields, "list": LISTS}
        bare = name.removeprefix(prefixes.get(kind, ""))
        self._store.definitions.define(kind, bare)

    def require(
        self, field: str, *, required: bool = True, in_updates: bool = False
    ) -> None:
        if required:
            self._store.definitions.require(field, in_updates=in_updates)
        else:
            self._store.definitions.release(field)

    def empty(self) -> None:
        for each in self._store.contacts(self._now):
            self.delete(each["id"])

    def swap(self, account: str) -> None:
        self._store.swap_account(account)

    def _shown(self, contact: str) -> dict[str, Json]:
        for each in self._store.contacts(self._now):
            if each["id"] == contact:
                return each
        raise self._unknown(contact)

    def _known(self, contact: str, found: T | None) -> T:
        """Return what was found under an id. Raises LookupError where nothing was."""
        if found is None:
            raise self._unknown(contact)
        return found

    def _check_two(self, into: str, other: str) -> None:
        if into == other:
            raise ValueError("A contact cannot be merged into itself.")

    def _unknown(self, contact: str) -> LookupError:
        return LookupError(f"{self.vendor} has no contact {contact}.")
