"""Requests and answers of respond.io v1: paths, bodies, pages of contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.twins.twin import TwinRequest

STANDARD = frozenset(
    {"firstName", "lastName", "profilePic", "language", "phone", "email"}
)
_UNSET = {"locale": "", "timezone": "", "gender": ""}
"""Fields that the vendor shows for every contact and that cannot be written."""
_ROWS = 10


@dataclass(slots=True)
class Contact:
    number: int
    id: str
    created: int
    fields: dict[str, str] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    blocked: bool = False

    def shown(self, hides: Sequence[str]) -> Json:
        fields = {**_UNSET, **self.fields}
        for name in hides:
            fields.pop(name, None)
        return {
            "id": self.id,
            "custom_fields": fields,
            "tags": list(self.tags),
            "created_at": self.created,
        }


class RefusedError(ValueError):
    """The answer 403, with the vendor's message."""

    def __init__(self, message: Json) -> None:
        super().__init__(str(message))
        self.message = message


def token_of(request: TwinRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def segments(request: TwinRequest) -> list[str]:
    """Still percent-encoded: a slash inside an id does not divide."""
    return request.path.removeprefix("/api/v1").removeprefix("/").split("/")


def pattern_of(request: TwinRequest) -> str | None:
    match segments(request):
        case ["contact"] | ["contact", ""]:
            return "/contact/"
        case ["contact", "by_custom_field"]:
            return "/contact/by_custom_field"
        case ["contact", _]:
            return "/contact/{id}"
        case ["contact", _, "tags"]:
            return "/contact/{id}/tags"
        case _:
            return None


def entries(request: TwinRequest, name: str, most: int) -> Sequence[Json]:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list) or not found:
        raise RefusedError([f"The {name} field is required."])
    if len(found) > most:
        raise RefusedError([f"The {name} may not have more than {most} items."])
    return found


def as_text(value: Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise RefusedError(["The value must be a text, a number or a boolean."])


def page_of(
    found: Sequence[Contact], page: int, host: str, hides: Sequence[str]
) -> Json:
    """Laravel's pagination; its links are plain http and forget what was asked for."""
    start = (page - 1) * _ROWS
    rows = found[start : start + _ROWS]
    last = max(1, -(-len(found) // _ROWS))
    path = f"http://{host}/api/v1/contact/by_custom_field"
    return {
        "data": [contact.shown(hides) for contact in rows],
        "links": {
            "first": f"{path}?page=1",
            "last": f"{path}?page={last}",
            "prev": f"{path}?page={page - 1}" if page > 1 else None,
            "next": f"{path}?page={page + 1}" if page < last else None,
        },
        "meta": {
            "current_page": page,
            "from": start + 1 if rows else None,
            "last_page": last,
            "path": path,
            "per_page": _ROWS,
            "to": start + len(rows) if rows else None,
            "total": len(found),
        },
    }
