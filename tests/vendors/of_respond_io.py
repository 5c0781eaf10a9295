"""An adapter for respond.io v1, and the calls and answers its tests share."""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.http import Json, Response
from syncengine.vendors.respond_io import RespondIo, Settings, build
from tests.vendors.driving import answer

ID = "177640021"
VIBER_ID = "a+b/c9=="


def respond_io(**settings: Any) -> RespondIo:
    return build(Settings.model_validate({"base_url": "https://app.example/api/v1", "token": "t-123", **settings}))


def refusal(message: Json, status: int = 403) -> Response:
    return answer({"status": "error", "message": message}, status)


GONE = refusal("No such contact found.")
TOLD = answer({"data": {"id": ID}})
CREATE = Call(Action.CREATE, "7", fields={"crm_id": "crm-7", "firstName": "Ilse"})
UPDATE = Call(Action.UPDATE, "7", external_id=ID, fields={"firstName": "Ilse"})
ADD = Call(Action.ADD_TAGS, "7", external_id=ID, add_tags=("vip", "trial"))
REMOVE = Call(Action.REMOVE_TAGS, "7", external_id=ID, remove_tags=("old",))


def row(contact: str, fields: Json, tags: Json = None) -> dict[str, Json]:
    return {"id": contact, "custom_fields": fields, "tags": tags, "created_at": 1609459200}


def page(*rows: Json, last: int | None = 1) -> Response:
    meta = {} if last is None else {"meta": {"current_page": 1, "last_page": last, "per_page": 10}}
    return answer({"data": list(rows), "links": {"next": "http://elsewhere.example/?page=9"}, **meta})
