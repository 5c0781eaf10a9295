"""A client that calls the twin of respond.io v2 without a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from syncengine.model.http import Response
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import TwinRequest

PHONE = "phone:+4915111223344"
EMAIL = "email:ilse@example.org"
ILSE = {"firstName": "Ilse"}
GONE = (404, {"code": 404, "message": "Contact not found"})


class Client:
    """Calls the twin without a server."""

    def __init__(self, **switches: Any) -> None:
        self.twin = load("respond_io_v2")
        self.twin.configure(switches)
        self.headers = {"authorization": "Bearer sandbox-token"}
        self.now = 0.0

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: str = "",
        now: float | None = None,
    ) -> Response:
        """The answer; the time stays what it was last told to be."""
        self.now = self.now if now is None else now
        sent = b"" if body is None else orjson.dumps(body)
        return self.twin.handle(
            TwinRequest(method, path, query, self.headers, sent), self.now
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: str = "",
        now: float | None = None,
    ) -> tuple[int, Any]:
        response = self.raw(method, path, body, query, now)
        assert response.headers["content-type"] == "application/json"
        return response.status, orjson.loads(response.body)

    def status(
        self, method: str, path: str, body: Any = None, now: float | None = None
    ) -> int:
        return self.call(method, path, body, now=now)[0]

    def upsert(self, identifier: str, now: float | None = None, **fields: Any) -> int:
        body = {**ILSE, **fields}
        status, reply = self.call(
            "POST",
            f"/contact/create_or_update/{quote(identifier, safe='')}",
            body,
            now=now,
        )
        assert status == 200, reply
        contact: int = reply["contactId"]
        return contact

    def read(self, identifier: str | int, now: float | None = None) -> tuple[int, Any]:
        named = f"id:{identifier}" if isinstance(identifier, int) else identifier
        return self.call("GET", f"/contact/{quote(named, safe='')}", now=now)

    def listed(
        self,
        *conditions: Any,
        join: str = "$and",
        query: str = "limit=100",
        **more: Any,
    ) -> list[int]:
        body = {"search": "", "timezone": "UTC", "filter": {join: conditions}, **more}
        status, reply = self.call("POST", "/contact/list", body, query)
        assert status == 200, reply
        return [row["id"] for row in reply["items"]]


def field(name: str, operator: str, value: Any = None) -> Any:
    return {
        "category": "contactField",
        "field": name,
        "operator": operator,
        "value": value,
    }


def pairs(**values: Any) -> Any:
    return [{"name": name, "value": value} for name, value in values.items()]
