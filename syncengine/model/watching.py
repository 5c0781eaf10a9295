"""Report of ``watch``: a destination's newest run at one moment, as the state has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncengine.model.desk import iso
from syncengine.model.http import Json
from syncengine.model.progress import RunSnapshot
from syncengine.model.public import public_or_none
from syncengine.model.reports import RunStatus
from syncengine.model.work import RunKind


class WatchState(StrEnum):
    """State of a destination's newest run."""

    NEVER_RAN = "never_ran"
    RUNNING = "running"
    """It is under way: its process renews the lease of the account."""
    DIED = "died"
    """It was not finished, and no process renews its lease any more."""
    ENDED = "ended"


def watch_state(status: RunStatus | None, *, holds_lease: bool) -> WatchState:
    """Return the state of a run with this status; None: there is no run.

    ``holds_lease``: the lease under which it began has neither run out nor been taken.
    """
    if status is None:
        return WatchState.NEVER_RAN
    if status is RunStatus.DIED:
        return WatchState.DIED
    if status is not RunStatus.RUNNING:
        return WatchState.ENDED
    # The state cannot say of a process that it was killed; its lease runs out.
    return WatchState.RUNNING if holds_lease else WatchState.DIED


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """One destination's newest run at one moment. The names in ``public`` are stable."""

    destination: str
    state: WatchState
    now: datetime
    """The moment, by the database's clock."""
    run_id: int | None = None
    """None where it never ran; so are kind, status and started_at."""
    kind: RunKind | None = None
    status: RunStatus | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    holder: str | None = None
    """Host and process id of the process that works on it; None where there is none."""
    snapshot: RunSnapshot | None = None
    """Its progress when it wrote it last."""
    contacts: Mapping[str, int] = field(default_factory=dict)
    """Its contacts by outcome; empty while it is under way."""
    error: str | None = None

    @property
    def age(self) -> float:
        """Return the seconds since it wrote its progress."""
        if self.snapshot is None:
            return 0.0
        return max(0.0, (self.now - self.snapshot.at).total_seconds())

    def public(self) -> dict[str, Json]:
        """Return the object that ``watch --json`` prints."""
        return {
            "destination": self.destination,
            "at": self.now.isoformat(timespec="milliseconds"),
            "state": self.state.value,
            "run_id": self.run_id,
            "kind": self.kind,
            "status": self.status,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "holder": self.holder,
            "progress": public_or_none(self.snapshot),
            "contacts": dict(self.contacts),
            "error": self.error,
        }
