"""HTTP methods of the requests that a plan leads to.

Some vendors limit each method by itself, so the time of a run depends on how many
requests of each it sends. An adapter is asked for the first request of an exchange,
once for each kind of call: its later requests are counted under the same method.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from syncengine.model.calls import Action, Call
from syncengine.model.contact import MatchKey
from syncengine.model.http import Request
from syncengine.planning.exchanges import first_request
from syncengine.ports import Vendor

_ANY_ID = "1"
"""External id in requests that are looked at and never sent."""


@dataclass(slots=True)
class RequestMethods:
    """Counts the requests of a plan by HTTP method."""

    vendor: Vendor
    counts: Counter[str] = field(default_factory=Counter)
    _by_action: dict[Action, str] = field(default_factory=dict)
    _by_key: dict[str, str] = field(default_factory=dict)
    _of_read: str | None = None

    def add_call(self, call: Call, requests: int) -> None:
        """Count the requests of a call."""
        method = self._by_action.get(call.action)
        if method is None:
            addressed = replace(call, external_id=call.external_id or _ANY_ID)
            method = _method(first_request(self.vendor.send(addressed)))
            self._by_action[call.action] = method
        self.counts[method] += requests

    def add_look_ups(self, key: MatchKey, requests: int) -> None:
        """Count requests of look-ups, by a key like this one."""
        method = self._by_key.get(key.field)
        if method is None:
            method = _method(first_request(self.vendor.find(key)))
            self._by_key[key.field] = method
        self.counts[method] += requests

    def add_reads(self, requests: int) -> None:
        """Count requests that read a contact by its id."""
        if self._of_read is None:
            self._of_read = _method(first_request(self.vendor.read(_ANY_ID)))
        self.counts[self._of_read] += requests


def _method(request: Request | None) -> str:
    """Return the method of a request; empty where there is none to look at."""
    return "" if request is None else request.method
