"""Acts of a person at the screen of charles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from syncengine.model.http import Json
from syncengine.sandbox.twins.charles.people import (
    PROPERTIES,
    CharlesPerson,
    EmailEntry,
    PhonesAndEmails,
    phones_and_emails,
)
from syncengine.sandbox.twins.charles.store import CharlesAccount, CharlesStore
from syncengine.sandbox.twins.charles.wire import NAMES, payload
from syncengine.sandbox.twins.kit.fields import picked, set_or_clear
from syncengine.sandbox.twins.kit.screen import StoreScreen

_PHONES = "phone_numbers."
_EMAILS = "email_addresses."
_BY_HAND = "by-hand"
"""Source type of people who were entered at the screen."""


class CharlesScreen(StoreScreen[CharlesStore, CharlesAccount]):
    """A screen where phones and e-mails can be removed, as they cannot over the API.

    Somebody entered by hand has none of our external references.
    """

    vendor = "charles"
    custom_prefix = f"{PROPERTIES}."

    def delete(self, contact: str) -> None:
        deleted = self._person(contact)
        self._store.remove(deleted.id)
        # The erasure job has nobody to erase any more.
        self._account.erase_at.pop(deleted.id, None)

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept = self._person(into)
        self._store.merge(kept, self._person(other), self._now)
        return kept.id

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        person = self._person(contact)
        # Raises for a field that does not exist before anything is changed.
        given = {name: value for name, value in fields.items() if value is not None}
        payload(given)
        for name, value in fields.items():
            self._set(person, name, value)
        person.touched = datetime.fromtimestamp(self._now, UTC)

    def _set(self, person: CharlesPerson, name: str, value: Json) -> None:
        """Set a field; None clears it."""
        if name.startswith(_PHONES):
            kind = name.removeprefix(_PHONES)
            self._replace_phones(person, kind, _lists_of(name, value).phones)
        elif name.startswith(_EMAILS):
            kind = name.removeprefix(_EMAILS)
            self._replace_emails(person, kind, _lists_of(name, value).emails)
        elif name in NAMES:
            set_or_clear(person.names, name, value)
        else:
            set_or_clear(
                person.properties, name.removeprefix(self.custom_prefix), value
            )

    def _replace_phones(
        self, person: CharlesPerson, kind: str, phones: Mapping[str, str]
    ) -> None:
        """Replace the phones of one type, such as ``mobile``, as a whole."""
        for number, kind_there in list(person.phones.items()):
            if kind_there == kind:
                del person.phones[number]
        person.phones.update(phones)

    def _replace_emails(
        self, person: CharlesPerson, kind: str, emails: Mapping[str, EmailEntry]
    ) -> None:
        """Replace the e-mail addresses of one type as a whole."""
        for normal, entry in list(person.emails.items()):
            if entry.kind == kind:
                del person.emails[normal]
        person.emails.update(emails)

    def tag(self, contact: str, tag: str) -> None:
        tagged = self._person(contact)
        tagged.tags[tag] = None

    def untag(self, contact: str, tag: str) -> None:
        tagged = self._person(contact)
        tagged.tags.pop(tag, None)

    def archive(self, contact: str, *, archived: bool = True) -> None:
        changed = self._person(contact)
        changed.archived = archived

    def create(
        self,
        fields: dict[str, Any],
        tags: tuple[str, ...] = (),
        key: str | None = None,
        created: float | None = None,
    ) -> str:
        given = {"source_type": _BY_HAND, **fields}
        # A person of this vendor always has a key; here it is one that nobody knows.
        key = key or self._store.new_id()
        return super().create(given, tags, key, created)

    def recreate(self, contact: str, fields: tuple[str, ...] | None = None) -> str:
        """With all fields the references come back as well, as from an import."""
        gone = self._person(contact)
        shown = self._shown(contact)["fields"]
        self.delete(contact)
        if fields is not None:
            return self.create(picked(shown, fields))
        new_id = self.create(shown, tuple(gone.tags))
        made = self._person(new_id)
        made.key = gone.key
        made.payloads |= gone.payloads
        # Once more, so that the keys of these payloads lead to the new person.
        self._store.add(made)
        return made.id

    def undefine_field(self, name: str) -> None:
        name = name.removeprefix(self.custom_prefix)
        if name in NAMES:
            raise ValueError(f"{name}: Only custom properties can be undefined.")
        self._account.definitions.undefine("field", name)
        for person in self._account.people.values():
            person.properties.pop(name, None)

    def undefine_tag(self, name: str) -> None:
        self._account.definitions.undefine("tag", name)
        for person in self._account.people.values():
            person.tags.pop(name, None)

    def _person(self, contact_id: str) -> CharlesPerson:
        """Return the person with an id. Raises LookupError."""
        found = self._account.people.get(contact_id)
        return self._known(contact_id, found)


def _lists_of(name: str, value: Json) -> PhonesAndEmails:
    """Return the phones or e-mails that a person enters; none for None."""
    if value is None:
        return PhonesAndEmails({}, {})
    return phones_and_emails(payload({name: value}))
