"""The acts of a person that are the same at all of our own twins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.sandbox.twins.account import Accounts, Definitions, Kind
from syncengine.sandbox.twins.screen import Screen
from syncengine.sandbox.twins.twin import Seed


class Attended(Protocol):
    """Parts of our own twins that their screens need."""

    @property
    def accounts(self) -> Accounts[Any]: ...

    @property
    def definitions(self) -> Definitions: ...

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]: ...

    def contacts(self, now: float) -> list[dict[str, Json]]: ...


class TwinScreen(Screen):
    """A screen that reaches its contacts through the twin."""

    own_fields: ClassVar[str] = ""
    """What stands before a custom field's name where a contact shows it."""

    def __init__(self, twin: Attended, now: float) -> None:
        self._twin = twin
        self._now = now

    def move(self, field: str, source: str, to: str, instead: Any = None) -> None:
        value = self._shown(source)["fields"].get(field)
        if not value:
            raise ValueError(f"{field}: The contact {source} has none.")
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
        (made,) = self._twin.seed((Seed(fields, tags, key, created),), self._now)
        return made

    def recreate(self, contact: str, fields: tuple[str, ...] | None = None) -> str:
        shown = self._shown(contact)
        self.delete(contact)
        if fields is None:
            return self.create(shown["fields"], tuple(shown["tags"]), shown["key"])
        kept = {
            name: shown["fields"][name] for name in fields if name in shown["fields"]
        }
        return self.create(kept, key=shown["key"])

    def define(self, kind: Kind, name: str) -> None:
        prefixes: dict[Kind, str] = {"field": self.own_fields, "list": LISTS}
        self._twin.definitions.define(kind, name.removeprefix(prefixes.get(kind, "")))

    def require(
        self, field: str, *, required: bool = True, in_updates: bool = False
    ) -> None:
        if required:
            self._twin.definitions.require(field, in_updates=in_updates)
        else:
            self._twin.definitions.release(field)

    def empty(self) -> None:
        for each in self._twin.contacts(self._now):
            self.delete(each["id"])

    def swap(self, account: str) -> None:
        self._twin.accounts.swap(account)

    def _shown(self, contact: str) -> dict[str, Json]:
        for each in self._twin.contacts(self._now):
            if each["id"] == contact:
                return each
        raise self._unknown(contact)

    def _check_two(self, into: str, other: str) -> None:
        if into == other:
            raise ValueError("A contact cannot be merged into itself.")

    def _unknown(self, contact: str) -> LookupError:
        return LookupError(f"{self.vendor} has no contact {contact}.")
