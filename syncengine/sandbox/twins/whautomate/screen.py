"""Acts of a person at the screen of Whautomate."""

from __future__ import annotations

from typing import Any

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.kit.fields import set_or_clear
from syncengine.sandbox.twins.kit.screen import StoreScreen
from syncengine.sandbox.twins.whautomate.store import WhautomateAccount, WhautomateStore
from syncengine.sandbox.twins.whautomate.wire import (
    CUSTOM,
    STAGES,
    WhautomateContact,
)

_PLAIN = ("name", "phoneNumber", "stage", "notes")
"""The fields that every contact has and that a person can edit."""


class WhautomateScreen(StoreScreen[WhautomateStore, WhautomateAccount]):
    """A screen without merge and without stages of one's own.

    A person merges by entering at one contact what the other has more, and by deleting
    the other. What is done by hand starts no automation of the twin's record.
    """

    vendor = "whautomate"
    custom_prefix = CUSTOM

    def delete(self, contact: str) -> None:
        deleted = self._contact(contact)
        self._store.delete(deleted)

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept = self._contact(into)
        gone = self._contact(other)
        kept.notes = kept.notes or gone.notes
        # Where both have a custom field, the value of the kept contact counts.
        kept.custom = {**gone.custom, **kept.custom}
        kept.tags.update(gone.tags)
        kept.changed = self._now
        self.delete(other)
        return into

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        edited = self._contact(contact)
        # All fields are checked before the first of them is changed.
        for name, value in fields.items():
            self._check(name, value)
        for name, value in fields.items():
            self._set(edited, name, value)
        edited.changed = self._now

    def _check(self, name: str, value: Json) -> None:
        """Raise ValueError for a field or value that the screen does not take."""
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

    def _set(self, contact: WhautomateContact, name: str, value: Json) -> None:
        """Set one field, which was checked before; None clears it."""
        match name:
            case "name":
                contact.name = value
            case "phoneNumber":
                contact.phone = value
            case "stage":
                contact.stage = value
            case "notes":
                contact.notes = value or ""
            case _:
                bare_name = name.removeprefix(CUSTOM)
                set_or_clear(contact.custom, bare_name, value)

    def tag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        self._account.tags.define(tag, self._now)
        tagged.tags[tag] = None

    def untag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        tagged.tags.pop(tag, None)

    def set_stage(self, contact: str, stage: str | None) -> None:
        # Every contact has a stage here; the first one is that of new contacts.
        self.edit(contact, {"stage": stage or STAGES[0]})

    def undefine_field(self, name: str) -> None:
        if name in _PLAIN:
            raise ValueError(f"{name}: Only custom fields can be undefined.")
        name = name.removeprefix(CUSTOM)
        self._account.definitions.undefine("field", name)
        for contact in self._account.contacts.values():
            contact.custom.pop(name, None)

    def undefine_tag(self, name: str) -> None:
        # Both: the switches define tags too, and would define this one again.
        self._account.definitions.undefine("tag", name)
        self._account.tags.undefine(name)
        for contact in self._account.contacts.values():
            contact.tags.pop(name, None)

    def undefine_location(self, name: str) -> None:
        self._account.definitions.undefine("location", name)
        for contact in self._account.contacts.values():
            if contact.location == name:
                contact.location = None

    def _contact(self, contact_id: str) -> WhautomateContact:
        """Return the contact with an id. Raises LookupError."""
        found = self._account.contacts.get(contact_id)
        return self._known(contact_id, found)
