"""Requests of respond.io v2: identifiers, bodies and pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl

from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.answers import TwinRefusalError
from syncengine.sandbox.twins.kit.fields import is_number, is_text
from syncengine.sandbox.twins.kit.requests import json_of, object_of
from syncengine.sandbox.twins.respond_io_v2.store import (
    PLAIN,
    FieldValue,
    RespondIoV2Contact,
)
from syncengine.sandbox.twins.respond_io_v2.switches import CustomFieldKind
from syncengine.sandbox.twins.twin import TwinRequest

# Observed: the vendor's SDK checks all three.
_MAX_TAGS = 10
_MAX_PER_PAGE = 100
_LONGEST_TAG = 255  # characters
_FORMS = {
    "phone": r"\+[0-9]{4,18}",
    "email": r"[^@\s]+@[^@\s]+",
    "language": r"[A-Za-z]{2,3}([-_][A-Za-z]+)?",
    "countryCode": r"[A-Za-z]{2}",
    "url": r"https?://\S+",
    "date": r"\d{4}-\d{2}-\d{2}",
    "time": r"\d{2}:\d{2}",
}
"""Forms of plain fields and of types of custom fields. Those of date, time and phone
are documented; the others are assumed, and lenient."""


def invalid(mistake: str) -> TwinRefusalError:
    """Return the refusal of a request that breaks a rule."""
    return TwinRefusalError(400, f"Validation error. {mistake}")


class Identifier(NamedTuple):
    """The part of a path that names a contact."""

    kind: str
    """``id``, ``phone`` or ``email``."""
    value: str


def identifier_of(part: str) -> Identifier:
    """Return the identifier in a path, such as ``id:17`` or ``phone:+49171234567``.

    Raises TwinRefusalError for any other text.
    """
    kind, _, value = part.partition(":")
    forms = {"id": "[0-9]+", "phone": _FORMS["phone"], "email": _FORMS["email"]}
    if kind not in forms or not re.fullmatch(forms[kind], value):
        raise invalid("identifier")
    return Identifier(kind, value)


def body_of(request: TwinRequest) -> dict[str, Json]:
    """Return the JSON object of the body."""
    return object_of(request, invalid("body"))


def tags_of(request: TwinRequest, tags_as: str) -> Sequence[str]:
    """Return the one to ten different tags of a body.

    ``tags_as`` is the switch that says whether the body is a bare array or an object.
    """
    body = json_of(request, invalid("body"))
    if isinstance(body, dict) and tags_as != "array":
        tags = body.get("tags")
    elif tags_as == "object":
        raise invalid("tags")
    else:
        tags = body
    if not isinstance(tags, list) or not 1 <= len(tags) <= _MAX_TAGS:
        raise invalid("tags")
    if not all(is_text(tag) and len(tag) <= _LONGEST_TAG for tag in tags):
        raise invalid("tags")
    if len(set(tags)) < len(tags):
        raise invalid("tags")
    return tags


@dataclass(frozen=True, slots=True)
class Clearing:
    """Values that clear a field: null, the empty text, both or neither.

    Null that does not clear is ignored. The empty text that does not clear is a value
    like any other: a plain field refuses it, a custom field without a type takes it.
    """

    null: bool
    """True where null clears a field."""
    empty: bool
    """True where the empty text clears a field."""

    def is_none(self, value: Json) -> bool:
        """Return whether a value means "no value": it clears or does nothing."""
        return value is None or (value == "" and self.empty)

    def clears(self, value: Json) -> bool:
        """Return whether a value that means "no value" clears the field."""
        return self.null if value is None else self.empty


def plain_of(body: Mapping[str, Json], clearing: Clearing) -> Iterator[FieldValue]:
    """Yield the plain fields of a write with their values; None clears.

    A null that clears nothing is left out. Raises TwinRefusalError for an unknown
    field, and for a value that is not of the field's form.
    """
    unknown = body.keys() - {*PLAIN, "custom_fields", "contactIds"}
    if unknown:
        raise invalid(", ".join(sorted(unknown)))
    for name in PLAIN:
        if name not in body:
            continue
        value = body[name]
        # Observed: a first name cannot be cleared.
        if name != "firstName" and clearing.is_none(value):
            if clearing.clears(value):
                yield FieldValue(name, None)
        elif _fits(value, _FORMS.get(name)):
            yield FieldValue(name, value)
        else:
            raise invalid(name)


def _fits(value: Json, form: str | None) -> bool:
    """Return whether a value is a text of a form (None: of any)."""
    if not is_text(value):
        return False
    return form is None or re.fullmatch(form, value) is not None


def custom_of(
    body: Mapping[str, Json],
    defined: Mapping[str, CustomFieldKind] | None,
    clearing: Clearing,
) -> Iterator[FieldValue]:
    """Yield the custom fields of a write with their values; None clears.

    ``defined`` holds the types of those that exist; None: any may be named. Raises
    TwinRefusalError.
    """
    pairs = body.get("custom_fields")
    if pairs is not None and not isinstance(pairs, list):
        raise invalid("custom_fields")
    for pair in pairs or ():
        given = _field_value(pair)
        if defined is not None:
            _check_custom(given, defined, clearing)
        if not clearing.is_none(given.value):
            yield given
        elif clearing.clears(given.value):
            yield FieldValue(given.name, None)


def _check_custom(
    given: FieldValue, defined: Mapping[str, CustomFieldKind], clearing: Clearing
) -> None:
    """Refuse a custom field that does not exist, or a value of the wrong type."""
    if given.name not in defined:
        raise invalid(f"custom field {given.name} does not exist")
    kind = defined[given.name]
    if not clearing.is_none(given.value) and not is_of_kind(given.value, kind):
        raise invalid(f"custom field {given.name}")


def _field_value(pair: Json) -> FieldValue:
    """Return the name and value of an entry of ``custom_fields``."""
    match pair:
        case {
            "name": str(name),
            "value": None | str() | int() | float() as value,
            **others,
        } if not others:
            return FieldValue(name, value)
        case _:
            raise invalid("custom_fields")


def is_of_kind(value: Json, kind: CustomFieldKind) -> bool:
    """Return whether a value is of a custom field's type."""
    match kind:
        case "checkbox":
            return isinstance(value, bool)
        case "number":
            return is_number(value)
        case _:
            return _fits(value, _FORMS.get(kind))


