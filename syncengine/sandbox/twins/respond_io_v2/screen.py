"""Acts of a person at the screen of respond.io (v2)."""

from __future__ import annotations

from typing import Any

from syncengine.sandbox.twins.kit.fields import picked, under_prefix
from syncengine.sandbox.twins.kit.screen import StoreScreen
from syncengine.sandbox.twins.respond_io_v2.store import (
    CUSTOM,
    PLAIN,
    RespondIoV2Account,
    RespondIoV2Contact,
    RespondIoV2Store,
    by_age,
)


class RespondIoV2Screen(StoreScreen[RespondIoV2Store, RespondIoV2Account]):
    """A screen whose merges leave the older contact, whichever was chosen."""

    vendor = "respond_io_v2"
    custom_prefix = CUSTOM

    # --- contacts ---------------------------------------------------------------------

    def delete(self, contact: str) -> None:
        deleted = self._contact(contact)
        self._account.contacts.remove(deleted)

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        chosen = self._contact(into)
        older, younger = by_age(chosen, self._contact(other))
        self._store.merge(older, younger)
        return str(older.id)

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        edited = self._contact(contact)
        for name in sorted(fields):
            if name not in PLAIN and not name.startswith(CUSTOM):
                raise ValueError(f"{name}: {self.vendor} has no such field.")
        plain = picked(fields, PLAIN)
        custom = under_prefix(fields, CUSTOM)
        # Not past ``contacts``: it finds contacts by their values.
        self._account.contacts.write(edited, plain, custom)

    def tag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        tagged.tags[tag] = None

    def untag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        tagged.tags.pop(tag, None)

    def set_stage(self, contact: str, stage: str | None) -> None:
        changed = self._contact(contact)
        changed.lifecycle = stage

    def block(self, contact: str, *, blocked: bool = True) -> None:
        changed = self._contact(contact)
        changed.blocked = blocked

    # --- definitions ------------------------------------------------------------------

    def undefine_field(self, name: str) -> None:
        bare_name = name.removeprefix(CUSTOM)
        if bare_name in PLAIN:
            raise ValueError(f"{bare_name}: Only custom fields can be undefined.")
        self._account.definitions.undefine("field", bare_name)
        contacts = self._account.contacts
        for contact in contacts:
            contacts.write(contact, plain={}, custom={bare_name: None})

    def undefine_tag(self, name: str) -> None:
        self._account.definitions.undefine("tag", name)
        for contact in self._account.contacts:
            contact.tags.pop(name, None)

    def undefine_stage(self, name: str) -> None:
        self._account.definitions.undefine("stage", name)
        for contact in self._account.contacts:
            if contact.lifecycle == name:
                contact.lifecycle = None

    def _contact(self, contact_id: str) -> RespondIoV2Contact:
        """Return the contact with an id. Raises LookupError."""
        found = None
        # The ids of this vendor are numbers; any other text is simply unknown.
        if contact_id.isdecimal():
            found = self._account.contacts.get(int(contact_id))
        return self._known(contact_id, found)
