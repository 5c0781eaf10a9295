"""The people of charles, with the phones, e-mails and tags that they gather."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.kit.fields import with_prefix

PROPERTIES = "custom_properties"
SourceKey = tuple[str, str]
"""Source type and external reference id, by which an upsert knows a contact."""


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
    """Digits to type."""
    emails: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Lower-case form to type and value."""
    payloads: dict[SourceKey, Json] = field(default_factory=dict)
    """The last body of each source."""
    archived: bool = False

    def fields(self) -> dict[str, Json]:
        """Return all fields, flat and dotted; phones and e-mails are lists."""
        properties = with_prefix(self.properties, f"{PROPERTIES}.")
        flat: dict[str, Json] = {**self.names, **properties}
        for number, kind in self.phones.items():
            flat.setdefault(f"phone_numbers.{kind}", []).append(number)
        for kind, value in self.emails.values():
            flat.setdefault(f"email_addresses.{kind}", []).append(value)
        return flat


@dataclass(frozen=True, slots=True)
class PhonesAndEmails:
    """The phones and e-mails of a body, in the form in which a person keeps them."""

    phones: dict[str, str]
    emails: dict[str, tuple[str, str]]


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
        emails[normal] = (entry["type"], entry["value"])
    return PhonesAndEmails(phones, emails)