def paging_of(request: TwinRequest) -> tuple[int, int]:
    """Return the number of rows on a page, and the id after which they begin.

    A list without ``limit`` has ten rows, as documented. Raises TwinRefusalError.
    """
    query = dict(parse_qsl(request.query))
    limit = query.get("limit", "10")
    after = query.get("cursorId", "0")
    if not limit.isdecimal() or not after.isdecimal():
        raise invalid("limit, cursorId")
    if not 1 <= int(limit) <= _MAX_PER_PAGE:
        raise invalid("limit, cursorId")
    return int(limit), int(after)


def page(
    items: Sequence[Json], following: str | None = None, path: str = "contact/list"
) -> Json:
    """Return one page of a list.

    Observed: the next page is named by its full address, at the vendor's own host.
    ``following`` is that address's query.
    """
    link = f"https://api.respond.io/v2/{path}{following}" if following else None
    return {"items": items, "pagination": {"next": link, "previous": None}}


def channels(contact: RespondIoV2Contact, most: int) -> list[Json]:
    """Return the channels of a contact.

    With a phone it is on WhatsApp, by as many numbers of ours as ``most``.
    """
    if not contact.plain.get("phone"):
        return []
    shown = []
    for number in range(1, most + 1):
        channel = {
            "id": number,
            "name": "WhatsApp",
            "source": "whatsapp_cloud",
            "created_at": int(contact.created),
        }
        shown.append(channel)
    return shown
