"""Acts of a person at respond.io's screen (v2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncengine.sandbox.twins.common_screen import TwinScreen
from syncengine.sandbox.twins.respond_io_v2_people import CUSTOM, PLAIN, Contact, by_age

if TYPE_CHECKING:
    from syncengine.sandbox.twins.respond_io_v2 import RespondIoV2Twin


class RespondIoV2Screen(TwinScreen):
    """A screen whose merges leave the older contact, whichever was chosen."""

    vendor = "respond_io_v2"
    own_fields = CUSTOM
    _twin: RespondIoV2Twin

    def delete(self, contact: str) -> None:
        self._twin.people.remove(self._held(contact))

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        older, younger = by_age(self._held(into), self._held(other))
        self._twin.merge(older, younger)
        return str(older.id)

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        held = self._held(contact)
        plain = {name: fields[name] for name in PLAIN if name in fields}
        custom = {
            name.removeprefix(CUSTOM): value
            for name, value in fields.items()
            if name.startswith(CUSTOM)
        }
        if (
            unknown := fields.keys()
            - plain.keys()
            - {f"{CUSTOM}{name}" for name in custom}
        ):
            raise ValueError(f"{min(unknown)}: {self.vendor} has no such field.")
        self._twin.people.write(held, plain, custom)

    def tag(self, contact: str, tag: str) -> None:
        self._held(contact).tags.setdefault(tag)

    def untag(self, contact: str, tag: str) -> None:
        self._held(contact).tags.pop(tag, None)

    def set_stage(self, contact: str, stage: str | None) -> None:
        self._held(contact).lifecycle = stage

    def block(self, contact: str, *, blocked: bool = True) -> None:
        self._held(contact).blocked = blocked

    def undefine_field(self, name: str) -> None:
        name = name.removeprefix(CUSTOM)
        if name in PLAIN:
            raise ValueError(f"{name}: Only custom fields can be undefined.")
        self._twin.definitions.undefine("field", name)
        for contact in self._twin.people:
            self._twin.people.write(contact, {}, {name: None})

    def undefine_tag(self, name: str) -> None:
        self._twin.definitions.undefine("tag", name)
        for contact in self._twin.people:
            contact.tags.pop(name, None)

    def undefine_stage(self, name: str) -> None:
        self._twin.definitions.undefine("stage", name)
        for contact in self._twin.people:
            if contact.lifecycle == name:
                contact.lifecycle = None

    def _held(self, contact: str) -> Contact:
        held = self._twin.people.get(int(contact)) if contact.isdecimal() else None
        if held is None:
            raise self._unknown(contact)
        return held
