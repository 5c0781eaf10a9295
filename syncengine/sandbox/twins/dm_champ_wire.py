"""Read the requests of DM Champ's twin, and write its answers and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.twins.twin import TwinRequest

DEFAULTS: Mapping[str, Json] = {
    "firstName": "Unknown",
    "lastName": "Unknown",
    "email": "unknown@unknown.com",
    "isChatWindowOpen": False,
    "is_bot_active": True,
    "do_not_disturb": False,
}
"""Values that the vendor stores where it was given none; they look like data."""
CHANGEABLE = ("firstName", "lastName", "email", "is_bot_active", "do_not_disturb")
NULLABLE = (
    "instagramId",
    "currentCampaign",
    "currentCampaignData",
    "channel",
    "externalId",
    "customChannel",
    "chatWidgetId",
)
IdPlace: TypeAlias = Literal[
    "data.contactId", "contactId", "contact_id", "contact.id", "id"
]
_FLAGS = ("isChatWindowOpen", "is_bot_active", "do_not_disturb")
_ROUTES = {
    r"/contacts": "/contacts",
    r"/contacts/lists": "/contacts/lists",
    r"/contacts/tags/([^/]+)": "/contacts/tags/{id}",
    r"/contacts/messages/([^/]+)": "/contacts/messages/{id}",
    r"/contacts/([^/]+)": "/contacts/{id}",
    r"/tags": "/tags",
}

VERBS = {
    "/contacts": ("GET", "POST"),
    "/contacts/{id}": ("PUT",),
    "/contacts/lists": ("POST", "DELETE"),
    "/contacts/tags/{id}": ("GET",),
    "/contacts/messages/{id}": ("GET",),
    "/tags": ("GET", "POST"),
}


class RefusedError(ValueError):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Contact:
    """One contact; its fields go by the names they are written under."""

    id: str
    made: float
    """Time of its creation, in seconds since 1970."""
    fields: dict[str, Json] = field(default_factory=dict)
    custom: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    lists: dict[str, Json] = field(default_factory=dict)
    """Only the names count."""
    messages: list[Json] = field(default_factory=list)
    reason: str | None = None
    """Reason of its opt-out, where the contact itself opted out."""

    @property
    def phone(self) -> str:
        return str(self.fields.get("phoneNumber") or "")

    @property
    def email(self) -> str:
        return str(self.fields["email"]).lower()

    def shown(self, *, tags_as: str, flags_as: str) -> dict[str, Json]:
        """Return the contact as a look-up shows it.

        Flags have the spelling of reads, and many of the fields cannot be written.
        """
        at = (
            datetime.fromtimestamp(self.made, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
        flags = {
            "isBotActive": self.fields["is_bot_active"],
            "doNotDisturb": self.fields["do_not_disturb"],
        }
        campaign = self.fields.get("currentCampaign")
        return {
            "id": self.id,
            **{
                name: self.fields.get(name)
                for name in ("firstName", "lastName", "email", "phoneNumber", "channel")
            },
            **{
                name: str(flag).lower() if flags_as == "texts" else flag
                for name, flag in flags.items()
            },
            "doNotDisturbReason": self.reason,
            "createdAt": at,
            "lastActivityAt": None,
            "lastIncomingMessageAt": None,
            "hasHadActivity": False,
            "creditsUsed": 0,
            "botMessageCount": 0,
            "chatConcluded": False,
            "tags": [
                {"name": tag} if tags_as == "objects" else tag for tag in self.tags
            ],
            "currentCampaign": {"name": campaign} if campaign else None,
            "campaigns": [],
        }

    def flat(self) -> dict[str, Json]:
        """Everything it holds, dotted; lists are fields of their own."""
        custom = {f"custom_fields.{name}": value for name, value in self.custom.items()}
        return {
            **self.fields,
            **custom,
            **{f"lists.{name}": True for name in self.lists},
        }


def routed(request: TwinRequest) -> tuple[str, str]:
    """The path's pattern and the id in it; two empty texts for an unknown path."""
    path = request.path.removeprefix("/v1")
    for expression, pattern in _ROUTES.items():
        if found := re.fullmatch(expression, path):
            return pattern, unquote("".join(found.groups()))
    return "", ""


def query_of(request: TwinRequest) -> dict[str, str]:
    """A raw + becomes a space here, as it does at the vendor."""
    return dict(parse_qsl(request.query, keep_blank_values=True))


def body_of(request: TwinRequest) -> dict[str, Json]:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError(400, "Invalid JSON body")
    return body


def checked(
    fields: Mapping[str, Json], *, nullable: tuple[str, ...]
) -> dict[str, Json]:
    """The fields, if each is of its kind; a null is let through as it is."""
    for name, value in fields.items():
        if value is None:
            fits = name in nullable or name in CHANGEABLE
        elif name in _FLAGS:
            fits = isinstance(value, bool)
        elif name == "currentCampaignData":
            fits = isinstance(value, dict)
        else:
            fits = isinstance(value, str)
        if not fits:
            raise RefusedError(400, f"Invalid value for {name}")
    return dict(fields)


def phone_of(body: Mapping[str, Any], *, alias: bool) -> str:
    """The phone of a contact to be made, which has to be one."""
    given = body.get("phoneNumber") or (body.get("phone") if alias else None)
    if not given:
        raise RefusedError(400, "Missing required parameter: phoneNumber")
    if not isinstance(given, str) or not re.fullmatch(
        r"\+?[0-9][0-9 ().-]{3,24}", given
    ):
        raise RefusedError(400, "Invalid phone number")
    return given


def named(contact_id: str, place: IdPlace, message: str) -> Json:
    """The answer to a create: the id stands in one of the places it was seen in."""
    match place:
        case "data.contactId":
            return {
                "success": True,
                "data": {"message": message, "contactId": contact_id},
            }
        case "contact.id":
            return {"success": True, "message": message, "contact": {"id": contact_id}}
        case _:
            return {"success": True, "message": message, place: contact_id}
