"""Acts of a person at the screen of respond.io (legacy v1)."""

from __future__ import annotations

from typing import Any

from syncengine.sandbox.twins.kit.answers import TwinRefusalError
from syncengine.sandbox.twins.kit.screen import StoreScreen
from syncengine.sandbox.twins.respond_io.store import (
    RespondIoAccount,
    RespondIoChannel,
    RespondIoStore,
)
from syncengine.sandbox.twins.respond_io.wire import (
    STANDARD,
    RespondIoContact,
    texts_of,
)


class RespondIoScreen(StoreScreen[RespondIoStore, RespondIoAccount]):
    """A screen that shows the contacts of all channels.

    Over the API each token sees those of its own channel alone; an id is unique in all.
    """

    vendor = "respond_io"

    def delete(self, contact: str) -> None:
        channel = self._channel_of(contact)
        channel.remove(channel.contacts[contact])

    def merge(self, into: str, other: str) -> str:
        kept = self._contact(into)
        gone = self._contact(other)
        self._check_two(into, other)
        channel = self._channel_of(into)
        if channel is not self._channel_of(other):
            raise ValueError("The two contacts belong to different channels.")
        if self._store.switches.merged_into == "older":
            kept, gone = sorted((kept, gone), key=_age)
        self._store.merge(channel, kept, gone)
        return kept.id

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        channel = self._channel_of(contact)
        edited = self._contact(contact)
        # The refusal is that of the API, whose texts are right here too.
        try:
            texts = texts_of(fields)
        except TwinRefusalError as error:
            raise ValueError(str(error)) from None
        for name, text in texts.items():
            if text:
                channel.write(edited, {name: text})
            else:
                channel.drop(edited, name)

    def tag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        tagged.tags[tag] = None

    def untag(self, contact: str, tag: str) -> None:
        tagged = self._contact(contact)
        tagged.tags.pop(tag, None)

    def block(self, contact: str, *, blocked: bool = True) -> None:
        changed = self._contact(contact)
        changed.blocked = blocked

    def undefine_field(self, name: str) -> None:
        if name in STANDARD:
            raise ValueError(f"{name}: Only custom fields can be undefined.")
        self._account.definitions.undefine("field", name)
        for channel in self._account.channels.values():
            for contact in channel.contacts.values():
                # Not past the channel: it finds contacts by their values.
                channel.drop(contact, name)

    def undefine_tag(self, name: str) -> None:
        self._account.definitions.undefine("tag", name)
        for channel in self._account.channels.values():
            for contact in channel.contacts.values():
                contact.tags.pop(name, None)

    def _channel_of(self, contact_id: str) -> RespondIoChannel:
        """Return the channel that a contact belongs to. Raises LookupError."""
        for channel in self._account.channels.values():
            if contact_id in channel.contacts:
                return channel
        raise self._unknown(contact_id)

    def _contact(self, contact_id: str) -> RespondIoContact:
        """Return the contact with an id. Raises LookupError."""
        channel = self._channel_of(contact_id)
        return channel.contacts[contact_id]


def _age(contact: RespondIoContact) -> tuple[int, int]:
    """Return the key by which contacts sort from the oldest on.

    Times are whole seconds; within one, numbers are given in the order of the creates.
    """
    return contact.created, contact.number
