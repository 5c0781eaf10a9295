"""An adapter for Whautomate, with shared calls, answers and samples.

The samples are those of the contract suite.
"""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.http import Json, Response
from syncengine.sandbox.twins.whautomate.switches import LOCATION
from syncengine.testing.driving import answer
from syncengine.vendors.whautomate import Whautomate, WhautomateSettings

ID = "66b1f0c2a9d3e4f5a6b7c8d9"
PHONE = "+4915111223344"
SETTINGS: dict[str, Json] = {"location_id": LOCATION}


def whautomate(**settings: Any) -> Whautomate:
    return Whautomate(
        WhautomateSettings.model_validate(
            {
                "base_url": "https://api.example",
                "api_key": "k-123",
                "location_id": "loc-1",
                **settings,
            }
        )
    )


def row(contact: str = ID, **fields: Json) -> dict[str, Json]:
    """A contact as the vendor shows it."""
    whole: dict[str, Json] = {
        "id": contact,
        "name": "Ilse",
        "phoneNumber": PHONE,
        "location": {"id": "loc-1", "title": "Berlin"},
        "stage": "Lead",
        "notes": "",
        "customFields": {"crm_key": "crm-7"},
        "tags": [],
        "channel": "whatsapp",
        "lastActivity": None,
        "createdAt": "2025-03-02T08:15:00.000Z",
    }
    return {**whole, **fields}


def shown(**fields: Json) -> Response:
    return answer(row(**fields))


def refusal(status: int, message: str = "no") -> Response:
    return answer({"message": message}, status)


CREATE = Call(
    Action.CREATE,
    "7",
    fields={"name": "Ilse", "phoneNumber": PHONE, "customFields.crm_key": "crm-7"},
    add_tags=("vip",),
)
UPDATE = Call(
    Action.UPDATE,
    "7",
    external_id=ID,
    fields={"name": "Ilse B.", "customFields.city": "Köln"},
)
ADD = Call(Action.ADD_TAGS, "7", external_id=ID, add_tags=("vip", "trial"))
REMOVE = Call(Action.REMOVE_TAGS, "7", external_id=ID, remove_tags=("old",))
DELETE = Call(Action.DELETE, "7", external_id=ID)
GONE = refusal(404, "Contact not found")

_MERGES: dict[str, Json] = {"put_mode": "merge", "custom_mode": "merge"}
VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "a second contact is refused": (
        {"duplicate_phone": "refused"},
        {"duplicate_mode": "409"},
    ),
    "a second contact is refused, unknown to us": ({}, {"duplicate_mode": "409"}),
    "the contact there is returned": (
        {"duplicate_phone": "returned"},
        {"duplicate_mode": "return_existing"},
    ),
    "updates merge, empty texts clear": ({"clear_with": "empty"}, _MERGES),
    "updates merge, null clears": ({"clear_with": "null"}, _MERGES),
    "nothing clears": ({"clear_with": "nothing"}, {**_MERGES, "null_mode": "ignore"}),
    "values as text": ({}, {"custom_values": "text"}),
    "phones without plus": ({}, {"store_plus": False}),
    "unknown tags are refused": ({}, {"unknown_tag": "400"}),
    "changed tags are told": ({"tags_told": "changed"}, {"tags_told": "changed"}),
    "deleted twice": ({}, {"delete_again": "200"}),
    "small pages": ({}, {"most_per_page": 7}),
    "workspaces": ({"location_as": "workspaceId"}, {"location_as": "workspaceId"}),
    "one channel": ({"channel": "whatsapp"}, {}),
    "ten at a time": ({"page_size": 10}, {}),
    "keys are searched": (
        {"found_by": ["customFields.crm_key", "notes", "phoneNumber"]},
        {"searches": ["name", "phoneNumber", "notes", "customFields.*"]},
    ),
}
_STAGES = ("Lead", "Customer", "Opportunity")


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "customFields.crm_key": f"crm-{number}",
        "name": f"Žofia 李 O'Brien & <Söhne> {number}",
        "phoneNumber": f"+49151112233{number:02}",
        "notes": f"line one\nline {number}",
        "customFields.email": f"Ilse.{number}@example.org",
        "customFields.seen": f"2025-03-02T08:15:{number:02}+00:00",
        "customFields.visits": 1_000_000 + number,
        "customFields.score": number + 0.125,
        "customFields.vip": True,
        "customFields.spam": False,
        "customFields.wishes": ["a", number, None],
        "customFields.address.city": f"Köln {number}",
        "stage": _STAGES[number % len(_STAGES)],
    }
