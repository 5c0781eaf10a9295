"""HTTP methods of the requests that a plan leads to.

Some vendors limit each method by itself, so the time of a run depends on how many
requests of each it sends. An adapter is asked for the first request of an exchange: its
later requests are counted under the same method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from syncengine.model.calls import Call
from syncengine.model.http import Request
from syncengine.planning.attempt.steps import Find, Read, Send
from syncengine.planning.exchanges import first_request
from syncengine.planning.waves import VendorStep
from syncengine.ports import BulkVendor, Vendor

_ANY_ID = "1"
_OTHER_ID = "2"
"""External ids in requests that are looked at and never sent."""


@dataclass(frozen=True, slots=True)
class RequestMethods:
    """Tells the HTTP methods of a vendor's requests."""

    vendor: Vendor

    def method_of(self, step: VendorStep, is_shared: bool) -> str:  # noqa: FBT001
        """Return the method of a step's first request; empty where it has none.

        ``is_shared``: the request carries several contacts.
        """
        if is_shared and isinstance(self.vendor, BulkVendor):
            request = _first_for_many(self.vendor, step)
        else:
            request = _first_for_one(self.vendor, step)
        return "" if request is None else request.method


def _first_for_one(vendor: Vendor, step: VendorStep) -> Request | None:
    match step:
        case Find(key):
            return first_request(vendor.find(key))
        case Read():
            return first_request(vendor.read(_ANY_ID))
        case Send(call):
            return first_request(vendor.send(_addressed(call, _ANY_ID)))


def _first_for_many(vendor: BulkVendor, step: VendorStep) -> Request | None:
    match step:
        case Find(key):
            return first_request(vendor.find_many((key,)))
        case Read():
            return first_request(vendor.read_many((_ANY_ID, _OTHER_ID)))
        case Send(call):
            # A single call might take the request for one contact.
            another = replace(call, contact_id=f"{call.contact_id} and another")
            calls = _addressed(call, _ANY_ID), _addressed(another, _OTHER_ID)
            return first_request(vendor.send_many(calls))


def _addressed(call: Call, external_id: str) -> Call:
    return replace(call, external_id=external_id)
