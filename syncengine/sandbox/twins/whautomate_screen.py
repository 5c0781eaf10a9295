"""Acts of a person at Whautomate's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncengine.model.http import Json
from syncengine.sandbox.twins.common_screen import TwinScreen
from syncengine.sandbox.twins.whautomate_wire import CUSTOM, STAGES, Contact, digits

if TYPE_CHECKING:
    from syncengine.sandbox.twins.whautomate import WhautomateTwin

_PLAIN = ("name", "phoneNumber", "stage", "notes")


class WhautomateScreen(TwinScreen):
    """A screen without merge and without stages of one's own.

    A person merges by entering at one contact what the other has more, and by deleting
    the other. What is done by hand starts no automation of the twin's record.
    """

    vendor = "whautomate"
    own_fields = CUSTOM
    _twin: WhautomateTwin

    def delete(self, contact: str) -> None:
        self._held(contact)
        del self._twin.account.contacts[contact]
        self._twin.account.deleted.add(contact)

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept, gone = self._held(into), self._held(other)
        kept.notes = kept.notes or gone.notes
        kept.custom = {**gone.custom, **kept.custom}
        kept.tags.update(gone.tags)
        kept.changed = self._now
        self.delete(other)
        return into

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        held = self._held(contact)
        for name, value in fields.items():
            self._check(name, value)
        for name, value in fields.items():
            self._set(held, name, value)
        held.changed = self._now

    def _check(self, name: str, value: Json) -> None:
        if name.startswith(CUSTOM):
            return
        if name not in _PLAIN:
            raise ValueError(f"{name}: {self.vendor} has no such field.")
        if name == "stage" and value not in STAGES:
            raise ValueError(f"stage: It must be one of {', '.join(STAGES)}.")
        if name == "name" and not value:
            raise ValueError("name: A contact must have one.")
        if name == "phoneNumber" and not digits(value or ""):
            raise ValueError("phoneNumber: A contact must have one.")

    def _set(self, held: Contact, name: str, value: Json) -> None:
        match name:
            case "name":
                held.name = value
            case "phoneNumber":
                held.phone = value
            case "stage":
                held.stage = value
            case "notes":
                held.notes = value or ""
            case _ if value is None:
                held.custom.pop(name.removeprefix(CUSTOM), None)
            case _:
                held.custom[name.removeprefix(CUSTOM)] = value

    def tag(self, contact: str, tag: str) -> None:
        held = self._held(contact)
        self._twin.account.tags.define(tag, self._now)
        held.tags.setdefault(tag)

    def untag(self, contact: str, tag: str) -> None:
        self._held(contact).tags.pop(tag, None)

    def set_stage(self, contact: str, stage: str | None) -> None:
        self.edit(contact, {"stage": stage or STAGES[0]})

    def undefine_field(self, name: str) -> None:
        if name in _PLAIN:
            raise ValueError(f"{name}: Only custom fields can be undefined.")
        name = name.removeprefix(CUSTOM)
        self._twin.definitions.undefine("field", name)
        for contact in self._twin.account.contacts.values():
            contact.custom.pop(name, None)

    def undefine_tag(self, name: str) -> None:
        self._twin.definitions.undefine("tag", name)
        self._twin.account.tags.undefine(name)
        for contact in self._twin.account.contacts.values():
            contact.tags.pop(name, None)

    def undefine_location(self, name: str) -> None:
        self._twin.definitions.undefine("location", name)
        for contact in self._twin.account.contacts.values():
            if contact.location == name:
                contact.location = None

    def _held(self, contact: str) -> Contact:
        if contact not in self._twin.account.contacts:
            raise self._unknown(contact)
        return self._twin.account.contacts[contact]
