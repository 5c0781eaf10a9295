"""A person at charles: the form of its requests, and of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json

NAMES = ("first_name", "middle_name", "last_name", "external_channel_reference_id")
_LISTS = ("phone_numbers", "email_addresses")
_PROPERTIES = "custom_properties"
_NOT_SAID = (
    "last_external_person_reference_id",
    "external_person_custom_id",
    "external_channel_reference_id",
    "payload_name",
    "first_name",
    "middle_name",
    "last_name",
    "email",
    "phone",
    "name",
    "payload",
    "external_organization_reference_ids",
    "organizations",
    "comment",
    "links",
    "last_verified_at",
    "last_cached_at",
    "channel_profile",
)
"""Fields that a channel user shows as null unless its source gives a value."""


@dataclass(slots=True)
class Person:
    """Phones are known by their digits, e-mails by their lower-case form; both only grow."""

    id: str
    key: str
    created: datetime
    updated: datetime
    """Time of the last change of a name: no other write shows here."""
    touched: datetime
    """Time of the last write of any kind."""
    names: dict[str, Json] = field(default_factory=dict)
    properties: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    phones: dict[str, str] = field(default_factory=dict)
    """Digits to type."""
    emails: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Lower-case form to type and value."""
    payloads: dict[tuple[str, str], Json] = field(default_factory=dict)
    """The last body of each (source type, external reference id)."""
    archived: bool = False

    def fields(self) -> dict[str, Json]:
        """Flat and dotted; phones and e-mails are lists, oldest first."""
        flat = {
            **self.names,
            **{
                f"{_PROPERTIES}.{name}": value
                for name, value in self.properties.items()
            },
        }
        for number, kind in self.phones.items():
            flat.setdefault(f"phone_numbers.{kind}", []).append(number)
        for kind, value in self.emails.values():
            flat.setdefault(f"email_addresses.{kind}", []).append(value)
        return flat


@dataclass(frozen=True, slots=True)
class Lists:
    """The phones and e-mails of a body, in the form in which ``Person`` keeps them."""

    phones: dict[str, str]
    emails: dict[str, tuple[str, str]]


def digits(phone: str) -> str:
    return "".join(each for each in phone if each.isdecimal())


def changes(body: Mapping[str, Json]) -> Lists:
    phones = {
        digits(each["value"]): each["type"] for each in body.get("phone_numbers") or ()
    }
    emails = {
        each["value"].strip().lower(): (each["type"], each["value"])
        for each in body.get("email_addresses") or ()
    }
    return Lists(phones, emails)


def mistakes(body: Mapping[str, Json]) -> list[str]:
    """Return the mistakes of a body, in the vendor's words."""
    return list(_mistakes(body))


def _mistakes(body: Mapping[str, Json]) -> Iterator[str]:
    for name in ("external_reference_id", "source_type"):
        if not isinstance(body.get(name), str) or not body[name]:
            yield f"{name} is required"
    for name in NAMES:
        if not isinstance(body.get(name), str | None):
            yield f"{name} must be a string"
    if not isinstance(body.get(_PROPERTIES), dict | None):
        yield f"{_PROPERTIES} must be an object"
    tags = body.get("tags")
    if not isinstance(tags, list | None) or not all(
        isinstance(tag, str) and tag for tag in tags or ()
    ):
        yield "tags must be an array of strings"
    for name in _LISTS:
        entries = body.get(name)
        if not isinstance(entries, list | None) or not all(
            _is_entry(entry) for entry in entries or ()
        ):
            yield f"{name} must be an array of type and value"
        elif name == "phone_numbers" and not all(
            digits(entry["value"]) for entry in entries or ()
        ):
            yield f"{name} must hold phone numbers"


def _is_entry(entry: Json) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), str) and entry[name] for name in ("type", "value")
    )


