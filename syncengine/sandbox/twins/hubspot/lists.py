"""Static lists of HubSpot: which contacts are on them."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.model.http import Json, Response
from syncengine.sandbox.twins.hubspot.store import HubSpotContact, HubSpotStore
from syncengine.sandbox.twins.hubspot.wire import invalid_request, not_found
from syncengine.sandbox.twins.kit.answers import answer, iso_time


class HubSpotLists:
    """Answers requests about lists, over a store."""

    def __init__(self, store: HubSpotStore) -> None:
        self._store = store

    def change(
        self, list_id: str, add: Sequence[str], remove: Sequence[str], now: float
    ) -> Response:
        """Put contacts on a list, and take others off it.

        Documented: ids that do not exist come back as missing, and who is there
        already, or is not, is passed over.
        """
        self._check(list_id)
        if list_id in self._store.switches.dynamic_lists:
            raise invalid_request("Only MANUAL and SNAPSHOT lists have memberships")
        missing: list[Json] = []
        added: list[Json] = []
        removed: list[Json] = []
        for each in dict.fromkeys((*add, *remove)):
            contact = self._store.get(each)
            if contact is None:
                missing.append(each)
            elif each in remove:
                if contact.lists.pop(list_id, None) is not None:
                    removed.append(each)
            elif list_id not in contact.lists:
                contact.lists[list_id] = now
                added.append(each)
        body = {
            # The vendor's own spelling, with an s more than the others.
            "recordsIdsAdded": added,
            "recordIdsRemoved": removed,
            "recordIdsMissing": missing,
        }
        return answer(200, body)

    def of_contact(self, contact_id: str) -> Response:
        """Return the lists that a contact is on."""
        contact = self._store.get(contact_id)
        if contact is None:
            raise not_found(contact_id)
        results = [
            {
                "listId": list_id,
                "listVersion": 1,
                "firstAddedTimestamp": iso_time(at),
                "lastAddedTimestamp": iso_time(at),
            }
            for list_id, at in contact.lists.items()
        ]
        return answer(200, {"results": results, "total": len(results)})

    def members(self, list_id: str) -> Response:
        """Return all members of a list on one page."""
        self._check(list_id)
        results = [
            {
                "recordId": each.id,
                "membershipTimestamp": iso_time(each.lists[list_id]),
            }
            for each in self._on(list_id)
        ]
        return answer(200, {"results": results, "total": len(results)})

    def shown(self, list_id: str) -> Response:
        """Return the definition of a list."""
        self._check(list_id)
        is_dynamic = list_id in self._store.switches.dynamic_lists
        shown = {
            "listId": list_id,
            "listVersion": 1,
            "name": f"List {list_id}",
            "objectTypeId": "0-1",
            "processingType": "DYNAMIC" if is_dynamic else "MANUAL",
            "processingStatus": "COMPLETE",
            "size": len(self._on(list_id)),
        }
        return answer(200, {"list": shown})

    def _on(self, list_id: str) -> list[HubSpotContact]:
        contacts = self._store.account.contacts.active.values()
        return [each for each in contacts if list_id in each.lists]

    def _check(self, list_id: str) -> None:
        """Refuse a list that does not exist."""
        if not self._store.has_list(list_id):
            raise not_found(list_id)
