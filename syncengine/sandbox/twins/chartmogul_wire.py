"""Read the requests of ChartMogul's twin, and write its answers."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from urllib.parse import unquote

import orjson

from syncengine.model.http import Json
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
Kind: TypeAlias = Literal["String", "Integer", "Decimal", "Timestamp", "Boolean"]
_LONGEST = 255
_ROUTES = {
    r"/ping": "/ping",
    r"/contacts": "/contacts",
    r"/contacts/([^/]+)": "/contacts/{uuid}",
    r"/contacts/([^/]+)/merge/([^/]+)": "/contacts/{into}/merge/{from}",
    r"/customers": "/customers",
    r"/customers/([^/]+)/contacts": "/customers/{uuid}/contacts",
}


class RefusedError(ValueError):
    """The request is answered with an error."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def mistake(status: int, message: str, param: str | None = None) -> RefusedError:
    """An error in the shape of most."""
    return RefusedError(status, {"code": status, "message": message, "param": param})


@dataclass(slots=True)
class Contact:
    """One contact; ``at`` is when it was made, in nanoseconds since 1970."""

    uuid: str
    at: int
    customer_uuid: str | None
    data_source_uuid: str
    fields: dict[str, Json] = field(default_factory=dict)
    position: int | None = 1
    custom: dict[str, Json] = field(default_factory=dict)

    @property
    def cursor(self) -> str:
        moment = datetime.fromtimestamp(self.at // 10**9, UTC).strftime(
            "%Y-%m-%dT%H:%M:%S"
        )
        return b64encode(
            f"{moment}.{self.at % 10**9:09}Z&{self.uuid}".encode()
        ).decode()

    def shown(self, customer_external_id: str | None) -> dict[str, Json]:
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
class Customer:
    """A company: contacts belong to it, and it belongs to a data source."""

    uuid: str
    external_id: str
    data_source_uuid: str
    name: str = "A customer"

    def shown(self) -> dict[str, Json]:
        return {
            "uuid": self.uuid,
            "external_id": self.external_id,
            "data_source_uuid": self.data_source_uuid,
            "name": self.name,
        }


def routed(request: TwinRequest) -> tuple[str, tuple[str, ...]] | None:
    """The path's pattern and what stands in its places; None for an unknown path."""
    path = request.path.removeprefix("/v1")
    for expression, pattern in _ROUTES.items():
        if found := re.fullmatch(expression, path):
            return pattern, tuple(unquote(part) for part in found.groups())
    return None


def key_of(request: TwinRequest) -> str | None:
    """Return the API key: the user name of Basic authorization, with any password."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        user = b64decode(encoded, validate=True).decode().partition(":")[0]
    except (NotBase64, ValueError):
        return None
    return user if scheme.lower() == "basic" and user else None


def body_of(request: TwinRequest) -> Mapping[str, Json]:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise mistake(400, "Invalid JSON.") from None
    if not isinstance(body, dict):
        raise mistake(400, "An object is expected.")
    return body


def place_of(cursor: str) -> tuple[str, str]:
    """The moment and the uuid a cursor stands for."""
    try:
        moment, _, uuid = b64decode(cursor, validate=True).decode().partition("&")
    except (NotBase64, ValueError):
        raise mistake(400, "Invalid cursor.", "cursor") from None
    return moment, uuid


def attributes(custom: Json) -> Iterator[tuple[str, Json]]:
    """Custom attributes as they are written: a list of pairs, or an object."""
    pairs = (
        [{"key": name, "value": value} for name, value in custom.items()]
        if isinstance(custom, dict)
        else custom
    )
    if not isinstance(pairs, list):
        raise mistake(400, "custom must be a list.", "custom")
    for pair in pairs:
        match pair:
            case {"key": str(name), "value": value}:
                pass
            case _:
                raise mistake(400, "custom must hold pairs of key and value.", "custom")
        if isinstance(value, str) and len(value) > _LONGEST:
            raise RefusedError(422, {"errors": {"custom": f"{name} is too long"}})
        yield name, value


def fits(value: Json, kind: Kind) -> bool:
    """Return whether a value is of an attribute's type."""
    match kind:
        case "Boolean":
            return isinstance(value, bool)
        case "Integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "Decimal":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str)


def moment(value: str) -> str:
    try:
        return (
            datetime.fromisoformat(value)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
    except ValueError:
        raise mistake(400, "last_seen must be a date-time.", "last_seen") from None
