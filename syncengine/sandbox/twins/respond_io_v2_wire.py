"""Read the requests of respond.io v2's twin: paths, identifiers, bodies and filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.twins.respond_io_v2_people import PLAIN, Contact, text
from syncengine.sandbox.twins.twin import TwinRequest

Kind: TypeAlias = Literal["text", "number", "checkbox", "email", "url", "date", "time"]
"""The type of a custom field."""
_MAX_TAGS = 10
_MOST_PER_PAGE = 100
_LONGEST_TAG = 255
_FORMS = {
    "phone": r"\+[0-9]{4,18}",
    "email": r"[^@\s]+@[^@\s]+",
    "language": r"[A-Za-z]{2,3}([-_][A-Za-z]+)?",
    "countryCode": r"[A-Za-z]{2}",
    "url": r"https?://\S+",
    "date": r"\d{4}-\d{2}-\d{2}",
    "time": r"\d{2}:\d{2}",
}
VERBS = {
    "/contact/list": ("POST",),
    "/contact/merge": ("POST",),
    "/contact/create_or_update/{identifier}": ("POST",),
    "/contact/{identifier}": ("GET", "POST", "PUT", "DELETE"),
    "/contact/{identifier}/tag": ("POST", "DELETE"),
    "/contact/{identifier}/channels": ("GET",),
    "/contact/{identifier}/message/list": ("GET",),
    "/contact/{identifier}/lifecycle/update": ("POST",),
}
_ROUTES = {
    pattern: re.compile(pattern.replace("{identifier}", "([^/]+)")) for pattern in VERBS
}


class RefusedError(ValueError):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def invalid(what: str) -> RefusedError:
    return RefusedError(400, f"Validation error. {what}")


def routed(request: TwinRequest) -> tuple[str, str] | None:
    """The path's pattern, and the identifier in it (else empty); None for an unknown path."""
    path = request.path.removeprefix("/v2")
    for pattern, expression in _ROUTES.items():
        if found := expression.fullmatch(path):
            return pattern, unquote(found[1]) if found.groups() else ""
    return None


def identified(identifier: str) -> tuple[Literal["id", "phone", "email"], str]:
    """Return the field that an identifier names a contact by, and its value."""
    kind, _, value = identifier.partition(":")
    if kind == "id" and re.fullmatch("[0-9]+", value):
        return "id", value
    if kind == "phone" and re.fullmatch(_FORMS["phone"], value):
        return "phone", value
    if kind == "email" and re.fullmatch(_FORMS["email"], value):
        return "email", value
    raise invalid("identifier")


def body_of(request: TwinRequest) -> Json:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise invalid("body") from None


def object_of(request: TwinRequest) -> Mapping[str, Json]:
    body = body_of(request)
    if not isinstance(body, dict):
        raise invalid("body")
    return body


def tags_of(request: TwinRequest, tags_as: str) -> Sequence[str]:
    """Return the one to ten different tags of a body, a bare array or an object."""
    tags = body_of(request)
    if isinstance(tags, dict) and tags_as != "array":
        tags = tags.get("tags")
    elif tags_as == "object":
        raise invalid("tags")
    if not isinstance(tags, list) or not 1 <= len(tags) <= _MAX_TAGS:
        raise invalid("tags")
    if not all(
        isinstance(tag, str) and 0 < len(tag) <= _LONGEST_TAG for tag in tags
    ) or len(set(tags)) < len(tags):
        raise invalid("tags")
    return tags


class Clearing(NamedTuple):
    """Values that clear a field: null, the empty text, both or neither."""

    null: bool
    empty: bool

    def is_none(self, value: Json) -> bool:
        """Return whether a value stands for none, which clears or does nothing."""
        return value is None or (value == "" and self.empty)

    def clears(self, value: Json) -> bool:
        return self.null if value is None else self.empty


def plain_of(
    body: Mapping[str, Json], clearing: Clearing
) -> Iterator[tuple[str, Json]]:
    """The plain fields of a write; None clears."""
    if unknown := body.keys() - {*PLAIN, "custom_fields", "contactIds"}:
        raise invalid(", ".join(sorted(unknown)))
    for name in PLAIN:
        value = body.get(name)
        if name != "firstName" and clearing.is_none(value):
            if name in body and clearing.clears(value):
                yield name, None
        elif name in body:
            if not _fits(value, _FORMS.get(name)):
                raise invalid(name)
            yield name, value


def _fits(value: Json, form: str | None) -> bool:
    return (
        isinstance(value, str)
        and value != ""
        and (form is None or re.fullmatch(form, value) is not None)
    )


def custom_of(
    body: Mapping[str, Json], defined: Mapping[str, Kind] | None, clearing: Clearing
) -> Iterator[tuple[str, Json]]:
    """The custom fields of a write; None clears."""
    pairs = body.get("custom_fields")
    if pairs is not None and not isinstance(pairs, list):
        raise invalid("custom_fields")
    for pair in pairs or ():
        match pair:
            case {
                "name": str(name),
                "value": None | str() | int() | float() as value,
                **others,
            } if not others:
                pass
            case _:
                raise invalid("custom_fields")
        if defined is not None and name not in defined:
            raise invalid(f"custom field {name} does not exist")
        if clearing.is_none(value):
            if clearing.clears(value):
                yield name, None
        elif defined is None or of_kind(value, defined[name]):
            yield name, value
        else:
            raise invalid(f"custom field {name}")


