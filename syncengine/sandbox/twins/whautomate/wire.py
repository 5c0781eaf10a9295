"""Requests and answers of Whautomate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.kit.answers import TwinRefusalError, iso_time
from syncengine.sandbox.twins.kit.fields import with_prefix
from syncengine.sandbox.twins.kit.requests import object_of, positive_number
from syncengine.sandbox.twins.twin import TwinRequest

STAGES = (
    "Subscriber",
    "Lead",
    "Marketing qualified lead (MQL)",
    "Sales qualified lead (SQL)",
    "Opportunity",
    "Customer",
    "Evangelist",
    "Other",
)
"""The stages of a contact (observed: the documentation names the first one alone)."""
CUSTOM = "customFields."
"""Prefix of a custom field's name where a contact shows it."""


@dataclass(slots=True)
class WhautomateContact:
    """One contact; times are seconds since 1970."""

    id: str
    at: float
    """Time of its creation."""
    name: str = ""
    phone: str = ""
    location: str | None = None
    stage: str = STAGES[0]
    notes: str = ""
    channel: str = "whatsapp"
    custom: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    """In the order in which they came; a dict keeps each tag once."""
    changed: float = 0.0
    """Time of the last change of a field; tag calls do not count."""

    def shown(self, locations: Mapping[str, str]) -> dict[str, Json]:
        """Return the contact as reads show it; ``locations`` are ids and titles."""
        location = None
        if self.location:
            title = locations.get(self.location, "")
            location = {"id": self.location, "title": title}
        return {
            "id": self.id,
            "name": self.name,
            "phoneNumber": self.phone,
            "location": location,
            "stage": self.stage,
            "notes": self.notes,
            "customFields": dict(self.custom),
            "tags": list(self.tags),
            "channel": self.channel,
            "lastActivity": None,
            "username": None,
            "createdAt": iso_time(self.at),
            "updatedAt": iso_time(self.changed),
        }

    def flat(self) -> dict[str, Json]:
        """Return all fields, dotted."""
        return {
            "name": self.name,
            "phoneNumber": self.phone,
            "stage": self.stage,
            "notes": self.notes,
            **with_prefix(self.custom, CUSTOM),
        }


def is_phone_part(sought: str) -> bool:
    """Return whether a text is a phone number, or a part of one."""
    other_characters = sought.strip("+0123456789 ().-")
    return bool(digits(sought)) and not other_characters


def number_of(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a positive number from the query. Raises TwinRefusalError."""
    text = query.get(name, str(default))
    number = positive_number(text)
    if number is None:
        raise TwinRefusalError(400, f"{name} must be a positive number")
    return number


def body_of(request: TwinRequest) -> dict[str, Json]:
    """Return the JSON object of the body."""
    return object_of(request, TwinRefusalError(400, "Invalid request body"))


def text_of(value: Json, name: str) -> str:
    """Return a value that must be a text; ``name`` is for the refusal if not.

    Raises TwinRefusalError.
    """
    if not isinstance(value, str):
        raise TwinRefusalError(400, f"{name} must be a string")
    return value


def tags_of(body: Mapping[str, Json]) -> list[str]:
    """Return the tags of a body, each once.

    Observed: the documentation shows no body for tag calls; clients send this one.
    """
    mistake = TwinRefusalError(400, "tags must be an array of strings")
    tags = body.get("tags")
    if not isinstance(tags, list):
        raise mistake
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip():
            raise mistake
    return list(dict.fromkeys(tags))


def tags_of_write(body: Mapping[str, Json]) -> list[str]:
    """Return the tags of a contact to be written; null is the same as none."""
    if body.get("tags") is None:
        return []
    return tags_of(body)


def location_of(body: Mapping[str, Json]) -> Json:
    """Return the id of the location that a body names, as an object or as a text."""
    location = body["location"]
    if isinstance(location, dict):
        return location.get("id")
    return location


def as_stored(value: Json, values: Literal["json", "text"]) -> Json:
    """Return a custom field's value as it is stored.

    ``values`` is the switch ``custom_values``: values keep their JSON type, or all but
    null become text.
    """
    if values == "json" or isinstance(value, str) or value is None:
        return value
    return orjson.dumps(value).decode()
