"""Acts of a person at charles's screen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncengine.model.http import Json
from syncengine.sandbox.twins.charles_people import NAMES, Person, changes, payload
from syncengine.sandbox.twins.common_screen import TwinScreen

if TYPE_CHECKING:
    from syncengine.sandbox.twins.charles import CharlesTwin

_PROPERTIES = "custom_properties."
_PHONES = "phone_numbers."
_EMAILS = "email_addresses."
_BY_HAND = "by-hand"


class CharlesScreen(TwinScreen):
    """A screen where phones and e-mails can be removed, as they cannot over the API.

    Somebody entered by hand has none of our external references.
    """

    vendor = "charles"
    own_fields = _PROPERTIES
    _twin: CharlesTwin

    def delete(self, contact: str) -> None:
        self._held(contact)
        self._twin.remove(contact)
        self._twin.account.erase_at.pop(contact, None)

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept, gone = self._held(into), self._held(other)
        self._twin.remove(into)
        self._twin.remove(other)
        if self._twin.switches.merged_id == "new":
            kept.id = self._twin.new_id()
        kept.names = {**gone.names, **kept.names}
        kept.properties = {**gone.properties, **kept.properties}
        kept.tags.update(gone.tags)
        kept.phones = {**kept.phones, **gone.phones}
        kept.emails = {**kept.emails, **gone.emails}
        kept.payloads.update(gone.payloads)
        kept.touched = datetime.fromtimestamp(self._now, UTC)
        self._twin.account.people[kept.id] = kept
        self._twin.account.by_key.update(dict.fromkeys(kept.payloads, kept.id))
        return kept.id

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        held = self._held(contact)
        payload(
            {name: value for name, value in fields.items() if value is not None}, ()
        )
        for name, value in fields.items():
            self._set(held, name, value)
        held.touched = datetime.fromtimestamp(self._now, UTC)

    def _set(self, held: Person, name: str, value: Json) -> None:
        kind = name.partition(".")[2]
        if name.startswith(_PHONES):
            held.phones = {
                phone: each for phone, each in held.phones.items() if each != kind
            }
            held.phones |= _lists(name, value).phones
        elif name.startswith(_EMAILS):
            held.emails = {
                key: each for key, each in held.emails.items() if each[0] != kind
            }
            held.emails |= _lists(name, value).emails
        else:
            values = held.names if name in NAMES else held.properties
            place = name.removeprefix(_PROPERTIES)
            values.pop(place, None)
            if value is not None:
                values[place] = value

    def tag(self, contact: str, tag: str) -> None:
        self._held(contact).tags.setdefault(tag)

    def untag(self, contact: str, tag: str) -> None:
        self._held(contact).tags.pop(tag, None)

    def archive(self, contact: str, *, archived: bool = True) -> None:
        self._held(contact).archived = archived

    def create(
        self,
        fields: dict[str, Any],
        tags: tuple[str, ...] = (),
        key: str | None = None,
        created: float | None = None,
    ) -> str:
        given = {"source_type": _BY_HAND, **fields}
        return super().create(given, tags, key or self._twin.new_id(), created)

    def recreate(self, contact: str, fields: tuple[str, ...] | None = None) -> str:
        """With all fields the references come back as well, as from an import."""
        gone = self._held(contact)
        shown = self._shown(contact)["fields"]
        self.delete(contact)
        if fields is not None:
            return self.create({name: shown[name] for name in fields if name in shown})
        made = self._held(self.create(shown, tuple(gone.tags)))
        made.key = gone.key
        made.payloads |= gone.payloads
        self._twin.account.by_key.update(dict.fromkeys(made.payloads, made.id))
        return made.id

    def undefine_field(self, name: str) -> None:
        name = name.removeprefix(_PROPERTIES)
        if name in NAMES:
            raise ValueError(f"{name}: Only custom properties can be undefined.")
        self._twin.definitions.undefine("field", name)
        for person in self._twin.account.people.values():
            person.properties.pop(name, None)

    def undefine_tag(self, name: str) -> None:
        self._twin.definitions.undefine("tag", name)
        for person in self._twin.account.people.values():
            person.tags.pop(name, None)

    def _held(self, contact: str) -> Person:
        if contact not in self._twin.account.people:
            raise self._unknown(contact)
        return self._twin.account.people[contact]


def _lists(name: str, value: Json) -> Any:
    return changes(payload({} if value is None else {name: value}, ()))
