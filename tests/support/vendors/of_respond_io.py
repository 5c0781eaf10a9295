"""An adapter for respond.io v1, and the calls and answers its tests share."""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer
from syncengine.vendors.respond_io import RespondIo, RespondIoSettings

ID = "177640021"
VIBER_ID = "a+b/c9=="


def respond_io(**settings: Any) -> RespondIo:
    return RespondIo(
        RespondIoSettings.model_validate(
            {"base_url": "https://app.example/api/v1", "token": "t-123", **settings}
        )
    )


def refusal(message: Json, status: int = 403) -> Response:
    return answer({"status": "error", "message": message}, status)


GONE = refusal("No such contact found.")
TOLD = answer({"data": {"id": ID}})
CREATE = Call(Action.CREATE, "7", fields={"crm_id": "crm-7", "firstName": "Ilse"})
UPDATE = Call(Action.UPDATE, "7", external_id=ID, fields={"firstName": "Ilse"})
ADD = Call(Action.ADD_TAGS, "7", external_id=ID, add_tags=("vip", "trial"))
REMOVE = Call(Action.REMOVE_TAGS, "7", external_id=ID, remove_tags=("old",))


def row(contact: str, fields: Json, tags: Json = None) -> dict[str, Json]:
    return {
        "id": contact,
        "custom_fields": fields,
        "tags": tags,
        "created_at": 1609459200,
    }


def page(*rows: Json, last: int | None = 1) -> Response:
    meta = (
        {}
        if last is None
        else {"meta": {"current_page": 1, "last_page": last, "per_page": 10}}
    )
    return answer(
        {
            "data": list(rows),
            "links": {"next": "http://elsewhere.example/?page=9"},
            **meta,
        }
    )


_VIBER = {"tokens": [], "viber_tokens": ["sandbox-token"]}
VARIANTS: dict[str, tuple[dict[str, Json], dict[str, Json]]] = {
    "null clears": ({"clear_with": "null"}, {"null_mode": "clear"}),
    "nothing clears": ({"clear_with": "nothing"}, {}),
    "phones without plus": ({}, {"store_plus": False}),
    "everything is shown": ({}, {"hides": []}),
    "no second contact": ({}, {"dup": "403"}),
    "updates name another contact": ({}, {"update_told": "other"}),
    "viber": ({"viber": True}, _VIBER),
    "viber, url alphabet": (
        {"viber": True, "viber_alphabet": "url"},
        {**_VIBER, "viber_alphabet": "url"},
    ),
    "viber, documented": (
        {"viber": True, "viber_calls": "documented"},
        {**_VIBER, "viber_calls": "documented"},
    ),
}


def sample(number: int) -> dict[str, Json]:
    """One of each kind of value, and the fields that have a form of their own."""
    return {
        "crm_id": f"crm-{number}",
        "phone": f"+49151112233{number:02}",
        "email": f"ilse.{number}@example.org",
        "firstName": f"Žofia 李 {number}",
        "lastName": f"O'Brien & <Söhne> {number}",
        "language": "de",
        "profilePic": f"https://pictures.example/{number}.png",
        "visits": 1_000_000 + number,
        "score": number + 0.125,
        "tiny": 1e-9 * number,
        "vip": True,
        "spam": False,
        "wishes": ["a", number, None],
        "address": {"city": "Köln", "number": number},
    }


UNSAID = tuple(
    (action, any_object)
    for action in (Action.ADD_TAGS, Action.REMOVE_TAGS)
    for any_object in (False, True)
)
