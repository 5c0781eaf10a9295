"""The acts of a person that are the same at all of our own twins.

They are done in terms of the acts that differ: to move a field is to edit two contacts,
to empty an account is to delete each contact. A vendor's screen defines those others,
``delete`` and ``edit`` at least.
"""

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
    """A screen that reaches its contacts through the store of the twin.

    A screen is made for one act: ``now`` (seconds since 1970) is the time of whatever
    is done at it.
    """

    custom_prefix: ClassVar[str] = ""
    """Prefix of a custom field's name where a contact shows it, such as ``custom.``;
    empty at a vendor that shows custom fields under their bare names."""

    def __init__(self, store: StoreT, now: float) -> None:
        self._store = store
        self._now = now

    @property
    def _account(self) -> AccountT:
        """The account that the credentials lead to now."""
        # The annotation is for mypy: a type variable cannot say that this store has
        # accounts of this type.
        account: AccountT = self._store.account
        return account

    def move(self, field: str, source: str, to: str, instead: Any = None) -> None:
        fields = self._shown(source)["fields"]
        value = fields.get(field)
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
        seed = Seed(fields, tags, key, created)
        ids = self._store.seed((seed,), self._now)
        return ids[0]

    def recreate(self, contact: str, fields: tuple[str, ...] | None = None) -> str:
        shown = self._shown(contact)
        entered = shown["fields"]
        tags = tuple(shown["tags"])
        if fields is not None:
            entered = picked(entered, fields)
            tags = ()
        self.delete(contact)
        return self.create(entered, tags, key=shown["key"])

    def define(self, kind: DefinedKind, name: str) -> None:
        # Contacts show custom fields and lists under a prefix; definitions have none.
        prefixes: dict[DefinedKind, str] = {"field": self.custom_prefix, "list": LISTS}
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
        # ``contacts`` is a list of its own, so deleting meanwhile does no harm.
        for each in self._store.contacts(self._now):
            self.delete(each["id"])

    def swap(self, account: str) -> None:
        self._store.swap_account(account)

    def _shown(self, contact_id: str) -> dict[str, Json]:
        """Return a contact in the form of ``Twin.contacts``. Raises LookupError."""
        for each in self._store.contacts(self._now):
            if each["id"] == contact_id:
                return each
        raise self._unknown(contact_id)

    def _known(self, contact_id: str, found: T | None) -> T:
        """Return ``found``. Raises LookupError, which names the contact, for None."""
        if found is None:
            raise self._unknown(contact_id)
        return found

    def _check_two(self, into: str, other: str) -> None:
        """Raise ValueError where a merge names the same contact twice."""
        if into == other:
            raise ValueError("A contact cannot be merged into itself.")

    def _unknown(self, contact_id: str) -> LookupError:
        """Return the error for an id that no contact has."""
        return LookupError(f"{self.vendor} has no contact {contact_id}.")