def of_kind(value: Json, kind: Kind) -> bool:
    match kind:
        case "checkbox":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return _fits(value, _FORMS.get(kind))


def wanted_of(
    body: Mapping[str, Json], checkboxes: frozenset[str], *, any_case: bool
) -> Callable[[Json], bool]:
    """Return whether a contact, as it is shown, passes a list's search and filter."""
    search, where = body.get("search"), body.get("filter")
    if (
        not isinstance(search, str)
        or not body.get("timezone")
        or not isinstance(where, dict)
    ):
        raise invalid("search, timezone and filter are required")
    if len(where) > 1 or not where.keys() <= {"$and", "$or"}:
        raise invalid("filter")
    every = "$or" not in where
    conditions = [
        _condition(each, checkboxes, any_case)
        for each in where.get("$and" if every else "$or", [])
    ]

    def is_wanted(shown: Json) -> bool:
        told = " ".join(
            str(shown[name] or "")
            for name in ("firstName", "lastName", "phone", "email")
        )
        hits = (condition(shown) for condition in conditions)
        return search.lower() in told.lower() and (
            not conditions or (all(hits) if every else any(hits))
        )

    return is_wanted


def values_of(body: Mapping[str, Json]) -> list[tuple[str, Json]] | None:
    """The values one of which a contact has to hold to pass a (valid) filter; None where it asks for more than that."""
    conditions = body["filter"].get("$or")
    if not conditions or any(
        (each["category"], each["operator"]) != ("contactField", "isEqualTo")
        for each in conditions
    ):
        return None
    return [(each["field"], each.get("value")) for each in conditions]


def is_plain_phone(value: str) -> bool:
    """Return whether a phone is digits with its country code, behind a + or none."""
    return re.fullmatch(r"\+?[1-9][0-9]{3,17}", value) is not None


def _condition(
    given: Json,
    checkboxes: frozenset[str],
    any_case: bool,  # noqa: FBT001
) -> Callable[[Json], bool]:
    match given:
        case {
            "category": "contactField",
            "field": str(name),
            "operator": str(operator),
        }:
            value = given.get("value")
            if (
                name in checkboxes
                and operator == "isEqualTo"
                and not isinstance(value, bool)
            ):
                raise invalid("a checkbox is compared with a boolean")
            return _compared(
                operator, lambda shown: _value(shown, name), value, any_case
            )
        case {"category": "lifecycle", "operator": str(operator)}:
            return _compared(
                operator, lambda shown: shown["lifecycle"], given.get("value"), any_case
            )
        case {"category": "contactTag", "operator": str(operator), "value": list(tags)}:
            return _tagged(operator, frozenset(tags))
        case _:
            raise invalid("filter")


def _value(shown: Json, name: str) -> Json:
    if name in PLAIN:
        return shown[name]
    return next(
        (
            pair["value"]
            for pair in shown["custom_fields"] or ()
            if pair["name"] == name
        ),
        None,
    )


def _compared(
    operator: str,
    held: Callable[[Json], Json],
    value: Json,
    any_case: bool,  # noqa: FBT001
) -> Callable[[Json], bool]:
    def form(each: Json) -> str:
        plain = str(text(each) or "")
        return plain.casefold() if any_case else plain

    match operator:
        case "isEqualTo":
            return lambda shown: form(held(shown)) == form(value)
        case "isNotEqualTo":
            return lambda shown: form(held(shown)) != form(value)
        case "exists":
            return lambda shown: held(shown) not in (None, "")
        case "doesNotExist":
            return lambda shown: held(shown) in (None, "")
        case _:
            raise invalid(f"operator {operator}")


def _tagged(operator: str, tags: frozenset[str]) -> Callable[[Json], bool]:
    match operator:
        case "hasAnyOf":
            return lambda shown: not tags.isdisjoint(shown["tags"])
        case "hasAllOf":
            return lambda shown: tags <= set(shown["tags"])
        case "hasNoneOf":
            return lambda shown: tags.isdisjoint(shown["tags"])
        case _:
            raise invalid(f"operator {operator}")


def paging_of(request: TwinRequest) -> tuple[int, int]:
    """Return the number of rows asked for, and the id after which they begin."""
    asked = {name: values[-1] for name, values in parse_qs(request.query).items()}
    limit, after = asked.get("limit", "10"), asked.get("cursorId", "0")
    if not (
        limit.isdecimal() and 1 <= int(limit) <= _MOST_PER_PAGE and after.isdecimal()
    ):
        raise invalid("limit, cursorId")
    return int(limit), int(after)


def listed(
    items: Sequence[Json], following: str | None = None, path: str = "contact/list"
) -> Json:
    """Return one page of a list; the next one is named by its full address."""
    link = f"https://api.respond.io/v2/{path}{following}" if following else None
    return {"items": items, "pagination": {"next": link, "previous": None}}


def channels(contact: Contact, most: int) -> list[Json]:
    """Return the channels of a contact.

    With a phone it is on WhatsApp, by as many numbers of ours as ``most``.
    """
    if not contact.plain.get("phone"):
        return []
    made = int(contact.created)
    return [
        {"id": each, "name": "WhatsApp", "source": "whatsapp_cloud", "created_at": made}
        for each in range(1, most + 1)
    ]
