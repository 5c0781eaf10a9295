"""A client that calls DM Champ's twin without a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson

from syncengine.model.http import Response
from syncengine.sandbox.twins.dm_champ.twin import DmChampTwin
from syncengine.sandbox.twins.twin import TwinRequest

PHONE = "+4915111223344"
GONE = (404, {"success": False, "message": "Contact not found"})


class Client:
    def __init__(self, **switches: Any) -> None:
        self.twin = DmChampTwin()
        self.twin.configure(switches)
        self.auth = "apiKey=sandbox-key"

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: str = "",
        now: float = 0.0,
    ) -> Response:
        asked = "&".join(filter(None, (query, self.auth)))
        return self.twin.handle(
            TwinRequest(
                method,
                f"/v1{path}",
                asked,
                {},
                b"" if body is None else orjson.dumps(body),
            ),
            now,
        )

    def call(
        self, method: str, path: str, body: Any = None, **query: str
    ) -> tuple[int, Any]:
        response = self.raw(method, path, body, urlencode(query))
        return response.status, orjson.loads(response.body)

    def create(self, phone: str = PHONE, **fields: Any) -> str:
        status, reply = self.call("POST", "/contacts", {"phoneNumber": phone, **fields})
        assert status == 200, reply
        contact_id: str = reply["data"]["contactId"]
        return contact_id

    def held(self, number: int = 0) -> Any:
        return self.twin.contacts(0.0)[number]

    def join(self, contact: str, name: str, method: str = "POST") -> tuple[int, Any]:
        return self.call(
            method, "/contacts/lists", {"contactId": contact, "listId": name}
        )