def payload(fields: Mapping[str, Json], tags: Iterable[str]) -> dict[str, Json]:
    """The body that brings flat fields as ``Person.fields`` shows them."""
    body: dict[str, Json] = {"tags": list(tags)}
    for name, value in fields.items():
        head, _, tail = name.partition(".")
        if head == _PROPERTIES and tail:
            body.setdefault(head, {})[tail] = value
        elif head in _LISTS and tail:
            values = value if isinstance(value, list) else [value]
            body.setdefault(head, []).extend(
                {"type": tail, "value": each} for each in values
            )
        elif name in NAMES:
            body[name] = value
        else:
            raise ValueError(f'{name}: charles has no field "{name}"')
    return body


def shown(person: Person, *, counts: bool = True, properties: bool = True) -> Json:
    """Return the echo of an upsert.

    ``counts=False`` shows the person as inactive, ``properties=False`` shows no
    properties. Times of the person have a zone, those of its parts have none.
    """
    first, middle, last = (person.names.get(name) for name in NAMES[:3])
    part = {
        "comment": None,
        "deleted": False,
        "active": True,
        **_times(person.created, person.touched, ""),
    }
    return {
        "id": person.id,
        "kind": "Contact",
        "first_name": first,
        "nickname": None,
        "middle_name": middle,
        "last_name": last,
        **dict.fromkeys(("name", "avatar", "email", "date_of_birth", "gender")),
        **_times(person.created, person.updated, "Z"),
        **dict.fromkeys(
            (
                "comment",
                "measurements",
                "annotations",
                "name_preference",
                "language_preference",
            )
        ),
        "deleted": False,
        "active": counts,
        "custom_properties": dict(person.properties) if properties else {},
        "tags": list(person.tags),
        "parents": [],
        "default_address": None,
        "assumed_language": None,
        "addresses": [],
        "phonenumbers": [
            {
                **part,
                "id": _part_id(person, f"phone-{number}"),
                "person": person.id,
                "type": kind,
                "value": number,
                "channel_user": _part_id(person, f"whatsapp-{number}"),
                "is_proxy": False,
                "proxy_vendor": "",
                "is_portable": None,
                "portability": None,
            }
            for number, kind in person.phones.items()
        ],
        "channel_users": [*_sources(person), *_whatsapp(person)],
        "emails": [
            {
                **part,
                "id": _part_id(person, f"email-{normal}"),
                "person": person.id,
                "type": kind,
                "value": value,
                "channel_user": next((user["id"] for user in _sources(person)), None),
                "proxy_vendor": "",
            }
            for normal, (kind, value) in person.emails.items()
        ],
        "direct_feed": _part_id(person, "feed"),
    }


def _sources(person: Person) -> Iterator[dict[str, Json]]:
    for (source, key), body in person.payloads.items():
        yield {
            **_user(person, f"source-{source}-{key}", source, source, key),
            "first_name": body.get("first_name"),
            "middle_name": body.get("middle_name"),
            "last_name": body.get("last_name"),
            "external_channel_reference_id": body.get("external_channel_reference_id"),
            "payload": body,
        }


def _whatsapp(person: Person) -> Iterator[dict[str, Json]]:
    for number in person.phones:
        yield _user(
            person,
            f"whatsapp-{number}",
            "whatsapp",
            "charles_messaging_whatsapp",
            number,
        )


def _user(
    person: Person, part: str, source: str, broker: str, reference: str
) -> dict[str, Json]:
    times = _times(person.created, person.touched, "")
    return {
        "id": _part_id(person, part),
        "person": person.id,
        **times,
        "last_source_fetch_at": times["created_at"],
        "broker": broker,
        "external_person_reference_id": reference,
        "source_type": source,
        "source_api": broker,
        **dict.fromkeys(_NOT_SAID),
        "active": True,
        "deleted": False,
        "verified": False,
        "custom_properties": {},
    }


def _times(created: datetime, updated: datetime, zone: str) -> dict[str, Json]:
    return {
        f"{name}_at": at.replace(tzinfo=None).isoformat(timespec="milliseconds") + zone
        for name, at in (("created", created), ("updated", updated))
    }


def _part_id(person: Person, part: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{person.id}-{part}"))
