"""Reports of the verbs, for people and for programs.

A *verb* is a command of the command line or a method of ``Project``. Each returns
reports, one for each destination, which have three sides: attributes, for Python;
``raise_for_status``, which turns a failure into an exception; and ``public``, the
object that ``--json`` prints. The names in ``public`` are part of the documented
interface and do not change. Reports about copies at the vendor are in ``model.copies``,
those of ``plan`` and ``status`` in modules of these names, those about consent in
``model.erasure``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from syncengine.errors import ReportError, SyncEngineError
from syncengine.model.http import Json
from syncengine.model.open_words import OpenWords
from syncengine.model.progress import RunSnapshot
from syncengine.model.public import public_or_none
from syncengine.model.run_forecast import RunForecast
from syncengine.model.work import Standing

CONTACTS = (
    "changed",
    "applied",
    "rejected",
    "deferred",
    "unsupported",
    "suppressed",
    "unknown",
)
"""Names under which a run counts its contacts: all of them, and by outcome."""
FELL_SHORT = ("rejected", "deferred", "unknown")
"""Outcomes that a person should look at."""


def with_gone(contacts: Mapping[str, int]) -> dict[str, int]:
    """Return a run's contacts by outcome together with those that were found gone.

    A run counts these under ``changed``, the sum of all, and under no other name.
    """
    numbers = dict(contacts)
    named = sum(contacts.get(outcome, 0) for outcome in CONTACTS[1:])
    gone = contacts.get("changed", 0) - named
    if gone > 0:
        numbers["gone"] = gone
    return numbers


class RunStatus(OpenWords):
    """Ways in which the work at one destination ends."""

    DONE = "done"
    """All was done; contacts that stand are counted elsewhere."""
    INCOMPLETE = "incomplete"
    """Something fell short: contacts were rejected or deferred, or their outcome is
    unknown."""
    HALTED = "halted"
    """The account stopped, for example for a bad key or a quota that is used up."""
    STOPPED = "stopped"
    """Somebody asked the run to stop; it ended cleanly."""
    REFUSED = "refused"
    """Nothing was sent: configuration, database, source or a brake."""
    HELD = "held"
    """Nothing was sent: another run works on the account."""
    REJECTED = "rejected"
    """The vendor refused to merge; of a merge only."""
    UNREADABLE = "unreadable"
    """The vendor does not show its contacts; of ``verify`` and ``adopt`` only."""
    RUNNING = "running"
    """It is under way; of what was noted of a run only."""
    DIED = "died"
    """Its process ended without a word; of what was noted of a run only."""


def present_status(noted: RunStatus, *, holds_lease: bool) -> RunStatus:
    """Return the status of a run right now, from the one that its process noted.

    A process that was killed notes nothing more: its lease runs out, or another takes
    it. ``holds_lease``: the lease under which the run began is still its own.
    """
    if noted is RunStatus.RUNNING and not holds_lease:
        return RunStatus.DIED
    return noted


def error_of(
    report: DestinationReport,
    status: RunStatus,
    message: str,
    cause: SyncEngineError | None,
) -> SyncEngineError:
    """Return the exception that ``raise_for_status`` of a report raises.

    Where nothing was sent it is ``cause``, the error that refused the run. Otherwise it
    is a ReportError, with ``cause`` as its ``__cause__``.
    """
    nothing_sent = status in (RunStatus.REFUSED, RunStatus.HELD)
    if nothing_sent and cause is not None:
        return cause
    # Most messages begin with the destination: it is not repeated.
    text = message.removeprefix(f"{report.destination}: ")
    error = ReportError(f"{report.destination}: {status.value}: {text}", report)
    error.__cause__ = cause
    return error


class DestinationReport(Protocol):
    """Report of any verb: it is about one destination."""

    @property
    def destination(self) -> str: ...

    @property
    def ok(self) -> bool: ...

    def raise_for_status(self) -> None: ...

    def public(self) -> dict[str, Json]: ...


ReportT = TypeVar("ReportT", bound=DestinationReport)


class Reports(tuple[ReportT, ...]):
    """The reports of one call, one for each destination, in their order. A tuple."""

    __slots__ = ()

    @property
    def ok(self) -> bool:
        """Return whether everything was done at every destination."""
        return all(report.ok for report in self)

    def of(self, destination: str) -> ReportT:
        """Return the report of one destination. Raises KeyError."""
        for report in self:
            if report.destination == destination:
                return report
        raise KeyError(destination)

    def public(self) -> list[dict[str, Json]]:
        """Return the objects that the verb prints with ``--json``."""
        return [report.public() for report in self]

    def raise_for_status(self) -> None:
        """Raise the exception of the first report that is not ``ok``.

        Notes of the exception (``__notes__``) tell of the others.
        """
        failed = [report for report in self if not report.ok]
        if not failed:
            return
        first, *others = failed
        try:
            first.raise_for_status()
        except SyncEngineError as error:
            for other in others:
                error.add_note(f"{other.destination} failed, too")
            raise


@dataclass(frozen=True, slots=True)
class Noteworthy:
    """A contact worth a look."""

    contact_id: str
    outcome: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """One destination's run. The names in ``public`` are stable."""

    destination: str
    run_id: int | None
    """None where the run was refused before it began."""
    status: RunStatus
    contacts: Mapping[str, int] = field(
        default_factory=lambda: dict.fromkeys(CONTACTS, 0)
    )
    standing: Mapping[Standing, int] | None = None
    """Contacts that are not in step and not tried any more, by reason; None where the
    state could not be read."""
    left_alone: int = 0
    """Of the rejected contacts those that no later run tries by itself: they are among
    the standing ones now."""
    left_alone_alike: int = 0
    """Of these the ones that were refused alike: the next run tries one for all, and all
    once it is accepted."""
    acquitted: int = 0
    """Of the deferred contacts those that were refused alike when the account was
    halted: the next run tries one for all, and all once it is accepted. They are among
    the standing ones, too."""
    actions: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    requests: int = 0
    probes: int = 0
    """Contacts that were tried as a probe, to see whether the vendor now accepts what
    it refused of others."""
    throttled: int = 0
    """Number of times that the vendor refused a request for its rate limit."""
    seconds: float = 0.0
    forecast: RunForecast | None = None
    """Forecast of the run, and how right it was; None where its contacts
    were not planned beforehand."""
    undo_of: int | None = None
    """The run that this one takes back; None where it is no undo."""
    error: str | None = None
    noteworthy: tuple[Noteworthy, ...] = ()
    """Contacts worth a look, as many as are shown."""
    remarks: tuple[str, ...] = ()
    """Remarks for a person although nothing fell short."""
    cause: SyncEngineError | None = field(default=None, repr=False, compare=False)
    """The error that ended the run, where one did."""

    @property
    def ok(self) -> bool:
        """Return whether everything was done."""
        return self.status is RunStatus.DONE

    def raise_for_status(self) -> None:
        """Raise an exception unless everything was done.

        Raises the error that refused the run (RunRefused, LeaseHeld), or else
        ReportError.
        """
        if not self.ok:
            raise error_of(
                self, self.status, self.error or self._shortfall(), self.cause
            )

    def _shortfall(self) -> str:
        """Return what fell short, in words: ``3 rejected, 1 deferred``."""
        parts: list[str] = []
        for name in FELL_SHORT:
            number = self.contacts.get(name, 0)
            if number:
                parts.append(f"{number} {name}")
        return ", ".join(parts)

    def public(self) -> dict[str, Json]:
        """Return the object that ``run --json`` prints."""
        return {
            "destination": self.destination,
            "run_id": self.run_id,
            "status": self.status.value,
            "contacts": dict(self.contacts),
            "standing": public_standing(self.standing),
            "actions": dict(self.actions),
            "calls": self.calls,
            "requests": self.requests,
            "probes": self.probes,
            "throttled": self.throttled,
            "seconds": round(self.seconds, 3),
            "forecast": public_or_none(self.forecast),
            "undo_of": self.undo_of,
            "error": self.error,
        }


