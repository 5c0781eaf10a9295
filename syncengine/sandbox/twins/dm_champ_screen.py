"""Acts of a person at DM Champ's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncengine.model.http import Json
from syncengine.sandbox.twins.common_screen import TwinScreen
from syncengine.sandbox.twins.dm_champ_wire import DEFAULTS, NULLABLE, Contact

if TYPE_CHECKING:
    from syncengine.sandbox.twins.dm_champ import DmChampTwin

_CUSTOM = "custom_fields."
_LISTS = "lists."


class DmChampScreen(TwinScreen):
    """A screen where the phone can be changed, as it cannot over the API.

    It has no merge of its own: a person enters at one contact what the other has more,
    and deletes the other.
    """

    vendor = "dm_champ"
    _twin: DmChampTwin

    def delete(self, contact: str) -> None:
        self._twin.remove_phone(self._held(contact))
        del self._twin.account.contacts[contact]

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept, gone = self._held(into), self._held(other)
        fields = {
            name: value
            for name, value in gone.fields.items()
            if name != "phoneNumber"
            and kept.fields.get(name) in (None, "", DEFAULTS.get(name))
        }
        kept.fields |= fields
        kept.custom = {**gone.custom, **kept.custom}
        kept.tags.update(gone.tags)
        kept.lists.update(gone.lists)
        kept.messages.extend(gone.messages)
        self.delete(other)
        return into

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        held = self._held(contact)
        for name in fields:
            if name not in (
                "phoneNumber",
                *DEFAULTS,
                *NULLABLE,
            ) and not name.startswith(_CUSTOM):
                raise ValueError(f"{name}: {self.vendor} has no such field.")
        for name, value in fields.items():
            self._set(held, name, value)

    def _set(self, held: Contact, name: str, value: Json) -> None:
        if name == "phoneNumber":
            self._twin.place(held, value or "")
        elif not name.startswith(_CUSTOM):
            held.fields[name] = DEFAULTS.get(name) if value is None else value
        elif value is None:
            held.custom.pop(name.removeprefix(_CUSTOM), None)
        else:
            held.custom[name.removeprefix(_CUSTOM)] = value

    def tag(self, contact: str, tag: str) -> None:
        self._twin.account.tags.setdefault(tag)
        self._held(contact).tags.setdefault(tag)

    def untag(self, contact: str, tag: str) -> None:
        self._held(contact).tags.pop(tag, None)

    def join(self, contact: str, name: str) -> None:
        self._held(contact).lists.setdefault(name, True)

    def leave(self, contact: str, name: str) -> None:
        self._held(contact).lists.pop(name, None)

    def opt_out(self, contact: str, *, opted_out: bool = True) -> None:
        held = self._held(contact)
        held.fields["do_not_disturb"] = opted_out
        held.reason = "asked to stop" if opted_out else None

    def undefine_tag(self, name: str) -> None:
        self._twin.account.tags.pop(name, None)
        for contact in self._twin.account.contacts.values():
            contact.tags.pop(name, None)

    def undefine_list(self, name: str) -> None:
        name = name.removeprefix(_LISTS)
        self._twin.definitions.undefine("list", name)
        for contact in self._twin.account.contacts.values():
            contact.lists.pop(name, None)

    def _held(self, contact: str) -> Contact:
        if contact not in self._twin.account.contacts:
            raise self._unknown(contact)
        return self._twin.account.contacts[contact]
