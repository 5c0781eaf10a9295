"""The contacts of a workspace at respond.io v2, found by what they hold.

This vendor knows contacts by phone and e-mail, and its lists can be filtered by any
field. ``RespondIoV2Contacts`` therefore keeps an index of all values; whoever changes a
field has to do it by its ``write``.

A new contact waits in a *queue* first, for minutes at the vendor: until it is ready it
can neither be read nor written to, although a second create of it is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.fields import picked, under_prefix, with_prefix
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    listed,
)
from syncengine.sandbox.twins.respond_io_v2.switches import RespondIoV2Switches
from syncengine.sandbox.twins.twin import Seed

PLAIN = (
    "firstName",
    "lastName",
    "phone",
    "email",
    "language",
    "profilePic",
    "countryCode",
)
"""The fields of every contact, which are not custom fields."""
CUSTOM = "custom_fields."
"""Prefix of a custom field's name where a contact shows it."""
_FIRST_ID = 5501


class FieldValue(NamedTuple):
    """A field by its name, and a value of it."""

    name: str
    value: Json


@dataclass(slots=True)
class RespondIoV2Contact:
    """One contact; times are seconds since 1970."""

    id: int
    created: float
    ready: float
    """Time until which it waits in the queue."""
    plain: dict[str, Json] = field(default_factory=dict)
    """The fields of ``PLAIN`` that have a value."""
    custom: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    """In the order in which they came; a dict keeps each tag once."""
    lifecycle: str | None = None
    """Its stage, by name."""
    blocked: bool = False

    def shown(self, *, as_text: bool, plus: bool) -> dict[str, Json]:
        """Return the contact as reads show it.

        ``as_text`` shows the values of custom fields as text, ``plus`` shows phones
        with their ``+``.
        """
        phone = self.plain.get("phone")
        if phone is not None and not plus:
            phone = phone.removeprefix("+")
        language = self.plain.get("language")
        country = self.plain.get("countryCode")
        locale = None
        if language and country:
            locale = f"{language}_{country}"
        custom = []
        for name, value in self.custom.items():
            shown = text_of(value) if as_text else value
            custom.append({"name": name, "value": shown})
        plain = {name: self.plain.get(name) for name in PLAIN}
        return {
            "id": self.id,
            **plain,
            "phone": phone,
            "locale": locale,
            # Observed: null, not an empty list, where there are none.
            "custom_fields": custom or None,
            "status": "open",
            "isBlocked": self.blocked,
            "tags": list(self.tags),
            "assignee": None,
            "lifecycle": self.lifecycle,
            "created_at": int(self.created),
        }


def text_of(value: Json) -> Json:
    """Return a custom field's value as text; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def by_age(
    one: RespondIoV2Contact, other: RespondIoV2Contact
) -> tuple[RespondIoV2Contact, RespondIoV2Contact]:
    """Return the older contact and the younger one."""
    # Ids are given in the order of the creates: they decide within the same instant.
    older, younger = sorted((one, other), key=lambda each: (each.created, each.id))
    return older, younger


class RespondIoV2Contacts:
    """The contacts of one workspace, oldest first, with an index of their values."""

    def __init__(self, account: int = 0) -> None:
        self._ids = count(_FIRST_ID + account * IDS_APART)
        self._contacts: dict[int, RespondIoV2Contact] = {}
        self._ids_by_value: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        """Ids of the contacts that have a value, by the keys of ``_place``."""

    def __iter__(self) -> Iterator[RespondIoV2Contact]:
        return iter(self._contacts.values())

    def get(self, number: int) -> RespondIoV2Contact | None:
        """Return the contact with an id, or None."""
        return self._contacts.get(number)

    def add(
        self,
        plain: Mapping[str, Json],
        custom: Mapping[str, Json],
        *,
        now: float,
        ready: float,
    ) -> RespondIoV2Contact:
        """Put a new contact in, with its fields; until ``ready`` it is in the queue."""
        contact = RespondIoV2Contact(next(self._ids), now, ready)
        self._contacts[contact.id] = contact
        self.write(contact, plain, custom)
        return contact

    def write(
        self,
        contact: RespondIoV2Contact,
        plain: Mapping[str, Json],
        custom: Mapping[str, Json],
    ) -> None:
        """Set fields; None clears."""
        self._write(contact.id, contact.plain, plain)
        self._write(contact.id, contact.custom, custom)

    def _write(
        self, contact_id: int, fields: dict[str, Json], changes: Mapping[str, Json]
    ) -> None:
        """Set fields in one of a contact's two dicts, and keep the index in step."""
        for name, value in changes.items():
            # The old value must be found no more before the new one is.
            before = fields.pop(name, None)
            self._ids_by_value[_place(name, before)].discard(contact_id)
            if value is not None:
                fields[name] = value
                self._ids_by_value[_place(name, value)].add(contact_id)

    def remove(self, contact: RespondIoV2Contact) -> None:
        """Take a contact out, so that no look-up finds it any more."""
        no_plain = dict.fromkeys(contact.plain)
        no_custom = dict.fromkeys(contact.custom)
        self.write(contact, no_plain, no_custom)
        del self._contacts[contact.id]

    def with_value(self, name: str, value: Json) -> list[RespondIoV2Contact]:
        """Return the contacts with a value, in any capitalisation, oldest first.

        Phones are compared without their ``+``.
        """
        ids = self._ids_by_value.get(_place(name, value), ())
        return [self._contacts[number] for number in sorted(ids)]

    def with_any_value(self, values: Iterable[FieldValue]) -> list[RespondIoV2Contact]:
        """Return the contacts with one of these values, oldest first."""
        found: dict[int, RespondIoV2Contact] = {}
        for name, value in values:
            for contact in self.with_value(name, value):
                found[contact.id] = contact
        return [found[number] for number in sorted(found)]


