"""An adapter for charles, and the calls and answers its tests share."""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer
from syncengine.vendors.charles import Charles, CharlesSettings

KEY = MatchKey("external_reference_id", "crm-20418")
PERSON = "b1a4b1de-2f53-4a3e-8a35-0b8a6a7b9c01"
SETTINGS = {"erases_within": "30s"}
"""As long as everything else takes to settle."""
UNCOMPARED = frozenset({"external_channel_reference_id"})
"""Fields that an answer shows in the copy of the request alone, or as null."""
ENVELOPE: dict[str, Json] = {
    "status": 200,
    "msg": "ok",
    "messages": [],
    "localized_messages": [],
    "errors": [],
}


def charles(**settings: Any) -> Charles:
    return Charles(
        CharlesSettings.model_validate(
            {
                "base_url": "https://acme.example",
                "api_key": "k-123",
                "source_type": "acme_sync",
                **settings,
            }
        )
    )


def upsert(
    fields: dict[str, Json] | None = None, *, tags: tuple[str, ...] = ()
) -> Call:
    return Call(Action.UPSERT, "20418", key=KEY, fields=fields or {}, add_tags=tags)


def echo(**person: Json) -> Response:
    return answer({**ENVELOPE, "data": {"id": PERSON, **person}})


def error(status: int, *messages: str) -> Response:
    errors = [
        {"code": 1001, "class": "ValidationError", "message": message}
        for message in messages
    ]
    return answer(
        {
            **ENVELOPE,
            "status": status,
            "msg": "Bad request",
            "errors": errors,
            "data": None,
        },
        status,
    )


DELETE = Call(Action.DELETE, "20418", external_id=PERSON)
SCHEDULED: Json = {**ENVELOPE, "data": {"jobId": "contacts-cleanup"}}

VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "null clears": ({"clear_with": "null"}, {"null_mode": "clear"}),
    "the empty text clears": ({"clear_with": "empty"}, {}),
    "an unknown person is erased": ({}, {"unknown_person": 200}),
    "known phones are matched": ({}, {"match_by_phone": True}),
}


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "first_name": f"Žofia 李 {number}",
        "middle_name": f"O'Brien & <Söhne> {number}",
        "last_name": f"Brandt {number}",
        "external_channel_reference_id": f"channel-{number}",
        "phone_numbers.mobile": f"+49151112233{number:02}",
        "phone_numbers.work": f"+4930112233{number:02}",
        "email_addresses.main": f"ilse.{number}@example.org",
        "custom_properties.plan": f"gold {number}",
        "custom_properties.visits": 1_000_000 + number,
        "custom_properties.score": number + 0.125,
        "custom_properties.vip": True,
        "custom_properties.spam": False,
        "custom_properties.wishes": ["a", number, None],
        "custom_properties.address.city": f"Köln {number}",
    }
