"""Alerts: what is wrong at a destination, and the message about each change of that.

A *concern* is something that is watched: how the last whole run ended, how many
contacts are left alone, how long ago the last success was. It is in one state at a time: ok, or
one kind of alert. Every change of state is one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from syncengine.model.desk import iso
from syncengine.model.http import Json
from syncengine.model.open_words import OpenWords


class AlertKind(OpenWords):
    """Kinds of messages, as ``on:`` names them in the configuration."""

    FAILED = "failed"
    """The last run was refused, or died."""
    PARTLY_FAILED = "partly_failed"
    """The last run left contacts rejected, deferred or unknown."""
    BRAKED = "braked"
    """The last run would have changed more than its brakes allow, and sent nothing."""
    HALTED = "halted"
    """The account stopped, such as for a bad key or a quota that is used up."""
    STANDING = "standing"
    """Many more contacts than before are left alone, out of step."""
    STALE = "stale"
    """No run was done for too long."""
    RECOVERED = "recovered"
    """The alert before is over."""


class Concern(OpenWords):
    """Subject of alerts: what is watched at a destination."""

    RUN = "run"
    STANDING = "standing"
    STALE = "stale"


OK = "ok"
"""State of a concern about which there is nothing to say."""


@dataclass(frozen=True, slots=True)
class AlertState:
    """State of one concern at one destination."""

    destination: str
    concern: Concern
    state: str = OK
    """``ok``, or the kind of the alert that is not over."""
    since: datetime | None = None
    """When it came into this state; None: it is new."""
    run_id: int | None = None
    """The run that brought it there, where one did."""
    lowest: int | None = None
    """Smallest number of contacts that was seen; of ``standing`` alone."""
    reported: int | None = None
    """Number that the last alert reported; of ``standing`` alone."""
    succeeded_at: datetime | None = None
    """End of the last whole run that was done; of ``run`` alone."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``alerts --json`` prints."""
        return {
            "destination": self.destination,
            "concern": self.concern.value,
            "state": self.state,
            "since": iso(self.since),
            "run_id": self.run_id,
            "succeeded_at": iso(self.succeeded_at),
        }


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One change of state, to be delivered. It holds no value and no contact's id."""

    destination: str
    kind: AlertKind
    text: str
    """One or two sentences: what happened, where, and what to do next."""
    over: AlertKind | None = None
    """Kind of the alert that is over; of a recovery alone."""
    run_id: int | None = None
    contacts: Mapping[str, int] | None = None
    """The run's counts of contacts by outcome, where a run is what it is about."""

    def public(self) -> dict[str, Json]:
        """Return the JSON object that a webhook receives."""
        contacts: dict[str, Json] | None = None
        if self.contacts is not None:
            contacts = dict(self.contacts)
        return {
            "text": self.text,
            "destination": self.destination,
            "kind": self.kind.value,
            # An enum of texts: JSON has its text, or null.
            "over": self.over,
            "run_id": self.run_id,
            "contacts": contacts,
        }


@dataclass(frozen=True, slots=True)
class UndeliveredAlerts:
    """Messages that one target has not taken yet."""

    target: str
    number: int
    oldest: datetime
    attempts: int
    """Attempts to deliver the oldest one."""
    error: str
    """Reason why the last attempt failed; empty before the first one."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``alerts --json`` prints."""
        return {
            "target": self.target,
            "undelivered": self.number,
            "oldest": iso(self.oldest),
            "attempts": self.attempts,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class AlertTest:
    """Result of a message that tries a target."""

    target: str
    error: str | None
    """Reason why the target did not take it; None where it did."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``alerts test --json`` prints."""
        return {"target": self.target, "error": self.error}
