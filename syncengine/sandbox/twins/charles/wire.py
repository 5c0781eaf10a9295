"""The bodies of charles: mistakes in requests, and the form of its answers.

Most of the file is the answer to an upsert (``echo``), which shows far more than a
request can write. It is played in full because adapters compare it with what they sent:
they must find their values among all the rest. Under a person it has *channel users*:
one for each source that wrote about the person, and one for each phone, at WhatsApp.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.charles.people import PROPERTIES, CharlesPerson
from syncengine.sandbox.twins.kit.fields import is_text

NAMES = ("first_name", "middle_name", "last_name", "external_channel_reference_id")
"""The texts that every person may have."""
_LISTS = ("phone_numbers", "email_addresses")
"""The lists of ``{"type": ..., "value": ...}``."""
_NULL_IN_CHANNEL_USER = (
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
_NULL_BEFORE_TIMES = ("name", "avatar", "email", "date_of_birth", "gender")
_NULL_AFTER_TIMES = (
    "comment",
    "measurements",
    "annotations",
    "name_preference",
    "language_preference",
)


def mistakes(body: Mapping[str, Json]) -> list[str]:
    """Return the mistakes of a body.

    The rules are documented; the words of the refusals are assumed.
    """
    return list(_mistakes(body))


def _mistakes(body: Mapping[str, Json]) -> Iterator[str]:
    for name in ("external_reference_id", "source_type"):
        if not is_text(body.get(name)):
            yield f"{name} is required"
    for name in NAMES:
        if not isinstance(body.get(name), str | None):
            yield f"{name} must be a string"
    if not isinstance(body.get(PROPERTIES), dict | None):
        yield f"{PROPERTIES} must be an object"
    if not _is_list_of_texts(body.get("tags")):
        yield "tags must be an array of strings"
    for name in _LISTS:
        yield from _mistakes_of_list(name, body.get(name))


def _is_list_of_texts(tags: Json) -> bool:
    """Return whether these are tags as a body may have them, or null."""
    if not isinstance(tags, list | None):
        return False
    return all(is_text(tag) for tag in tags or ())


def _mistakes_of_list(name: str, entries: Json) -> Iterator[str]:
    """Yield the mistakes of the phones or e-mails of a body, or of null."""
    if entries is None:
        return
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        yield f"{name} must be an array of type and value"
        return
    if name == "phone_numbers":
        values = [entry["value"] for entry in entries]
        if not all(map(digits, values)):
            yield f"{name} must hold phone numbers"


def _is_entry(entry: Json) -> bool:
    """Return whether this is one phone or e-mail with its type."""
    if not isinstance(entry, dict):
        return False
    return is_text(entry.get("type")) and is_text(entry.get("value"))


def payload(fields: Mapping[str, Json], tags: Iterable[str] = ()) -> dict[str, Json]:
    """Return the body that brings fields as ``CharlesPerson.fields`` shows them.

    For seeds and for edits at the screen. The body has no source: the caller adds it.
    Raises ValueError for a field that the vendor does not have.
    """
    body: dict[str, Json] = {"tags": list(tags)}
    for name, value in fields.items():
        head, _, tail = name.partition(".")
        if head == PROPERTIES and tail:
            body.setdefault(head, {})[tail] = value
        elif head in _LISTS and tail:
            values = value if isinstance(value, list) else [value]
            entries = [{"type": tail, "value": each} for each in values]
            body.setdefault(head, []).extend(entries)
        elif name in NAMES:
            body[name] = value
        else:
            raise ValueError(f'{name}: charles has no field "{name}"')
    return body


def envelope(
    status: int,
    message: str,
    data: Json = None,
    errors: Iterable[Json] = (),
    *,
    request_id: str,
    host: str = "localhost",
) -> Json:
    """Return the body that is around every answer, success or error.

    ``errors`` are such as ``error_entry`` makes, ``host`` is the one that was asked.
    """
    return {
        "status": status,
        "msg": message,
        "messages": [],
        "localized_messages": [],
        "errors": list(errors),
        "request": {"host": host, "id": request_id},
        "data": data,
    }


def error_entry(status: int, text: str) -> Json:
    """Return an entry of ``errors``.

    Its keys are observed in the vendor's browser SDK, their values are assumed.
    """
    is_about_the_body = status in (200, 400, 422)
    return {
        "code": 1000 + status,
        "class": "ValidationError" if is_about_the_body else "RequestError",
        "message_key": f"errors.{status}",
        "message": text,
        "description_key": "",
        "description": "",
    }


def echo(person: CharlesPerson, *, active: bool, shows_properties: bool) -> Json:
    """Return a person as the answer to an upsert shows it.

    The form is that of the documented answer. Its traps for a reader: lists have other
    names than in requests (``phonenumbers``, ``emails``), phones lack their ``+``,
    and times have a zone at the top and none in the parts.
    """
    names = person.names
    return {
        "id": person.id,
        "kind": "Contact",
        "first_name": names.get("first_name"),
        "nickname": None,
        "middle_name": names.get("middle_name"),
        "last_name": names.get("last_name"),
        **dict.fromkeys(_NULL_BEFORE_TIMES),
        **_times(person.created, person.updated, zone="Z"),
        **dict.fromkeys(_NULL_AFTER_TIMES),
        "deleted": False,
        "active": active,
        PROPERTIES: dict(person.properties) if shows_properties else {},
        "tags": list(person.tags),
        "parents": [],
        "default_address": None,
        "assumed_language": None,
        "addresses": [],
        "phonenumbers": list(_phones(person)),
        "channel_users": [*_source_users(person), *_whatsapp_users(person)],
        "emails": list(_emails(person)),
        "direct_feed": _part_id(person, "feed"),
    }


def _phones(person: CharlesPerson) -> Iterator[dict[str, Json]]:
    """Yield the phones of a person, each with its channel user at WhatsApp."""
    for number, kind in person.phones.items():
        yield {
            **_part(person),
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


def _emails(person: CharlesPerson) -> Iterator[dict[str, Json]]:
    """Yield the e-mail addresses of a person."""
    # Documented: e-mails belong to the channel user of the source, phones to the one
    # of WhatsApp.
    source_users = [user["id"] for user in _source_users(person)]
    first_source_user = source_users[0] if source_users else None
    for normal, email in person.emails.items():
        yield {
            **_part(person),
            "id": _part_id(person, f"email-{normal}"),
            "person": person.id,
            "type": email.kind,
            "value": email.value,
            "channel_user": first_source_user,
            "proxy_vendor": "",
        }


def _part(person: CharlesPerson) -> dict[str, Json]:
    """Return what all phones and e-mails of a person show."""
    times = _times(person.created, person.touched)
    return {"comment": None, "deleted": False, "active": True, **times}


def _source_users(person: CharlesPerson) -> Iterator[dict[str, Json]]:
    """Yield the channel user of each source, with the last body that it sent."""
    for key, body in person.payloads.items():
        given = {name: body.get(name) for name in NAMES}
        source = key.source_type
        part = f"source-{source}-{key.reference_id}"
        user = _channel_user(person, part, source, source, reference=key.reference_id)
        yield {**user, **given, "payload": body}


def _whatsapp_users(person: CharlesPerson) -> Iterator[dict[str, Json]]:
    """Yield the channel user of each phone."""
    broker = "charles_messaging_whatsapp"
    for number in person.phones:
        yield _channel_user(
            person, f"whatsapp-{number}", "whatsapp", broker, reference=number
        )


def _channel_user(
    person: CharlesPerson, part: str, source: str, broker: str, reference: str
) -> dict[str, Json]:
    """Return a channel user; ``part`` tells it from the person's others.

    ``reference`` is what the person is known by there: a key of the source, or a phone.
    """
    times = _times(person.created, person.touched)
    return {
        "id": _part_id(person, part),
        "person": person.id,
        **times,
        "last_source_fetch_at": times["created_at"],
        "broker": broker,
        "external_person_reference_id": reference,
        "source_type": source,
        "source_api": broker,
        **dict.fromkeys(_NULL_IN_CHANNEL_USER),
        "active": True,
        "deleted": False,
        "verified": False,
        PROPERTIES: {},
    }


def _times(created: datetime, updated: datetime, zone: str = "") -> dict[str, Json]:
    """Return two times as fields; ``zone`` is written behind each."""
    return {
        "created_at": _iso_without_zone(created) + zone,
        "updated_at": _iso_without_zone(updated) + zone,
    }


def _iso_without_zone(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _part_id(person: CharlesPerson, part: str) -> str:
    """Return the id of a part of a person: the same at each call."""
    return str(uuid5(NAMESPACE_URL, f"{person.id}-{part}"))
