"""The people of charles, with the phones, e-mails and tags that they gather.

Every upsert names a *source* (a type and an external reference id). Several sources
may write about one person: each keeps its last body, and what they bring adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.kit.fields import with_prefix

PROPERTIES = "custom_properties"


class SourceKey(NamedTuple):
    """The two names of a body by which an upsert knows a person."""

    source_type: str
    reference_id: str
    """The external reference id, which the source has chosen."""


def source_key_of(body: Mapping[str, Json]) -> SourceKey:
    """Return the key in a body without mistakes."""
    return SourceKey(body["source_type"], body["external_reference_id"])


class EmailEntry(NamedTuple):
    """An e-mail address of a person."""

    kind: str
    """Its type in the vendor's words, such as ``work``."""
    value: str
    """The address as it was first written."""


@dataclass(slots=True)
class CharlesPerson:
    """A person; several sources may have written about the same one."""

    id: str
    key: str
    """The external reference id under which the person was made."""
    created: datetime
    updated: datetime
    """Time of the last change of a name: no other write shows here. Documented: the
    example answer to a second write has an older time here than in its parts."""
    touched: datetime
    """Time of the last write of any kind."""
    names: dict[str, Json] = field(default_factory=dict)
    properties: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    """In the order in which they came; a dict keeps each tag once."""
    phones: dict[str, str] = field(default_factory=dict)
    """By their digits, each with its type, such as ``mobile``."""
    emails: dict[str, EmailEntry] = field(default_factory=dict)
    """By their lower-case form."""
    payloads: dict[SourceKey, Json] = field(default_factory=dict)
    """The last body of each source."""
    archived: bool = False

    def fields(self) -> dict[str, Json]:
        """Return all fields, flat and dotted; phones and e-mails are lists.

        Like this: ``{"first_name": "Ann", "phone_numbers.mobile": ["49171234567"]}``.
        """
        properties = with_prefix(self.properties, f"{PROPERTIES}.")
        flat: dict[str, Json] = {**self.names, **properties}
        for number, kind in self.phones.items():
            numbers = flat.setdefault(f"phone_numbers.{kind}", [])
            numbers.append(number)
        for email in self.emails.values():
            addresses = flat.setdefault(f"email_addresses.{email.kind}", [])
            addresses.append(email.value)
        return flat


@dataclass(frozen=True, slots=True)
class PhonesAndEmails:
    """The phones and e-mails of a body, in the form in which a person keeps them."""

    phones: dict[str, str]
    emails: dict[str, EmailEntry]


def phones_and_emails(body: Mapping[str, Json]) -> PhonesAndEmails:
    """Return the phones and e-mails of a body without mistakes.

    Assumed: phones are the same by their digits, e-mails whatever their case.
    """
    phones = {}
    for entry in body.get("phone_numbers") or ():
        phones[digits(entry["value"])] = entry["type"]
    emails = {}
    for entry in body.get("email_addresses") or ():
        normal = entry["value"].strip().lower()
        emails[normal] = EmailEntry(entry["type"], entry["value"])
    return PhonesAndEmails(phones, emails)
