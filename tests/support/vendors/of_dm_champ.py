"""An adapter for DM Champ, and the calls and answers its tests share."""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer
from syncengine.vendors.dm_champ import DmChamp, DmChampSettings

ID = "c7Hq2c7Hq2c7Hq2c7Hq2"
PHONE = "+4915111223344"
KEY = MatchKey("phoneNumber", PHONE)


def dm_champ(**settings: Any) -> DmChamp:
    return DmChamp(
        DmChampSettings.model_validate(
            {"base_url": "https://api.example/v1", "api_key": "k-123", **settings}
        )
    )


def create(**fields: Json) -> Call:
    return Call(Action.CREATE, "7", key=KEY, fields={"phoneNumber": PHONE, **fields})


def update(**fields: Json) -> Call:
    return Call(Action.UPDATE, "7", external_id=ID, fields=fields)


TAG = Call(Action.ADD_TAGS, "7", external_id=ID, key=KEY, add_tags=("vip",))
JOIN = Call(Action.JOIN_LISTS, "7", external_id=ID, fields={"lists.L-9": True})
LEAVE = Call(Action.LEAVE_LISTS, "7", external_id=ID, fields={"lists.L-9": None})
DELETE = Call(Action.DELETE, "7", external_id=ID)
DONE = answer({"success": True, "message": "Contact updated successfully"})
GONE = answer({"success": False, "message": "Contact not found"}, 404)


def seen(contact: Json = None) -> Response:
    """Return the answer to a look-up."""
    return answer(
        {
            "success": True,
            "contactId": ID,
            **({} if contact is None else {"contact": contact}),
        }
    )


def failed(status: int, message: str, error_code: Json = None) -> Response:
    return answer(
        {"success": False, "message": message, "error_code": error_code}, status
    )


VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "duplicates in a success": ({}, {"duplicate_mode": "http200_error_code"}),
    "duplicates in a success, told": (
        {"duplicates": "refused"},
        {"duplicate_mode": "http200_error_code"},
    ),
    "duplicates in a 409, told": ({"duplicates": "refused"}, {}),
    "duplicates untold": ({}, {"duplicate_mode": "return_existing"}),
    "look-ups show the id alone": ({}, {"lookup_returns": "id_only"}),
    "look-ups show nobody with 200": (
        {},
        {"no_hit": "200", "duplicate_mode": "http200_error_code"},
    ),
    "look-ups show the newest": ({}, {"shared_email": "newest"}),
    "look-ups reformat": (
        {},
        {"tags_as": "objects", "flags_as": "texts", "email_case": "lower"},
    ),
    "phones without plus": ({"look_up_phones": "both"}, {"store_plus": False}),
    "phones by their digits": ({}, {"store_plus": False, "phones": "digits"}),
    "ids at the top": ({}, {"id_place": "contactId"}),
    "ids in another spelling": ({}, {"id_place": "contact_id"}),
    "ids in the contact": ({}, {"id_place": "contact.id"}),
    "plain ids": ({}, {"id_place": "id"}),
    "mistakes as texts": ({}, {"mistakes_as": "text"}),
    "the placeholder clears": ({"clear_with": "placeholder"}, {}),
    "the empty text clears": ({"clear_with": "empty"}, {"empty_mode": "clear"}),
    "updates replace": ({"put_replaces": True}, {"put_mode": "replace"}),
    "custom fields in a create": (
        {"custom_fields": "create"},
        {"custom_fields": "create"},
    ),
    "custom fields": ({"custom_fields": "everywhere"}, {"custom_fields": "keep"}),
    "a create without lists": ({"lists_in_create": False}, {"lists_in_create": False}),
    "idle list calls refused": ({}, {"idle_list": "400"}),
    "silenced": ({"delete_as": "silenced"}, {}),
    "the bot answers": ({"bot_active": True, "do_not_disturb": True}, {}),
}


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "phoneNumber": f"+49151112233{number:02}",
        "email": f"Ilse.{number}@example.org",
        "firstName": f"Žofia 李 {number}",
        "lastName": f"O'Brien & <Söhne> {number}",
        "is_bot_active": True,
        "do_not_disturb": False,
        "instagramId": f"ilse_{number}",
        "currentCampaign": f"campaign-{number}",
        "currentCampaignData": {"step": number, "path": ["a", None]},
        "channel": "whatsapp",
        "isChatWindowOpen": number % 2 == 0,
        "externalId": f"crm-{number}",
        "customChannel": f"desk {number}",
        "chatWidgetId": f"widget-{number}",
        "custom_fields.plan": f"gold {number}",
        "custom_fields.visits": 1_000_000 + number,
        "custom_fields.score": number + 0.125,
        "custom_fields.vip": True,
        "custom_fields.since": f"2025-03-02T08:15:{number:02}Z",
    }


UNSAID = tuple(
    (action, any_object)
    for action in (Action.ADD_TAGS,)
    for any_object in (False, True)
)
