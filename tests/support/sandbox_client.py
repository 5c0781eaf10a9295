"""A client that calls a twin without a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson

from syncengine.model.http import Response
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import Twin, TwinRequest

CONTACTS = "/api/v1beta/contacts"
BODY = {"external_reference_id": "crm-1", "source_type": "acme"}
ERASE = "/api/v0/people/cleanup/gdpr/"
AUTH = {
    "charles": {"x-api-key": "sandbox-key"},
    "respond_io": {"authorization": "Bearer sandbox-token"},
}


class Client:
    def __init__(self, name: str, **switches: Any) -> None:
        self.twin: Twin = load(name)
        self.twin.configure(switches)
        self.headers = AUTH[name]

    def raw(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        query: str = "",
        now: float = 0.0,
    ) -> Response:
        return self.twin.handle(
            TwinRequest(method, path, query, self.headers, body), now
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: str = "",
        now: float = 0.0,
    ) -> tuple[int, Any]:
        response = self.raw(
            method, path, b"" if body is None else orjson.dumps(body), query, now
        )
        assert response.headers["content-type"] == "application/json"
        return response.status, orjson.loads(response.body)

    def put(self, now: float = 0.0, **body: Any) -> Any:
        status, reply = self.call("PUT", CONTACTS, {**BODY, **body}, now=now)
        assert status == 200, reply
        return reply["data"]

    def fields(self, now: float = 0.0) -> Any:
        (contact,) = self.twin.contacts(now)
        return contact["fields"]

    def create(self, **fields: Any) -> str:
        status, reply = self.call("POST", "/contact/", pairs(fields))
        assert status == 200, reply
        contact_id: str = reply["data"]["id"]
        return contact_id

    def find(self, name: str, value: str, page: int = 1) -> Any:
        query = urlencode({"name": name, "value": value, "page": page})
        status, reply = self.call("GET", "/contact/by_custom_field", query=query)
        assert status == 200, reply
        return reply


def pairs(fields: dict[str, Any]) -> Any:
    return {
        "custom_fields": [
            {"name": name, "value": value} for name, value in fields.items()
        ]
    }
