"""An adapter for HubSpot, with shared calls, answers and samples.

The samples are those of the contract suite.
"""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer
from syncengine.vendors.hubspot.adapter import HubSpot
from syncengine.vendors.hubspot.settings import HubSpotSettings

CONTACTS = "/crm/v3/objects/contacts"
ID = "512"
EMAIL = MatchKey("email", "ilse@example.org")
CRM_ID = MatchKey("crm_id", "20418")


def hubspot(**settings: Any) -> HubSpot:
    return HubSpot(
        HubSpotSettings.model_validate(
            {
                "base_url": "https://api.example",
                "token": "pat-123456",
                "unique_properties": ["crm_id", "email"],
                **settings,
            }
        )
    )


def contact(number: int | str, trace: str | None = None, **properties: Json) -> Json:
    body: dict[str, Json] = {
        "id": str(number),
        "properties": properties,
        "archived": False,
    }
    if trace is not None:
        body["objectWriteTraceId"] = trace
    return body


def error(
    category: str, message: str, *, trace: str | None = None, ids: Json = None
) -> Json:
    context: dict[str, Json] = {}
    if trace is not None:
        context["objectWriteTraceId"] = [trace]
    if ids is not None:
        context["ids"] = ids
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": context,
    }


def batch(*results: Json, errors: Json = None, status: int = 200) -> Response:
    body: dict[str, Json] = {"status": "COMPLETE", "results": list(results)}
    if errors is not None:
        body |= {"errors": errors, "numErrors": len(errors)}
        status = 207
    return answer(body, status)


def refused(
    message: str, category: str = "VALIDATION_ERROR", status: int = 400, **more: Json
) -> Response:
    body = {"status": "error", "message": message, "category": category, **more}
    return answer({**body, "correlationId": "a-1"}, status)


NOT_FOUND = refused("resource not found", "OBJECT_NOT_FOUND", 404)
NOTHING = Response(204)


def create(number: int, **fields: Json) -> Call:
    return Call(Action.CREATE, f"c{number}", fields=fields)


def update(number: int, **fields: Json) -> Call:
    return Call(Action.UPDATE, f"c{number}", external_id=str(number), fields=fields)


def call(action: Action, number: int, **more: Any) -> Call:
    return Call(action, f"c{number}", external_id=str(number), **more)


SETTINGS = {"unique_properties": ["crm_id", "email"]}
REFUSED = {"email": "nobody"}
FURTHER_FIELDS = ("company", "jobtitle", "website", "address", "city", "state", "zip")
VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "tags": ({"tags_property": "tags"}, {}),
    "appended tags": ({"tags_property": "tags", "tags_by": "append"}, {}),
    "upserts": ({"upserts": True, "tags_property": "tags"}, {}),
    "erasures": ({"delete_as": "gdpr"}, {}),
    "no trace ids": ({"trace_ids": False}, {"unique_conflict": "400"}),
    "silent results": ({"upserts": True}, {"trace_echo": False}),
    "absent misses": ({"read_misses": "absent"}, {"not_found_ids": False}),
    "ids stay": ({}, {"merge_ids": "keep", "merged_id": "404"}),
    "whole answers": ({"clear_with": "nothing"}, {"write_answers": "all"}),
    "phones": ({"phone_properties": ["phone"]}, {}),
    "dated paths": ({"path_version": "2026-09"}, {}),
}


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "crm_id": f"crm-{number}",
        "email": f"Ilse.{number}@example.org",
        "firstname": f"Žofia 李 {number}",
        "lastname": f"O'Brien & <Söhne> {number}",
        "phone": f"+49151112233{number:02}",
        "plan": f"gold {number}",
        "visits": 1_000_000 + number,
        "score": number + 0.125,
        "vip": number % 2 == 1,
        "since": f"1990-03-{number:02}",
        "last_seen": f"2025-03-02T08:15:{number:02}+00:00",
    }