def standing_from(public: Mapping[str, Json]) -> dict[Standing, int]:
    """Return the number of every reason in what ``public_standing`` has returned."""
    numbers = dict.fromkeys(Standing, 0)
    for name, number in public.items():
        if isinstance(number, int):
            numbers[Standing(name)] = number
    return numbers


def public_standing(standing: Mapping[Standing, int] | None) -> dict[str, Json]:
    """Return every reason with its number; None where the state could not be read."""
    if standing is None:
        return {reason.value: None for reason in Standing}
    numbers = {reason: standing.get(reason, 0) for reason in Standing}
    # A newer release may leave contacts alone for a reason of its own.
    return {reason.value: number for reason, number in {**numbers, **standing}.items()}


@dataclass(frozen=True, slots=True)
class PruneReport:
    """Numbers of what was deleted."""

    older_than: float
    """Seconds since a run's end."""
    runs: int
    batches: int
    outcomes: int
    changes: int
    quota_minutes: int
    seconds: float

    def public(self) -> dict[str, Json]:
        """Return the object that ``prune --json`` prints."""
        return {
            "older_than": self.older_than,
            "runs": self.runs,
            "batches": self.batches,
            "outcomes": self.outcomes,
            "changes": self.changes,
            "quota_minutes": self.quota_minutes,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class RenameReport:
    """A destination that has a new name."""

    old: str
    new: str
    contacts: int
    """Number of contacts that the state has of it."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``rename --json`` prints."""
        return {
            "old": self.old,
            "new": self.new,
            "status": "done",
            "contacts": self.contacts,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    area: str
    ok: bool
    message: str
    note: bool = False
    """True where nothing was checked, and the text is information only."""
    stops_run: bool = True
    """False where a run goes on although the check failed: then the vendor refuses
    contacts, or drops values, that do not fit."""

    def public(self) -> dict[str, Json]:
        """Return one line of ``check --json``."""
        return {"area": self.area, "ok": self.ok, "message": self.message}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Report of ``check``: all that it looked at."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Return whether every check passed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """Return the checks that did not pass."""
        return tuple(check for check in self.checks if not check.ok)

    def public(self) -> list[dict[str, Json]]:
        """Return the objects that ``check --json`` prints, one for each check."""
        return [check.public() for check in self.checks]

    def raise_for_status(self) -> None:
        """Raise ReportError unless every check passed."""
        if not self.ok:
            lines = [f"{check.area}: {check.message}" for check in self.failures]
            raise ReportError("\n".join(lines), self)


class Progress(Protocol):
    """Receives the progress of a run."""

    def started(self, destination: str, total: int) -> None: ...

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...

    def finished(self, destination: str) -> None: ...


@runtime_checkable
class LiveProgress(Progress, Protocol):
    """Receives more of the progress: a snapshot every second, and a last one."""

    def updated(self, destination: str, snapshot: RunSnapshot) -> None: ...


class NoProgress:
    """Progress that is not shown."""

    def started(self, destination: str, total: int) -> None: ...

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...

    def finished(self, destination: str) -> None: ...
