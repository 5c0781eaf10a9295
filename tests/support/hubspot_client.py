"""A client that calls HubSpot's twin without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from syncengine.model.http import Response
from syncengine.sandbox.twins.hubspot.twin import HubSpotTwin
from syncengine.sandbox.twins.twin import TwinRequest

CONTACTS = "/crm/v3/objects/contacts"


class HubSpotClient:
    """The twin with some switches; times are given with each request."""

    def __init__(self, **switches: Any) -> None:
        self.twin = HubSpotTwin()
        self.twin.configure(switches)
        self.token = "sandbox-token"

    def request(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Return a request; a path that begins with no slash is about contacts."""
        if not path.startswith("/"):
            path = f"{CONTACTS}/{path}".rstrip("/")
        headers = {"authorization": f"Bearer {self.token}"}
        content = b"" if body is None else orjson.dumps(body)
        return TwinRequest(method, path, urlencode(query), headers, content)

    def raw(
        self, method: str, path: str, body: Any = None, now: float = 0.0, **query: str
    ) -> Response:
        return self.twin.handle(self.request(method, path, body, **query), now)

    def call(
        self, method: str, path: str, body: Any = None, now: float = 0.0, **query: str
    ) -> tuple[int, Any]:
        response = self.raw(method, path, body, now, **query)
        return response.status, orjson.loads(response.body or b"null")

    def create(self, **properties: Any) -> str:
        """Create a contact, and return its record id."""
        given = {"firstname": "Ann", **properties}
        status, shown = self.call("POST", "", {"properties": given})
        assert status == 201, shown
        return str(shown["id"])

    def update(self, contact: str, **properties: Any) -> tuple[int, Any]:
        return self.call("PATCH", contact, {"properties": properties})

    def batch(self, kind: str, inputs: Sequence[Any], **more: Any) -> tuple[int, Any]:
        return self.call("POST", f"batch/{kind}", {"inputs": inputs, **more})

    def search(self, now: float = 0.0, *filters: Any, **more: Any) -> Any:
        """Return the ids that a search finds, or the error of a refused one."""
        body = {"filterGroups": [{"filters": filters}] if filters else [], **more}
        status, found = self.call("POST", "search", body, now)
        if status != 200:
            return found["message"]
        return [each["id"] for each in found["results"]]

    def values(self, contact: str) -> Any:
        """Return the properties that the twin stores for a contact."""
        return dict(self.twin.store.account.contacts.active[contact].values)


def made(number: int, **properties: Any) -> dict[str, Any]:
    """Return an input of a batch of creates; its trace id is ``t`` and the number."""
    given = {"firstname": "Ann", "crm_id": str(number), **properties}
    return {"objectWriteTraceId": f"t{number}", "properties": given}


def named(contact: str, key: str | None = None, **properties: Any) -> dict[str, Any]:
    """Return an input about a contact, whose trace id is its id."""
    given = {"id": contact, "objectWriteTraceId": contact, "properties": properties}
    if key is not None:
        given["idProperty"] = key
    return given


def without_trace(given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in given.items() if name != "objectWriteTraceId"
    }
