"""The contacts of respond.io v1, in the channels of an account.

A *channel* is a way to reach people, such as one WhatsApp number, and has a token of
its own. The same person in two channels is two contacts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    listed,
)
from syncengine.sandbox.twins.respond_io.switches import RespondIoSwitches
from syncengine.sandbox.twins.respond_io.wire import RespondIoContact, texts_of
from syncengine.sandbox.twins.twin import Seed

_FIRST_ID = 177640021


class RespondIoChannel:
    """The contacts of one token, with an index of their values.

    Whoever changes a field has to do it by ``write`` or ``drop``, which keep the index
    in step.
    """

    def __init__(self) -> None:
        self.contacts: dict[str, RespondIoContact] = {}
        self._ids_by_value: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """Ids of the contacts that have a value, by the field and the value."""

    def add(self, contact: RespondIoContact, fields: Mapping[str, str]) -> None:
        """Put a new contact in, with its fields."""
        self.contacts[contact.id] = contact
        self.write(contact, fields)

    def write(self, contact: RespondIoContact, fields: Mapping[str, str]) -> None:
        """Set fields of a contact."""
        for name, value in fields.items():
            self.drop(contact, name)
            contact.fields[name] = value
            self._ids_by_value[name, value].add(contact.id)

    def drop(self, contact: RespondIoContact, name: str) -> None:
        """Take a field from a contact."""
        if name in contact.fields:
            value = contact.fields.pop(name)
            self._ids_by_value[name, value].discard(contact.id)

    def remove(self, contact: RespondIoContact) -> None:
        """Take a contact out, so that no look-up finds it any more."""
        for name in list(contact.fields):
            self.drop(contact, name)
        del self.contacts[contact.id]

    def with_value(self, name: str, value: str) -> list[RespondIoContact]:
        """Return the contacts with a value, oldest first."""
        ids = self._ids_by_value.get((name, value), ())
        return _by_age(self.contacts[each] for each in ids)

    def with_value_in_any_case(self, name: str, value: str) -> list[RespondIoContact]:
        """Return the contacts with a value in any capitalisation, oldest first."""
        wanted = value.casefold()
        # Contacts without the field are no hits for the empty text.
        if not wanted:
            return []
        found = []
        for contact in self.contacts.values():
            value_there = contact.fields.get(name, "")
            if value_there.casefold() == wanted:
                found.append(contact)
        return _by_age(found)


class RespondIoAccount(TwinAccount):
    """The channels of one account, by their tokens."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.numbers = count(_FIRST_ID + number * IDS_APART)
        self.channels: defaultdict[str, RespondIoChannel] = defaultdict(
            RespondIoChannel
        )


class RespondIoStore(TwinStore[RespondIoSwitches, RespondIoAccount]):
    """The accounts of the twin, and its switches."""

    def __init__(self) -> None:
        super().__init__(RespondIoSwitches(), RespondIoAccount)

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        token = self.switches.all_tokens()[0]
        # All seeds are checked before the first of them is put in.
        texts = [texts_of(each.fields) for each in seeds]
        ids = []
        for each, fields in zip(seeds, texts, strict=True):
            contact = self.new_contact(token, each.created_at(now))
            contact.tags.update(dict.fromkeys(each.tags))
            self.account.channels[token].add(contact, fields)
            ids.append(contact.id)
        return ids

    def contacts(self, now: float) -> list[dict[str, Json]]:
        del now  # nothing here changes with time
        every: list[RespondIoContact] = []
        for channel in self.account.channels.values():
            every.extend(channel.contacts.values())
        return [
            listed(contact.id, contact.fields, contact.tags)
            for contact in _by_age(every)
        ]

    def new_contact(self, token: str, now: float) -> RespondIoContact:
        """Make a contact that belongs to no channel yet."""
        number = next(self.account.numbers)
        contact_id = str(number)
        if token in self.switches.viber_tokens:
            # Documented: such ids come from Viber, and hold characters that a path
            # has to encode.
            contact_id = f"v+{number:x}/c?=="
        return RespondIoContact(number, contact_id, int(now))

    def merge(
        self, channel: RespondIoChannel, kept: RespondIoContact, gone: RespondIoContact
    ) -> None:
        """Make one contact of two: empty fields are filled, tags are joined.

        Assumed: the legacy documentation says nothing about merges.
        """
        # The other contact goes first: two contacts never have one phone.
        filling = {
            name: value
            for name, value in gone.fields.items()
            if not kept.fields.get(name)
        }
        channel.remove(gone)
        channel.write(kept, filling)
        kept.tags.update(gone.tags)


def _by_age(contacts: Iterable[RespondIoContact]) -> list[RespondIoContact]:
    """Return contacts in the order of their creates."""
    return sorted(contacts, key=lambda contact: contact.number)
