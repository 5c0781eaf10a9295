"""Events that are logged.

The engine reports an ``Event`` with its facts to an ``OnEvent``; ``app`` writes it as a
log line, or passes it to the caller of ``Project.run``. Facts are names, ids, codes and
numbers; never a value of a contact's field.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from syncengine.model.http import Json

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
"""Severity of a log line."""


class Event(StrEnum):
    """Events; each one's facts are listed below it."""

    RUN_STARTED = "run_started"
    """run_id, kind, contacts."""
    STATE_IS_NEW = "state_is_new"
    """advice: no contact and no suppression is known, at any destination."""
    RUN_PROGRESS = "run_progress"
    """destination, and the progress as ``watch --json`` prints it; every thirty seconds,
    by the command alone: Python gets it through ``progress``."""
    RUN_FINISHED = "run_finished"
    """The object that ``run --json`` prints."""
    BATCH_FINISHED = "batch_finished"
    """batch, and its contacts by outcome."""
    CONTACT_REJECTED = "contact_rejected"
    """contact_id, code, http_status, batch, refusals (in a row, of the same version),
    dead_letter."""
    CONTACT_DEFERRED = "contact_deferred"
    """contact_id, code, http_status, batch; sent_in_doubt: part of it may have been
    carried out."""
    THROTTLED = "throttled"
    """seconds: nothing is sent for the account for this long."""
    LIMIT_NEAR = "limit_near"
    """method, seconds: by the headers of an answer no request is left for this long."""
    HEADER_IGNORED = "header_ignored"
    """header: its statement of a limit makes no sense, or is longer than max_wait;
    reported once a run."""
    ACCOUNT_HALTED = "account_halted"
    """error, setting: nothing more is sent for the account."""
    RUN_STOPPED = "run_stopped"
    """No facts: a person or the system asked the run to stop."""
    LEASE_AWAITED = "lease_awaited"
    """holder, seconds until its lease runs out, unless it renews it."""
    LEASE_AHEAD = "lease_ahead"
    """runs_for, lasts: the awaited lease runs for longer than a lease lasts, so the
    database's clock was set back; seconds until it is taken over, unless its holder
    renews it."""
    LEASE_TAKEN = "lease_taken"
    """epoch; seconds for which nothing is sent, since the holder before may have
    died."""
    LEASE_LOST = "lease_lost"
    """error."""
    DATABASE_AWAY = "database_away"
    """error: nothing is sent that could not be recorded; with an account, its lease
    could not be renewed."""
    DATABASE_BACK = "database_back"
    ALERT_NOT_DELIVERED = "alert_not_delivered"
    """error: an alert could not be written down or delivered; the next run, or ``alerts
    check``, tries again."""
    REQUEST_ANSWERED = "request_answered"
    """route, status, seconds."""
    REQUEST_FAILED = "request_failed"
    """route, error, seconds: it is tried again, or its contact is deferred."""


class OnEvent(Protocol):
    """Receives events. Must not raise."""

    def __call__(self, event: Event, /, **facts: Json) -> None: ...


def ignore_event(event: Event, /, **facts: Json) -> None:
    """Ignore an event."""
