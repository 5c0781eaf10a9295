"""An adapter for respond.io v2, with shared calls, answers and samples.

The samples are those of the contract suite.
"""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer
from syncengine.vendors.respond_io_v2 import RespondIoV2, RespondIoV2Settings

PHONE = MatchKey("phone", "+4915111223344")
EMAIL = MatchKey("email", "ilse+1@example.org")
ID = "5501"


def respond_io_v2(**settings: Any) -> RespondIoV2:
    return RespondIoV2(
        RespondIoV2Settings.model_validate(
            {"base_url": "https://api.example/v2", "token": "t-123", **settings}
        )
    )


def refusal(message: Json, status: int = 400) -> Response:
    return answer({"code": status, "message": message}, status)


NOT_FOUND = refusal("Contact not found", 404)
QUEUED = refusal("The contact is still in queue", 449)
TOLD = answer({"contactId": 5501})
NAMED: dict[str, Json] = {"firstName": "Ilse"}
UPSERT = Call(Action.UPSERT, "7", key=PHONE, fields={**NAMED, "phone": PHONE.value})
UPDATE = Call(Action.UPDATE, "7", external_id=ID, fields=NAMED)
STAGE = Call(Action.SET_LIFECYCLE, "7", external_id=ID, fields={"lifecycle": "Lead"})
ADD = Call(Action.ADD_TAGS, "7", external_id=ID, add_tags=("vip", "trial"))
REMOVE = Call(Action.REMOVE_TAGS, "7", external_id=ID, remove_tags=("old",))
DELETE = Call(Action.DELETE, "7", external_id=ID)


def row(contact: int, **fields: Json) -> dict[str, Json]:
    return {
        "id": contact,
        "firstName": "Ilse",
        "custom_fields": None,
        "tags": [],
        "created_at": 1735689600,
        **fields,
    }


def page(*rows: Json, cursor: int | None = None) -> Response:
    link = (
        None
        if cursor is None
        else f"https://elsewhere.example/v2/contact/list?cursorId={cursor}&limit=100"
    )
    return answer({"items": list(rows), "pagination": {"next": link, "previous": None}})


VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "partial updates": (
        {"first_name_in_updates": False},
        {"first_name_in_updates": "optional"},
    ),
    "nothing clears": ({"clear_with": "nothing"}, {"null_mode": "ignore"}),
    "the empty text clears": (
        {"clear_with": "empty"},
        {"null_mode": "ignore", "empty_mode": "clear"},
    ),
    "upserts tell no id": ({}, {"upsert_empty_body": True}),
    "upserts match all keys": ({}, {"upsert_match": "any"}),
    "tags in an object": ({"tags_as": "object"}, {"tags_as": "object"}),
    "a short queue": ({}, {"queue_delay": 59.0}),
    "phones without plus": ({}, {"shows_plus": False}),
    "plain phones are found alone": (
        {"look_up_phones": "both"},
        {"phone_filters": "e164"},
    ),
    "small letters": ({}, {"email_case": "lower"}),
    "any case is found": ({}, {"filter_case": "ignore"}),
    "typed fields": ({}, {"custom_shown": "typed"}),
}


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "phone": f"+49151112233{number:02}",
        "email": f"Ilse.{number}@example.org",
        "firstName": f"Žofia 李 {number}",
        "lastName": f"O'Brien & <Söhne> {number}",
        "language": "fr",
        "countryCode": "fr",
        "profilePic": f"https://pictures.example/{number}.png?size=1&x=y",
        "lifecycle": f"Lead {number}",
        "custom_fields.crm_id": f"crm-{number}",
        "custom_fields.plan": f"gold {number}",
        "custom_fields.visits": 1_000_000 + number,
        "custom_fields.score": number + 0.125,
        "custom_fields.vip": True,
        "custom_fields.spam": False,
        "custom_fields.born": f"1990-03-{number:02}",
    }
