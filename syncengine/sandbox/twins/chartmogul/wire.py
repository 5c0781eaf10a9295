"""Requests and answers of ChartMogul."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from syncengine.model.http import Json
from syncengine.sandbox.twins.chartmogul.switches import AttributeKind
from syncengine.sandbox.twins.kit.answers import TwinRefusalError
from syncengine.sandbox.twins.kit.fields import is_number, is_whole_number
from syncengine.sandbox.twins.kit.requests import object_of
from syncengine.sandbox.twins.twin import TwinRequest

PLAIN = (
    "external_id",
    "first_name",
    "last_name",
    "title",
    "email",
    "phone",
    "linked_in",
    "twitter",
    "notes",
    "last_seen",
)
"""The texts that every contact has and that can be written."""
CUSTOM = "custom."
"""Prefix of a custom attribute's name where a contact shows it."""
_LONGEST_TEXT = 255
"""Characters that the text of a custom attribute may have."""
_NANOSECONDS = 10**9


@dataclass(slots=True)
class ChartMogulContact:
    """A person at a customer."""

    uuid: str
    at: int
    """Time of its creation, in nanoseconds since 1970; each contact has another."""
    customer_uuid: str | None
    data_source_uuid: str
    fields: dict[str, Json] = field(default_factory=dict)
    """The fields of ``PLAIN`` that were ever written."""
    position: int | None = 1
    """Rank among the contacts of the customer."""
    custom: dict[str, Json] = field(default_factory=dict)

    @property
    def cursor(self) -> str:
        """Return the place of this contact in a list.

        Observed: Base64 of the time of the create, with nine decimals, and the id.
        """
        seconds, fraction = divmod(self.at, _NANOSECONDS)
        second = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        place = f"{second}.{fraction:09}Z&{self.uuid}"
        return b64encode(place.encode()).decode()

    def shown(self, customer_external_id: str | None) -> dict[str, Json]:
        """Return the contact as reads show it.

        Documented in prose and observed: ``custom`` is an object here, although a write
        takes a list of pairs (and although the documented example shows a list).
        """
        return {
            "uuid": self.uuid,
            "customer_uuid": self.customer_uuid,
            "customer_external_id": customer_external_id,
            "data_source_uuid": self.data_source_uuid,
            "position": self.position,
            **{name: self.fields.get(name) for name in PLAIN},
            "custom": dict(self.custom),
        }


@dataclass(frozen=True, slots=True)
class ChartMogulCustomer:
    """A company: contacts belong to it, and it belongs to a data source."""

    uuid: str
    external_id: str
    """The id that the data source knows it by."""
    data_source_uuid: str
    name: str = "A customer"

    def shown(self) -> dict[str, Json]:
        """Return the customer as reads show it."""
        return {
            "uuid": self.uuid,
            "external_id": self.external_id,
            "data_source_uuid": self.data_source_uuid,
            "name": self.name,
        }


class Attribute(NamedTuple):
    """A custom attribute in a write."""

    name: str
    value: Json


# Observed: errors have several shapes. The three functions below make the three that
# contacts can meet.


def error_body(status: int, message: str, param: str | None = None) -> Json:
    """Return the body of most errors; ``param`` is the field that is wrong."""
    return {"code": status, "message": message, "param": param}


def mistake(status: int, message: str, param: str | None = None) -> TwinRefusalError:
    """Return a refusal in the shape of most: ``error_body`` is its whole body."""
    return TwinRefusalError(status, error_body(status, message, param))


def mistakes_in(names: Iterable[str], mistake: str) -> TwinRefusalError:
    """Return the refusal of a write, which says of each field what is wrong."""
    return TwinRefusalError(422, {"errors": dict.fromkeys(names, mistake)})


def body_of(request: TwinRequest) -> Mapping[str, Json]:
    """Return the JSON object of the body. Raises TwinRefusalError."""
    return object_of(
        request, mistake(400, "Invalid JSON."), mistake(400, "An object is expected.")
    )


def uuid_of_cursor(cursor: str) -> str:
    """Return the id of the contact after which a cursor goes on.

    Raises TwinRefusalError for what no ``ChartMogulContact.cursor`` can be.
    """
    try:
        place = b64decode(cursor, validate=True).decode()
    except (NotBase64, ValueError):
        raise mistake(400, "Invalid cursor.", "cursor") from None
    return place.partition("&")[2]


def attributes_of(custom: Json) -> Iterator[Attribute]:
    """Yield the custom attributes of a write, from what it has under ``custom``.

    Documented is a list of pairs; an object is taken too, as some clients have it.
    Raises TwinRefusalError for anything else, and for a text that is too long.
    """
    pairs = custom
    if isinstance(custom, dict):
        pairs = [{"key": name, "value": value} for name, value in custom.items()]
    if not isinstance(pairs, list):
        raise mistake(400, "custom must be a list.", "custom")
    for pair in pairs:
        attribute = _attribute_of(pair)
        value = attribute.value
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise mistakes_in(("custom",), f"{attribute.name} is too long")
        yield attribute


def _attribute_of(pair: Json) -> Attribute:
    """Return the custom attribute of one pair. Raises TwinRefusalError."""
    match pair:
        case {"key": str(name), "value": value}:
            return Attribute(name, value)
        case _:
            raise mistake(400, "custom must hold pairs of key and value.", "custom")


def is_of_kind(value: Json, kind: AttributeKind) -> bool:
    """Return whether a value is of an attribute's type."""
    match kind:
        case "Boolean":
            return isinstance(value, bool)
        case "Integer":
            return is_whole_number(value)
        case "Decimal":
            return is_number(value)
        case _:
            return isinstance(value, str)


def last_seen_of(value: str) -> str:
    """Return a time in the vendor's own form. Raises TwinRefusalError."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise mistake(400, "last_seen must be a date-time.", "last_seen") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
