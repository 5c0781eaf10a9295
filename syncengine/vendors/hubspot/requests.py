"""The requests of HubSpot's API, as far as contacts go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from syncengine.vendor import Json, Request, path_segment
from syncengine.vendors.hubspot.settings import HubSpotSettings

_CONTACT_TYPE = "0-1"
"""HubSpot's number of the object type ``contacts``."""
PER_PAGE = 100
"""Contacts on a page of all contacts; the vendor's maximum."""
PER_SEARCH_PAGE = 200
"""Hits on a page of a search; the vendor's maximum."""
LONGEST_SEARCH = 3_000
"""Characters that the body of a search may have."""
_Query: TypeAlias = tuple[tuple[str, str], ...]
"""Parameters of a query: names and plain values."""


class HubSpotRequests:
    """Makes requests with the account's token and the configured version of paths."""

    def __init__(self, settings: HubSpotSettings) -> None:
        self._headers = {
            "accept": "application/json",
            "authorization": f"Bearer {settings.token.get_secret_value()}",
        }
        self._version = settings.path_version

    def properties(self) -> Request:
        """Return the request for the definitions of all properties."""
        path = f"{self._area('properties')}/contacts"
        return self._request("GET", path, query=(("archived", "false"),), lists=True)

    def one(self, method: str, contact: str, json: Json = None) -> Request:
        """Return a request that changes the contact with an id."""
        path = f"{self._contacts()}/{path_segment(contact)}"
        return self._request(method, path, f"{self._contacts()}/{{id}}", json=json)

    def read(self, contact: str, properties: Sequence[str]) -> Request:
        path = f"{self._contacts()}/{path_segment(contact)}"
        query = (("properties", ",".join(properties)),)
        return self._request("GET", path, f"{self._contacts()}/{{id}}", query=query)

    def page(self, cursor: str | None, properties: Sequence[str]) -> Request:
        """Return the request for a page of all contacts."""
        query: _Query = (
            ("limit", str(PER_PAGE)),
            ("properties", ",".join(properties)),
        )
        if cursor is not None:
            query = (*query, ("after", cursor))
        return self._request("GET", self._contacts(), query=query, lists=True)

    def create(self, json: Json) -> Request:
        return self._request("POST", self._contacts(), json=json)

    def merge(self, into: str, other: str) -> Request:
        body = {"primaryObjectId": into, "objectIdToMerge": other}
        return self._request("POST", f"{self._contacts()}/merge", json=body)

    def erase(self, contact: str) -> Request:
        # By e-mail, an address that nobody has would be blocked for good.
        body = {"objectId": contact}
        return self._request("POST", f"{self._contacts()}/gdpr-delete", json=body)

    def batch(self, action: str, inputs: Sequence[Json]) -> Request:
        """Return the request for ``create``, ``update``, ``upsert`` or ``archive``."""
        path = f"{self._contacts()}/batch/{action}"
        body = {"inputs": list(inputs)}
        return self._request("POST", path, json=body, lists=True, items=len(inputs))

    def batch_read(
        self, ids: Sequence[str], id_property: str | None, properties: Sequence[str]
    ) -> Request:
        """Return the request for contacts by id, or by a unique property."""
        body: dict[str, Json] = {
            "properties": list(properties),
            "inputs": [{"id": each} for each in ids],
        }
        if id_property is not None:
            body["idProperty"] = id_property
        path = f"{self._contacts()}/batch/read"
        return self._request(
            "POST", path, json=body, reads=True, lists=True, items=len(ids)
        )

    def search(self, body: Json, items: int) -> Request:
        """Return the request for a search, which asks for so many contacts."""
        path = f"{self._contacts()}/search"
        return self._request(
            "POST", path, json=body, reads=True, lists=True, items=items
        )

    def change_list(
        self, list_id: str, change: str, contacts: Sequence[str]
    ) -> Request:
        """Return the request to ``add`` contacts to a list, or to ``remove`` them."""
        lists = self._area("lists")
        path = f"{lists}/{path_segment(list_id)}/memberships/{change}"
        route = f"{lists}/{{list}}/memberships/{change}"
        items = len(contacts)
        return self._request("PUT", path, route, json=list(contacts), items=items)

    def lists_of(self, contact: str) -> Request:
        """Return the request for the lists that a contact is in."""
        records = f"{self._area('lists')}/records/{_CONTACT_TYPE}"
        path = f"{records}/{path_segment(contact)}/memberships"
        route = f"{records}/{{id}}/memberships"
        return self._request("GET", path, route, lists=True)

    def _contacts(self) -> str:
        return f"{self._area('objects')}/contacts"

    def _area(self, name: str) -> str:
        """Return the beginning of the paths of one part of the API."""
        if self._version == "v3":
            return f"/crm/v3/{name}"
        return f"/crm/{name}/{self._version}"

    def _request(
        self,
        method: str,
        path: str,
        route: str | None = None,
        *,
        query: _Query = (),
        json: Json = None,
        reads: bool = False,
        lists: bool = False,
        items: int = 1,
    ) -> Request:
        """Return a request; its route is the path unless one is given.

        ``items`` is the number of contacts that it carries.
        """
        return Request(
            method,
            path,
            route=f"{method} {route or path}",
            query=query,
            headers=self._headers,
            json=json,
            reads=reads,
            lists=lists,
            # A batch of none is made for its route alone.
            items=max(1, items),
        )
