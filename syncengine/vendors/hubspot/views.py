"""What is asked of HubSpot about a contact, and what of the answer is shown."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from syncengine.vendor import (
    LISTS,
    Call,
    Fields,
    MatchKey,
    Remote,
    Unsupported,
    as_text,
    fields_not_taken,
    is_phone_of,
    storable_tags,
    tags_not_removed,
    tags_not_taken,
)
from syncengine.vendors.hubspot.answers import HubSpotObject
from syncengine.vendors.hubspot.settings import EMAIL, HubSpotSettings
from syncengine.vendors.hubspot.values import PHONES, options_in, same_value

USUAL_FIELDS = (EMAIL, "firstname", "lastname", "phone")
"""The properties that are shown where no mapping names others."""
_FURTHER_EMAILS = "hs_additional_emails"
"""Further addresses of a contact, which find it as its first one does."""
_MERGED_IDS = "hs_merged_object_ids"
"""The former ids of a contact that was merged."""


@dataclass(frozen=True, slots=True)
class ContactView:
    """The properties to ask for, in one form for every look-up and read."""

    fields: tuple[str, ...]
    """The properties that are fields of a ``Remote``."""
    tags: str | None
    """The property that holds the tags."""
    phones: frozenset[str]

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the properties that a request has to name, or they are left out."""
        tags = (self.tags,) if self.tags else ()
        names = (*self.fields, *tags, _FURTHER_EMAILS, _MERGED_IDS)
        return tuple(dict.fromkeys(names))

    def remote(self, contact: HubSpotObject) -> Remote:
        """Return the contact in the form in which the engine compares it."""
        shown = contact.properties
        fields = {name: shown[name] for name in self.fields if name in shown}
        shows_tags = self.tags is not None and self.tags in shown
        return Remote(
            contact.id,
            fields,
            self.tags_of(contact),
            shows_tags=shows_tags,
            former_ids=former_ids(contact),
        )

    def tags_of(self, contact: HubSpotObject) -> frozenset[str]:
        if self.tags is None:
            return frozenset()
        return frozenset(storable_tags(options_in(contact.properties.get(self.tags))))

    def has_key(self, contact: HubSpotObject, key: MatchKey) -> bool:
        """Return whether a contact is surely that of a key."""
        if contact.archived:
            return False
        theirs = contact.value(key.field)
        if key.field in self.phones:
            return is_phone_of(key, theirs)
        if key.field == EMAIL:
            addresses = {theirs.lower(), *emails_of(contact)}
            return key.value.lower() in addresses - {""}
        return bool(theirs) and theirs == key.value

    def same(self, field: str, ours: object, theirs: object) -> bool:
        if isinstance(ours, str) and ours == theirs:
            # Most values come back as they were written.
            return True
        return same_value(field, ours, theirs, self.phones)

    def shortfalls(
        self, call: Call, contact: HubSpotObject, tags: Collection[str] | None = None
    ) -> tuple[Unsupported, ...]:
        """Return what the answer to a write shows otherwise than it was sent.

        A property that the answer leaves out says nothing. ``tags`` are all tags that
        were written; None: those of the call.
        """
        return tuple(self._shortfalls(call, contact, tags))

    def _shortfalls(
        self, call: Call, contact: HubSpotObject, tags: Collection[str] | None
    ) -> Iterator[Unsupported]:
        shown: Fields = contact.properties
        compared = {name: value for name, value in call.fields.items() if name in shown}
        yield from fields_not_taken(compared, shown, self.same)
        if self.tags is not None and self.tags in shown:
            shown_tags = self.tags_of(contact)
            yield from tags_not_taken(tags or call.add_tags, shown_tags)
            yield from tags_not_removed(call.remove_tags, shown_tags)


def view_of(settings: HubSpotSettings, fields: Collection[str]) -> ContactView:
    """Return the view that shows these fields, and what contacts are looked up by."""
    named = (*fields, *settings.unique_properties, *settings.phone_properties)
    shown = [
        name
        for name in dict.fromkeys(named)
        if not name.startswith(LISTS) and name != settings.tags_property
    ]
    phones = frozenset((*PHONES, *settings.phone_properties))
    return ContactView(tuple(shown), settings.tags_property, phones)


def emails_of(contact: HubSpotObject) -> frozenset[str]:
    """Return the further e-mail addresses of a contact, in small letters."""
    found = options_in(contact.properties.get(_FURTHER_EMAILS))
    return frozenset(address.lower() for address in found)


def former_ids(contact: HubSpotObject) -> tuple[str, ...]:
    """Return the ids of the contacts that were merged into this one."""
    return options_in(contact.properties.get(_MERGED_IDS))


def key_text(key: MatchKey) -> str:
    """Return the value of a key in the form in which two of them are compared."""
    return key.value.lower() if key.field == EMAIL else as_text(key.value)
