"""Requests and answers of DM Champ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from syncengine.model.http import Json
from syncengine.sandbox.twins.dm_champ.switches import IdPlace
from syncengine.sandbox.twins.kit.answers import TwinRefusalError, iso_time
from syncengine.sandbox.twins.kit.fields import with_prefix
from syncengine.sandbox.twins.kit.requests import object_of
from syncengine.sandbox.twins.twin import TwinRequest

DEFAULTS: Mapping[str, Json] = {
    "firstName": "Unknown",
    "lastName": "Unknown",
    "email": "unknown@unknown.com",
    "isChatWindowOpen": False,
    "is_bot_active": True,
    "do_not_disturb": False,
}
"""Values that the vendor stores where it was given none (documented).

They look like data: nobody can tell somebody whose name is unknown from somebody
called Unknown.
"""
CHANGEABLE = ("firstName", "lastName", "email", "is_bot_active", "do_not_disturb")
"""The fields that an update takes (documented): not the phone."""
NULLABLE = (
    "instagramId",
    "currentCampaign",
    "currentCampaignData",
    "channel",
    "externalId",
    "customChannel",
    "chatWidgetId",
)
"""The fields that a create may set to null (documented)."""
WRITABLE = ("phoneNumber", *DEFAULTS, *NULLABLE)
"""The fields that a create takes."""
_FLAGS = ("isChatWindowOpen", "is_bot_active", "do_not_disturb")
_SHOWN_AS_WRITTEN = ("firstName", "lastName", "email", "phoneNumber", "channel")
"""The fields that a look-up shows under the names they are written under."""


@dataclass(slots=True)
class DmChampContact:
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
        """Return the address in lower case, by which look-ups compare."""
        return str(self.fields["email"]).lower()

    def shown(self, *, tags_as: str, flags_as: str) -> dict[str, Json]:
        """Return the contact as a look-up shows it (observed; none is documented).

        ``tags_as`` and ``flags_as`` are the switches of these names. Two flags are
        spelled differently than in writes, and many of the fields cannot be written.
        """
        plain = {name: self.fields.get(name) for name in _SHOWN_AS_WRITTEN}
        flags: dict[str, Json] = {
            "isBotActive": self.fields["is_bot_active"],
            "doNotDisturb": self.fields["do_not_disturb"],
        }
        if flags_as == "texts":
            flags = {name: str(flag).lower() for name, flag in flags.items()}
        tags: list[Json] = list(self.tags)
        if tags_as == "objects":
            tags = [{"name": tag} for tag in self.tags]
        campaign = None
        if self.fields.get("currentCampaign"):
            campaign = {"name": self.fields["currentCampaign"]}
        return {
            "id": self.id,
            **plain,
            **flags,
            "doNotDisturbReason": self.reason,
            "createdAt": iso_time(self.made),
            "lastActivityAt": None,
            "lastIncomingMessageAt": None,
            "hasHadActivity": False,
            "creditsUsed": 0,
            "botMessageCount": 0,
            "chatConcluded": False,
            "tags": tags,
            "currentCampaign": campaign,
            "campaigns": [],
        }

    def flat(self) -> dict[str, Json]:
        """Return all fields, dotted; each list is a field of its own."""
        lists = dict.fromkeys(self.lists, True)
        return {
            **self.fields,
            **with_prefix(self.custom, "custom_fields."),
            **with_prefix(lists, "lists."),
        }


def body_of(request: TwinRequest) -> dict[str, Json]:
    """Return the JSON object of the body."""
    return object_of(request, TwinRefusalError(400, "Invalid JSON body"))


def missing_parameter(names: str) -> TwinRefusalError:
    """Return the refusal of a request that lacks something."""
    return TwinRefusalError(400, f"Missing required parameter: {names}")


def invalid_value(name: str) -> TwinRefusalError:
    """Return the refusal of a value of the wrong kind."""
    return TwinRefusalError(400, f"Invalid value for {name}")


def checked(
    fields: Mapping[str, Json], *, nullable: tuple[str, ...]
) -> dict[str, Json]:
    """Return the fields if each is of its kind; a null is let through as it is.

    ``nullable`` are fields that may be null, besides those of an update. Raises
    TwinRefusalError.
    """
    for name, value in fields.items():
        if not _is_of_kind(name, value, nullable):
            raise invalid_value(name)
    return dict(fields)


def _is_of_kind(name: str, value: Json, nullable: tuple[str, ...]) -> bool:
    if value is None:
        return name in nullable or name in CHANGEABLE
    if name in _FLAGS:
        return isinstance(value, bool)
    if name == "currentCampaignData":
        return isinstance(value, dict)
    return isinstance(value, str)


def phone_of(body: Mapping[str, Json], *, alias: bool) -> str:
    """Return the phone of a contact to be made.

    ``alias`` allows ``phone`` as its name. What counts as a phone is assumed. Raises
    TwinRefusalError.
    """
    phone = body.get("phoneNumber")
    if not phone and alias:
        phone = body.get("phone")
    if not phone:
        raise missing_parameter("phoneNumber")
    form = r"\+?[0-9][0-9 ().-]{3,24}"
    if not isinstance(phone, str) or not re.fullmatch(form, phone):
        raise TwinRefusalError(400, "Invalid phone number")
    return phone


def lists_of(body: Mapping[str, Json]) -> Sequence[str]:
    """Return the ids of the lists that a create names.

    Documented: ``listIds`` wins over ``listId``. Raises TwinRefusalError.
    """
    found = body.get("listIds")
    if not found:
        one = body.get("listId")
        found = [one] if one else []
    if not isinstance(found, list):
        raise invalid_value("listIds")
    if not all(isinstance(each, str) for each in found):
        raise invalid_value("listIds")
    return found


def id_answer(contact_id: str, place: IdPlace, message: str) -> Json:
    """Return the answer to a create, with the id in one of its places.

    Documented and observed answers differ in this: see the switch ``id_place``.
    """
    match place:
        case "data.contactId":
            data = {"message": message, "contactId": contact_id}
            return {"success": True, "data": data}
        case "contact.id":
            return {"success": True, "message": message, "contact": {"id": contact_id}}
        case _:
            return {"success": True, "message": message, place: contact_id}


def tag_objects(tags: Mapping[str, None]) -> list[Json]:
    """Return tags as the vendor lists them (documented)."""
    return [{"name": tag, "description": ""} for tag in tags]
