"""Read the requests of Whautomate's twin, and write its answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl, unquote

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.twins.twin import SWITCHES, TwinRequest

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
CUSTOM = "customFields."
LOCATION = "5f00aa11bb22cc33dd44ee55"
_ROUTES = {
    "/v1/contacts": ("GET", "POST"),
    "/v1/contacts/{id}": ("GET", "PUT", "DELETE"),
    "/v1/contacts/{id}/tags/add": ("POST",),
    "/v1/contacts/{id}/tags/remove": ("POST",),
    "/v1/contactTags": ("GET", "POST"),
    "/v1/contactTags/{id}": ("GET", "DELETE"),
    "/v1/locations": ("GET",),
    "/v1/account-info": ("GET",),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches for what the documentation leaves open."""

    __pydantic_config__ = SWITCHES

    api_keys: tuple[str, ...] = ("sandbox-key",)
    """All of one account."""
    locations: dict[str, str] = field(default_factory=lambda: {LOCATION: "Berlin"})
    """Ids and titles."""
    location_required: bool = True
    location_as: Literal["locationId", "workspaceId"] = "locationId"
    """Name of the location in searches; a workspace stands at the top of a contact
    too."""
    duplicate_mode: Literal["allow", "409", "return_existing"] = "allow"
    """A create with a phone that is there in the same location."""
    put_mode: Literal["replace", "merge"] = "replace"
    custom_mode: Literal["replace", "merge"] = "replace"
    """Effect of an update on the custom fields that it does not name."""
    null_mode: Literal["clear", "ignore"] = "clear"
    custom_values: Literal["json", "text"] = "json"
    custom_fields: tuple[str, ...] | None = None
    """The custom fields that are defined, others are dropped; None: any."""
    store_plus: bool = True
    """True where a phone keeps its ``+``."""
    phone_changes: bool = True
    """True where an update may change the phone; else it silently stays."""
    known_tags: tuple[str, ...] = ()
    """Tags that are defined from the start."""
    unknown_tag: Literal["create", "400"] = "create"
    tags_told: Literal["all", "changed"] = "all"
    """The tags in the answer of a tag call."""
    delete_again: Literal["404", "200"] = "404"
    searches: tuple[str, ...] = ("name", "phoneNumber", "notes")
    """Patterns of the fields that the text search looks through."""
    default_limit: int = 20
    most_per_page: int = 100
    send_retry_after: bool = False


class RefusedError(ValueError):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Contact:
    """One contact; times are seconds since 1970."""

    id: str
    at: float
    name: str = ""
    phone: str = ""
    location: str | None = None
    stage: str = STAGES[0]
    notes: str = ""
    channel: str = "whatsapp"
    custom: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    changed: float = 0.0

    def shown(self, locations: Mapping[str, str]) -> dict[str, Json]:
        return {
            "id": self.id,
            "name": self.name,
            "phoneNumber": self.phone,
            "location": {"id": self.location, "title": locations.get(self.location, "")}
            if self.location
            else None,
            "stage": self.stage,
            "notes": self.notes,
            "customFields": dict(self.custom),
            "tags": list(self.tags),
            "channel": self.channel,
            "lastActivity": None,
            "username": None,
            "createdAt": moment(self.at),
            "updatedAt": moment(self.changed),
        }

    def flat(self) -> dict[str, Json]:
        plain = {
            "name": self.name,
            "phoneNumber": self.phone,
            "stage": self.stage,
            "notes": self.notes,
        }
        return {
            **plain,
            **{f"{CUSTOM}{name}": value for name, value in self.custom.items()},
        }


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag that is defined."""

    id: str
    name: str
    at: float

    def shown(self) -> dict[str, Json]:
        at = moment(self.at)
        return {
            "id": self.id,
            "name": self.name,
            "canonical": self.name.casefold(),
            "createdAt": at,
            "updatedAt": at,
        }


class Tags:
    """The tags that are defined, by their ids."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._tags: dict[str, Tag] = {}

    def listed(self) -> list[dict[str, Json]]:
        return [tag.shown() for tag in self._tags.values()]

    def define(self, name: str, now: float) -> Tag:
        """The tag of this name, made where there is none."""
        if not name.strip():
            raise RefusedError(400, "name is required")
        found = next((tag for tag in self._tags.values() if tag.name == name), None)
        if found is None:
            found = Tag(new_id(self._numbers, now), name, now)
            self._tags[found.id] = found
        return found

    def undefine(self, name: str) -> None:
        self._tags = {key: tag for key, tag in self._tags.items() if tag.name != name}

    def check(self, names: Iterable[str]) -> None:
        if set(names) - {tag.name for tag in self._tags.values()}:
            raise RefusedError(400, "Unknown tag")

    def tag(self, tag_id: str) -> Tag:
        if tag_id not in self._tags:
            raise RefusedError(404, "Tag not found")
        return self._tags[tag_id]

    def remove(self, tag_id: str) -> Tag:
        tag = self.tag(tag_id)
        del self._tags[tag_id]
        return tag


@dataclass(frozen=True, slots=True)
class Fired:
    """An automation that went off: what for, and whom it messaged."""

    what: str
    """``contact`` for a new one, else the tag."""
    contact: str


def new_id(numbers: Iterator[int], now: float) -> str:
    """24 hexadecimal digits, as MongoDB gives them."""
    return f"{int(now):08x}{next(numbers):016x}"


def moment(at: float) -> str:
    return (
        datetime.fromtimestamp(at, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def digits(value: str) -> str:
    return "".join(filter(str.isdecimal, value))


def is_number(sought: str) -> bool:
    """Return whether a text is a phone number, or a part of one."""
    return bool(digits(sought)) and not sought.strip("+0123456789 ().-")


def routed(request: TwinRequest) -> tuple[str, str] | None:
    """The path's pattern and the id in it; None where the gateway knows no such path or method."""
    for pattern, methods in _ROUTES.items():
        found = re.fullmatch(pattern.replace("{id}", "([^/]+)"), request.path)
        if found and request.method in methods:
            return pattern, unquote(found[1]) if found.groups() else ""
    return None


def asked(request: TwinRequest) -> dict[str, str]:
    return dict(
        parse_qsl(request.query, keep_blank_values=True)
    )  # a raw + becomes a space here


def number(query: Mapping[str, str], name: str, default: int) -> int:
    written = query.get(name, str(default))
    if not (written.isascii() and written.isdigit() and int(written) > 0):
        raise RefusedError(400, f"{name} must be a positive number")
    return int(written)


def body_of(request: TwinRequest) -> dict[str, Json]:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError(400, "Invalid request body")
    return body


def words(value: Json, name: str) -> str:
    if not isinstance(value, str):
        raise RefusedError(400, f"{name} must be a string")
    return value


def tags_of(body: Mapping[str, Json]) -> list[str]:
    tags = body.get("tags")
    if not isinstance(tags, list) or not all(
        isinstance(tag, str) and tag.strip() for tag in tags
    ):
        raise RefusedError(400, "tags must be an array of strings")
    return list(dict.fromkeys(tags))


def held(value: Json, values: Literal["json", "text"]) -> Json:
    """A custom field's value as it is kept."""
    if values == "json" or isinstance(value, str) or value is None:
        return value
    return orjson.dumps(value).decode()
