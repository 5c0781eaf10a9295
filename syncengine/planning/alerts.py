"""Changes of alert states, and the messages about them. Pure.

Each function takes the state that the database remembers and what is the case now, and
returns the next state with the message about the change; no message where nothing
changed. So each change is reported once, and a recovery only where an alert came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncengine.model.alerts import OK, AlertKind, AlertMessage, AlertState
from syncengine.model.reports import RunStatus
from syncengine.model.work import Standing

_LEFT_ALONE = (Standing.DEAD_LETTER, Standing.GONE, Standing.UNSUPPORTED)
"""Reasons for leaving a contact alone that need a look; others were asked for."""
_FELL_SHORT = ("rejected", "deferred", "unknown")
"""Outcomes of contacts that a run left behind."""
_STAND = "are out of step and not tried any more"
_KIND_OF_STATUS = {
    RunStatus.INCOMPLETE: AlertKind.PARTLY_FAILED,
    RunStatus.HALTED: AlertKind.HALTED,
    RunStatus.REFUSED: AlertKind.FAILED,
    RunStatus.DIED: AlertKind.FAILED,
    # By a person, or by a machine that was shut down: nobody can tell which.
    RunStatus.STOPPED: AlertKind.PARTLY_FAILED,
}
"""Kinds of alerts by how a run ended. Where another run works on the account, that one
says how it went."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """Facts of a run that is over, for its alerts."""

    destination: str
    run_id: int | None
    status: RunStatus
    is_braked: bool = False
    """True where a brake refused it."""
    error: str = ""
    """Reason why it was halted or braked, in words that name no contact."""
    contacts: Mapping[str, int] | None = None
    """Contacts by outcome."""
    is_whole: bool = True
    """False where it was about some of the contacts: a retry, an undo, or a run by a
    plan file. That it went well says nothing about the others."""


@dataclass(frozen=True, slots=True)
class AlertChange:
    """The next state of a concern, with the message about the change, if it changed."""

    state: AlertState
    message: AlertMessage | None = None


def after_run(before: AlertState, run: EndedRun, now: datetime) -> AlertChange:
    """Return what the end of a run changes."""
    # A part that went well says nothing of the contacts that an alert was about.
    if run.status is RunStatus.DONE and not run.is_whole:
        return AlertChange(before)
    if run.status is RunStatus.STOPPED and not _left_behind(run.contacts):
        return AlertChange(before)
    if run.status is RunStatus.DONE:
        recovered = replace(before, succeeded_at=now)
        text = f"{run.destination}: run {run.run_id} brought everything in step again."
        return _changed(recovered, OK, run.run_id, text, run.contacts)
    kind = _KIND_OF_STATUS.get(run.status)
    if kind is None:
        return AlertChange(before)
    if run.is_braked:
        kind = AlertKind.BRAKED
    return _changed(before, kind.value, run.run_id, _text_of(run, kind), run.contacts)


def after_count(
    before: AlertState,
    standing: Mapping[Standing, int],
    most: int,
    run_id: int | None,
) -> AlertChange:
    """Return what the number of contacts that are left alone changes.

    ``most`` more than the smallest number seen are no alert, one more is. Where the
    number goes on growing, the alert comes again after every ``most`` more.
    """
    number = sum(standing.get(reason, 0) for reason in _LEFT_ALONE)
    # Compared with the best state, not the last one: a number that grows by a few each
    # night would never be reported.
    lowest = number if before.lowest is None else min(before.lowest, number)
    seen = replace(before, lowest=lowest)
    if number <= lowest + most:
        text = f"{before.destination}: only {number} contacts {_STAND} now."
        return _changed(seen, OK, run_id, text)
    is_reported = before.state != OK and before.reported is not None
    if is_reported and number <= (before.reported or 0) + most:
        return AlertChange(seen)
    text = (
        f"{before.destination}: {number} contacts {_STAND}, {number - lowest} more than "
        f"there were once. `syncengine failures -d {before.destination}` lists them."
    )
    alerted = replace(seen, reported=number, state=OK)
    return _changed(alerted, AlertKind.STANDING.value, run_id, text)


def after_time(
    before: AlertState,
    succeeded_at: datetime | None,
    longest: timedelta | None,
    now: datetime,
) -> AlertChange:
    """Return what the time since the last success changes.

    ``succeeded_at`` is the end of the last whole run that was done. Where there was
    none, time counts from the moment since which the destination is watched.
    ``longest`` is None where nothing is to be said about it.
    """
    last = succeeded_at
    if last is None and before.state == OK:
        last = before.since
    is_over = last is not None and longest is not None and now - last > longest
    if is_over and last is not None:
        text = (
            f"{before.destination}: no run was done since "
            f"{last.isoformat(timespec='minutes')}. See whether the schedule still "
            f"starts it; `syncengine status -d {before.destination}` shows the last one."
        )
        return _changed(before, AlertKind.STALE.value, None, text)
    if last is None and longest is not None:
        # It is stale, and still no run was done.
        return AlertChange(before)
    return _changed(before, OK, None, f"{before.destination}: a run was done again.")


def _changed(
    before: AlertState,
    state: str,
    run_id: int | None,
    text: str,
    contacts: Mapping[str, int] | None = None,
) -> AlertChange:
    """Return the change to a state; without a message where it is in that state."""
    if before.state == state:
        return AlertChange(before)
    after = replace(before, state=state, since=None, run_id=run_id)
    kind, over = AlertKind.RECOVERED, None
    if state == OK:
        over = AlertKind.known(before.state)
    else:
        kind = AlertKind.known(state)
    message = AlertMessage(before.destination, kind, text, over, run_id, contacts)
    return AlertChange(after, message)


def _text_of(run: EndedRun, kind: AlertKind) -> str:
    """Return the message about a run that did not end well."""
    name = run.destination
    run_name = "a run" if run.run_id is None else f"run {run.run_id}"
    why = f" {run.error.rstrip('.')}." if run.error else ""
    more = f"`syncengine status -d {name}` says more."
    match kind:
        case AlertKind.HALTED:
            return f"{name}: {run_name} was halted.{why} {more}"
        case AlertKind.BRAKED:
            return (
                f"{name}: {run_name} sent nothing, since it would have changed more "
                f"than its brakes allow.{why} `syncengine plan -d {name}` shows what it "
                "would have sent."
            )
        case AlertKind.PARTLY_FAILED if run.status is RunStatus.STOPPED:
            return (
                f"{name}: {run_name} was stopped before it was through "
                f"({_numbers(run.contacts)}). The next run goes on where it was."
            )
        case AlertKind.PARTLY_FAILED:
            return (
                f"{name}: {run_name} left contacts behind ({_numbers(run.contacts)}). "
                f"`syncengine failures -d {name}` lists them; the next run tries again "
                "by itself what may still succeed."
            )
        case _ if run.status is RunStatus.DIED:
            return (
                f"{name}: {run_name} ended without a word: its process was killed or "
                "its machine was lost. The next run goes on where it was."
            )
        case _:
            return f"{name}: {run_name} was refused, and nothing was sent. {more}"


def _left_behind(contacts: Mapping[str, int] | None) -> bool:
    """Return whether a run has contacts that it did not bring in step."""
    return contacts is not None and any(contacts.get(name) for name in _FELL_SHORT)


def _numbers(contacts: Mapping[str, int] | None) -> str:
    """Return the numbers of a run's contacts that fell short, in words."""
    if contacts is None:
        return "it did not count them"
    parts = [f"{contacts[name]} {name}" for name in _FELL_SHORT if contacts.get(name)]
    return ", ".join(parts) or "it did not count them"
