"""Acts of a person at the screen of DM Champ."""

from __future__ import annotations

from typing import Any

from syncengine.model.http import Json
from syncengine.sandbox.twins.dm_champ.store import DmChampAccount, DmChampStore
from syncengine.sandbox.twins.dm_champ.wire import DEFAULTS, WRITABLE, DmChampContact
from syncengine.sandbox.twins.kit.fields import set_or_clear
from syncengine.sandbox.twins.kit.screen import StoreScreen

_CUSTOM = "custom_fields."
"""Prefix of a custom field's name where a contact shows it."""
_LISTS = "lists."
"""Prefix of a list's name where a contact shows it."""


class DmChampScreen(StoreScreen[DmChampStore, DmChampAccount]):
    """A screen where the phone can be changed, as it cannot over the API.

    It has no merge of its own: a person enters at one contact what the other has more,
    and deletes the other. The phone is not among it, since a contact has only one.
    """

    vendor = "dm_champ"

    def delete(self, contact: str) -> None:
        deleted = self._contact(contact)
        # Else a look-up by the phone would still find it.
        self._store.take_phone(deleted)
        del self._account.contacts[deleted.id]

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept = self._contact(into)
        gone = self._contact(other)
        for name, value in gone.fields.items():
            if name == "phoneNumber":
                continue
            # A default is no value that somebody chose, so it gives way like no value.
            gives_way = (None, "", DEFAULTS.get(name))
            if kept.fields.get(name) in gives_way:
                kept.fields[name] = value
        # Where both have a custom field, the value of the kept contact counts.
        kept.custom = {**gone.custom, **kept.custom}
        kept.tags.update(gone.tags)
        kept.lists.update(gone.lists)
        kept.messages.extend(gone.messages)
        self.delete(other)
        return into

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        edited = self._contact(contact)
        # All names are checked before the first field is changed.
        for name in fields:
            if name not in WRITABLE and not name.startswith(_CUSTOM):
                raise ValueError(f"{name}: {self.vendor} has no such field.")
        for name, value in fields.items():
            self._set(edited, name, value)

    def _set(self, contact: DmChampContact, name: str, value: Json) -> None:
        """Set one field; None puts its default in place of the value."""
        if name == "phoneNumber":
            self._store.give_phone(contact, value or "")
        elif name.startswith(_CUSTOM):
            bare_name = name.removeprefix(_CUSTOM)
            set_or_clear(contact.custom, bare_name, value)
        elif value is None:
            contact.fields[name] = DEFAULTS.get(name)
        else:
            contact.fields[name] = value

    def tag(self, contact: str, tag: str) -> None:
        # A tag exists from the moment it is first used.
        self._account.tags.setdefault(tag)
        tagged = self._contact(contact)
        tagged.tags[tag] = None

    def untag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        tagged.tags.pop(tag, None)

    def join(self, contact: str, name: str) -> None:
        joining = self._contact(contact)
        joining.lists.setdefault(name, True)

    def leave(self, contact: str, name: str) -> None:
        leaving = self._contact(contact)
        leaving.lists.pop(name, None)

    def opt_out(self, contact: str, *, opted_out: bool = True) -> None:
        changed = self._contact(contact)
        changed.fields["do_not_disturb"] = opted_out
        # The reason tells such an opt-out from a flag that the API was given.
        changed.reason = "asked to stop" if opted_out else None

    def undefine_tag(self, name: str) -> None:
        self._account.tags.pop(name, None)
        for contact in self._account.contacts.values():
            contact.tags.pop(name, None)

    def undefine_list(self, name: str) -> None:
        list_id = name.removeprefix(_LISTS)
        self._account.definitions.undefine("list", list_id)
        for contact in self._account.contacts.values():
            contact.lists.pop(list_id, None)

    def _contact(self, contact_id: str) -> DmChampContact:
        """Return the contact with an id. Raises LookupError."""
        found = self._account.contacts.get(contact_id)
        return self._known(contact_id, found)
