"""Report of ``status``: what the state knows of each destination right now.

Nothing is asked of a vendor for it: it shows the last run, the contacts that are not in
step, and whether some process works on the account at this moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.model.alerts import AlertKind, Concern
from syncengine.model.desk import iso
from syncengine.model.http import Json
from syncengine.model.progress import RunSnapshot
from syncengine.model.public import public_or_none
from syncengine.model.reports import RunStatus, error_of, public_standing
from syncengine.model.work import RunKind, Standing


@dataclass(frozen=True, slots=True)
class LastRun:
    """The run of a destination that started last."""

    run_id: int
    kind: RunKind
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    """None while it is under way."""
    contacts: Mapping[str, int] = field(default_factory=dict)
    """Its contacts by outcome; empty while it is under way."""
    error: str | None = None

    def public(self) -> dict[str, Json]:
        """Return the object ``last_run`` of ``status --json``; times are ISO 8601."""
        return {
            "run_id": self.run_id,
            "kind": self.kind.value,
            "status": self.status.value,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "contacts": dict(self.contacts),
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The process that works on an account right now."""

    holder: str
    """Its host and process id."""
    expires_at: datetime
    """Moment at which its lease runs out, unless it renews it."""

    def public(self) -> dict[str, Json]:
        """Return the object ``lease`` of ``status --json``."""
        expires_at = self.expires_at.isoformat(timespec="seconds")
        return {"holder": self.holder, "expires_at": expires_at}


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One destination as the state has it. The names in ``public`` are stable."""

    destination: str
    account: str
    last_run: LastRun | None = None
    """None where it never ran, or its runs were pruned."""
    standing: Mapping[Standing, int] = field(default_factory=dict)
    """Contacts that are not in step and not tried any more, by reason."""
    standing_codes: Mapping[Standing, Mapping[str, int]] = field(default_factory=dict)
    """Number of those among them that have a code, by reason and code."""
    in_step: bool | None = None
    """True where the newest run about all contacts did everything, and each about some
    of them since; None while one is under way, or where there was none about all."""
    whole_run: int | None = None
    """The newest run that sends and looked at all contacts."""
    progress: RunSnapshot | None = None
    """Progress of the run under way, as it has written down itself."""
    lease: LeaseHolder | None = None
    """Process that works on its account right now; None: there is none."""
    open_erasures: int = 0
    """Forgotten contacts that are not erased there yet, or whose vendor is still to be
    asked."""
    alerts: Mapping[Concern, AlertKind] = field(default_factory=dict)
    """The alerts that stand, by what they are about."""
    undelivered_alerts: int = 0
    """Messages about alerts that a target has not taken yet."""
    held_back: int = 0
    """Contacts of which an undo took something back that no run sends again."""

    @property
    def ok(self) -> bool:
        """Return whether the last run did everything, or is under way."""
        if self.last_run is None:
            return True
        return self.last_run.status in (RunStatus.DONE, RunStatus.RUNNING)

    def raise_for_status(self) -> None:
        """Raise ReportError unless the last run did everything, or is under way."""
        if self.last_run is not None and not self.ok:
            message = self.last_run.error or f"run {self.last_run.run_id}"
            raise error_of(self, self.last_run.status, message, None)

    def public(self) -> dict[str, Json]:
        """Return the object that ``status --json`` prints."""
        return {
            "destination": self.destination,
            "account": self.account,
            "last_run": public_or_none(self.last_run),
            "in_step": self.in_step,
            "whole_run": self.whole_run,
            "progress": public_or_none(self.progress),
            "standing": public_standing(self.standing),
            "standing_codes": {
                reason.value: dict(codes)
                for reason, codes in sorted(self.standing_codes.items())
            },
            "lease": public_or_none(self.lease),
            "open_erasures": self.open_erasures,
            "alerts": {
                concern.value: kind.value for concern, kind in self.alerts.items()
            },
            "undelivered_alerts": self.undelivered_alerts,
            "held_back": self.held_back,
        }
