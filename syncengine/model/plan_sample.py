"""Single contacts of a plan, with their values and the requests about them.

They hold personal data, and are made only for somebody who asked for them. Secrets are
replaced by a marker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.model.http import Json
from syncengine.model.public import public_or_none

SECRET = "[secret]"  # noqa: S105 - what stands for one
"""What stands in a request for a key."""


class RequestCase(StrEnum):
    """Cases in which a request goes out."""

    ALWAYS = "always"
    NOT_FOUND = "not_found"
    """The look-up before it found no contact."""
    FOUND = "found"
    """The look-up found a contact. What differs there is sent: the request is shown
    with everything that may differ."""
    AS_KNOWN = "as_known"
    """Reading the contact back shows what is known of it."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One HTTP request, without its secrets."""

    method: str
    path: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: Json = field(repr=False)

    def public(self) -> dict[str, Json]:
        """Return the object that ``plan --json`` prints."""
        return {
            "method": self.method,
            "path": self.path,
            "query": [list(pair) for pair in self.query],
            "headers": dict(self.headers),
            "body": self.body,
        }


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One look-up or call about a contact."""

    case: RequestCase
    action: str
    """The action of a call, ``look_up`` or ``read``."""
    request: PlannedRequest | None
    """The first request; None where the adapter sends none."""
    more: int = 0
    """Number of requests that follow it: they depend on its answer."""
    following: tuple[PlannedRequest, ...] = ()
    """These requests, if the vendor has just what is known of the contact. Empty where
    they cannot be foreseen."""
    contacts: int = 1
    """Number of contacts of which a run sends the like in one request, at most."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``plan --json`` prints."""
        return {
            "case": self.case.value,
            "action": self.action,
            "request": public_or_none(self.request),
            "more": self.more,
            "following": [each.public() for each in self.following],
            "contacts": self.contacts,
        }


@dataclass(frozen=True, slots=True)
class SampledContact:
    """Plan of a run for one contact."""

    contact_id: str
    why: str
    """A reason of ``PlanReport.why``; empty where nothing is sent."""
    causes: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    """Its calls by action, in order, where look-ups find no contact."""
    fields: Mapping[str, Mapping[str, Json]] = field(default_factory=dict, repr=False)
    """By field: ``new``, and ``old`` where that is known. None stands for no value."""
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    """Changes that the vendor cannot express, in words."""
    refusal: str | None = None
    """Code and message of a check of ours, where one refuses the contact."""
    steps: tuple[PlannedStep, ...] = ()
    """Look-ups and calls with their requests; only for contacts that were named."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``plan --json`` prints."""
        return {
            "contact": self.contact_id,
            "why": self.why,
            "causes": list(self.causes),
            "actions": list(self.actions),
            "fields": {name: dict(each) for name, each in self.fields.items()},
            "tags_added": list(self.tags_added),
            "tags_removed": list(self.tags_removed),
            "unsupported": list(self.unsupported),
            "refusal": self.refusal,
            "steps": [step.public() for step in self.steps],
        }
