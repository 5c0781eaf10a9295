"""Acts of a person at respond.io's screen (legacy v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncengine.sandbox.twins.common_screen import TwinScreen
from syncengine.sandbox.twins.respond_io_wire import (
    STANDARD,
    Contact,
    RefusedError,
    as_text,
)

if TYPE_CHECKING:
    from syncengine.sandbox.twins.respond_io import Channel, RespondIoTwin


class RespondIoScreen(TwinScreen):
    """A screen that shows the contacts of all channels."""

    vendor = "respond_io"
    _twin: RespondIoTwin

    def delete(self, contact: str) -> None:
        channel, held = self._held(contact)
        channel.remove(held)

    def merge(self, into: str, other: str) -> str:
        channel, kept = self._held(into)
        other_channel, gone = self._held(other)
        self._check_two(into, other)
        if channel is not other_channel:
            raise ValueError("The two contacts belong to different channels.")
        if self._twin.switches.merged_into == "older":
            kept, gone = sorted(
                (kept, gone), key=lambda each: (each.created, each.number)
            )
        fields = {
            name: value
            for name, value in gone.fields.items()
            if not kept.fields.get(name)
        }
        channel.remove(gone)
        channel.write(kept, fields)
        kept.tags.update(gone.tags)
        return kept.id

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        channel, held = self._held(contact)
        try:
            written = {name: as_text(value) for name, value in fields.items()}
        except RefusedError as refused:
            raise ValueError(str(refused)) from None
        for name, value in written.items():
            if value:
                channel.write(held, {name: value})
            else:
                channel.drop(held, name)

    def tag(self, contact: str, tag: str) -> None:
        self._held(contact)[1].tags.setdefault(tag)

    def untag(self, contact: str, tag: str) -> None:
        self._held(contact)[1].tags.pop(tag, None)

    def block(self, contact: str, *, blocked: bool = True) -> None:
        self._held(contact)[1].blocked = blocked

    def undefine_field(self, name: str) -> None:
        if name in STANDARD:
            raise ValueError(f"{name}: Only custom fields can be undefined.")
        self._twin.definitions.undefine("field", name)
        for channel in self._twin.account.channels.values():
            for contact in channel.contacts.values():
                channel.drop(contact, name)

    def undefine_tag(self, name: str) -> None:
        self._twin.definitions.undefine("tag", name)
        for channel in self._twin.account.channels.values():
            for contact in channel.contacts.values():
                contact.tags.pop(name, None)

    def _held(self, contact: str) -> tuple[Channel, Contact]:
        for channel in self._twin.account.channels.values():
            if contact in channel.contacts:
                return channel, channel.contacts[contact]
        raise self._unknown(contact)
