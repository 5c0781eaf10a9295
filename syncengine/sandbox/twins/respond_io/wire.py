"""Requests and answers of respond.io v1: paths, bodies, pages of contacts."""

from __future__ import annotations

import math
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.answers import TwinRefusalError
from syncengine.sandbox.twins.kit.requests import TwinRoute, object_of
from syncengine.sandbox.twins.twin import TwinRequest

STANDARD = frozenset(
    {"firstName", "lastName", "profilePic", "language", "phone", "email"}
)
"""Fields that every account has; all others are custom fields."""
# The four paths of the API.
FIND = "/contact/by_custom_field"
CREATE = "/contact/"
ONE = "/contact/{id}"
TAGS = "/contact/{id}/tags"
_UNSET = {"locale": "", "timezone": "", "gender": ""}
"""Fields that the vendor shows for every contact and that cannot be written."""
_ROWS_PER_PAGE = 10


@dataclass(slots=True)
class RespondIoContact:
    """A contact of one channel. Documented: all values are text."""

    number: int
    """Numbers are given in the order of the creates."""
    id: str
    created: int
    """Seconds since 1970."""
    fields: dict[str, str] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    blocked: bool = False

    def shown(self, hides: Sequence[str]) -> Json:
        """Return the contact as reads show it, without the fields in ``hides``.

        Documented: standard and custom fields are one object here, although a write
        takes a list of pairs.
        """
        fields = {**_UNSET, **self.fields}
        for name in hides:
            fields.pop(name, None)
        return {
            "id": self.id,
            "custom_fields": fields,
            "tags": list(self.tags),
            "created_at": self.created,
        }


def refused(message: Json) -> TwinRefusalError:
    """Return a refusal.

    Documented: 403 is the status of nearly every error, also of a contact that does
    not exist. Observed: its message is a text or a list of texts.
    """
    return TwinRefusalError(403, message)


def find_route(request: TwinRequest) -> TwinRoute | None:
    """Return the route of a request; paths may begin with ``/api/v1``."""
    path = request.path.removeprefix("/api/v1").removeprefix("/")
    # The path is divided before it is decoded: a Viber id may hold a slash (%2F).
    match path.split("/"):
        case ["contact"] | ["contact", ""]:
            return TwinRoute(CREATE)
        case ["contact", "by_custom_field"]:
            return TwinRoute(FIND)
        case ["contact", contact_id]:
            return TwinRoute(ONE, (unquote(contact_id),))
        case ["contact", contact_id, "tags"]:
            return TwinRoute(TAGS, (unquote(contact_id),))
        case _:
            return None


def decoded_id(encoded: str, alphabet: str) -> str:
    """Return the id of a Viber channel's contact from its Base64; empty for no Base64.

    Documented: paths have the ids of such a channel as Base64. The documentation names
    no alphabet.
    """
    try:
        if alphabet == "standard":
            return b64decode(encoded, validate=True).decode()
        # Python's decoder takes the other alphabet's characters too.
        if {"+", "/"} & set(encoded):
            return ""
        return urlsafe_b64decode(encoded).decode()
    except (NotBase64, ValueError):
        return ""


def entries(request: TwinRequest, name: str, most: int) -> Sequence[Json]:
    """Return the list under a name in the body, with one entry to ``most``.

    Raises TwinRefusalError.
    """
    required = refused([f"The {name} field is required."])
    found = object_of(request, required).get(name)
    if not isinstance(found, list) or not found:
        raise required
    if len(found) > most:
        raise refused([f"The {name} may not have more than {most} items."])
    return found


def name_and_value(pair: Json) -> tuple[str, Json]:
    """Return the name and the value of a field in a write.

    Raises TwinRefusalError for anything but ``{"name": ..., "value": ...}``.
    """
    match pair:
        case {"name": str(name), "value": value, **others} if name and not others:
            return name, value
        case _:
            raise refused(["The custom_fields must be pairs of name and value."])


def as_text(value: Json) -> str:
    """Return a value as it is stored; null is stored as the empty text.

    Observed: reads show all values as text. Raises TwinRefusalError for a list or an
    object.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise refused(["The value must be a text, a number or a boolean."])


def texts_of(fields: Mapping[str, Json]) -> dict[str, str]:
    """Return all values as they are stored. Raises TwinRefusalError for any other."""
    return {name: as_text(value) for name, value in fields.items()}


def page_of(
    found: Sequence[RespondIoContact], page: int, host: str, hides: Sequence[str]
) -> Json:
    """Return one page of contacts, numbered from 1.

    Documented, as Laravel paginates: the links are plain http and lack the name and
    the value, so that a client that follows them reads other contacts.
    """
    start = (page - 1) * _ROWS_PER_PAGE
    rows = found[start : start + _ROWS_PER_PAGE]
    # Rounded up; a look-up without a hit has one page, which is empty.
    last = max(1, math.ceil(len(found) / _ROWS_PER_PAGE))
    path = f"http://{host}/api/v1/contact/by_custom_field"
    previous_page: str | None = None
    next_page: str | None = None
    if page > 1:
        previous_page = f"{path}?page={page - 1}"
    if page < last:
        next_page = f"{path}?page={page + 1}"
    # Numbers of the first and last row, counted from one; null on an empty page.
    first_row: int | None = None
    last_row: int | None = None
    if rows:
        first_row, last_row = start + 1, start + len(rows)
    return {
        "data": [contact.shown(hides) for contact in rows],
        "links": {
            "first": f"{path}?page=1",
            "last": f"{path}?page={last}",
            "prev": previous_page,
            "next": next_page,
        },
        "meta": {
            "current_page": page,
            "from": first_row,
            "last_page": last,
            "path": path,
            "per_page": _ROWS_PER_PAGE,
            "to": last_row,
            "total": len(found),
        },
    }