def _place(name: str, value: Json) -> tuple[str, str]:
    """Return the key under which contacts with a field's value are found.

    Capitalisation, and the ``+`` of a phone, make no difference.
    """
    text = str(text_of(value)).casefold()
    if name == "phone":
        text = text.removeprefix("+")
    return name, text


class RespondIoV2Account(TwinAccount):
    """The contacts of one workspace, and what is defined there."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.contacts = RespondIoV2Contacts(number)


class RespondIoV2Store(TwinStore[RespondIoV2Switches, RespondIoV2Account]):
    """The workspaces of the twin, and its switches."""

    def __init__(self) -> None:
        super().__init__(RespondIoV2Switches(), RespondIoV2Account)

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        ids = []
        for each in seeds:
            contact = self.account.contacts.add(
                picked(each.fields, PLAIN),
                under_prefix(each.fields, CUSTOM),
                now=each.created_at(now),
                ready=now,
            )
            contact.lifecycle = each.fields.get("lifecycle")
            contact.tags.update(dict.fromkeys(each.tags))
            ids.append(str(contact.id))
        return ids

    def contacts(self, now: float) -> list[dict[str, Json]]:
        del now  # contacts that wait in the queue are kept as well
        return [
            listed(str(contact.id), self._flat(contact), contact.tags)
            for contact in self.account.contacts
        ]

    def _flat(self, contact: RespondIoV2Contact) -> dict[str, Json]:
        """Return the fields that have a value, flat and dotted."""
        shown = self.shown(contact)
        fields = {}
        for name in (*PLAIN, "lifecycle"):
            if shown[name] is not None:
                fields[name] = shown[name]
        pairs = shown["custom_fields"] or ()
        custom = {pair["name"]: pair["value"] for pair in pairs}
        return {**fields, **with_prefix(custom, CUSTOM)}

    def shown(self, contact: RespondIoV2Contact) -> dict[str, Json]:
        """Return a contact as reads show it."""
        return contact.shown(
            as_text=self.switches.custom_shown == "text", plus=self.switches.shows_plus
        )

    def find(self, kind: str, value: str) -> RespondIoV2Contact | None:
        """Return the oldest contact with an id, a phone or an e-mail, or None.

        ``kind`` is ``id``, ``phone`` or ``email``.
        """
        if kind == "id":
            return self.account.contacts.get(int(value))
        found = self.account.contacts.with_value(kind, value)
        return found[0] if found else None

    def find_by_keys(self, body: Mapping[str, Json]) -> RespondIoV2Contact | None:
        """Return the oldest contact with the phone or e-mail of a write, or None."""
        given = picked(body, ("phone", "email"))
        keys = [FieldValue(name, value) for name, value in given.items() if value]
        found = self.account.contacts.with_any_value(keys)
        return found[0] if found else None

    def merge(self, older: RespondIoV2Contact, younger: RespondIoV2Contact) -> None:
        """Make one contact of two; the older one keeps what it has.

        Observed: the older contact remains. What becomes of its tags is a switch.
        """
        plain = {**younger.plain, **older.plain}
        custom = {**younger.custom, **older.custom}
        # The younger one goes first: two contacts never have one phone.
        self.account.contacts.remove(younger)
        self.account.contacts.write(older, plain, custom)
        if self.switches.merge_tags == "both":
            older.tags.update(younger.tags)
