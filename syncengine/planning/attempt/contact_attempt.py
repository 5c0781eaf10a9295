"""An attempt of a contact: settle what is unknown, then plan and send.

``settling`` settles and ``sending`` sends; here is only what follows after what, and
what an attempt ends with where something was raised.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.errors import (
    AccountStopped,
    ContactSuppressed,
    RequestFailed,
    RunStopped,
    SyncEngineError,
    VendorUnavailable,
)
from syncengine.model.calls import Rejected
from syncengine.planning.attempt import endings, sending, settling
from syncengine.planning.attempt.conclusions import is_not_ready_yet
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import (
    LAST_ATTEMPT,
    Attempt,
    AttemptEnding,
    Next,
)
from syncengine.planning.attempt.rules import Rules
from syncengine.planning.attempt.steps import Steps


def contact_attempt(job: Job, rules: Rules) -> Steps[AttemptEnding]:
    """Decide one attempt of the contact, step by step, to its end.

    What was sent and what is unknown are locals of the generator (``Attempt``). Whatever
    is thrown into it ends with this contact; only StorageError and LeaseLost come out
    again, since they end the run.
    """
    attempt = begun(job, rules)
    try:
        ending = yield from _carry_out(attempt)
    except (RequestFailed, AccountStopped, ContactSuppressed) as error:
        ending = _ended_by(attempt, error)
    except SyncEngineError:
        # The storage failed. That is nobody's ending: it ends the run.
        raise
    except Exception as error:  # noqa: BLE001 - it must not reach another contact
        ending = endings.unforeseen(attempt, error)
    record = replace(ending.record, changes=attempt.changes)
    return replace(
        ending,
        record=record,
        answered=attempt.answered,
        overwritten=attempt.overwritten,
    )


def begun(job: Job, rules: Rules) -> Attempt:
    """Return the attempt of a job before anything is done."""
    return Attempt(job, job.state.known, rules, changes=job.state.changes)


def not_begun(job: Job, rules: Rules, stopped: AccountStopped | None) -> AttemptEnding:
    """Return the end of a contact that a stopped run does not begin with.

    ``stopped`` is the error that stopped its account, if there is one by now.
    """
    attempt = begun(job, rules)
    if stopped is not None and not isinstance(stopped, RunStopped):
        return endings.deferred(attempt, "account_stopped", stopped)
    asked = RunStopped(
        "the run was stopped before this contact was reached; the next run tries it"
    )
    return endings.deferred(attempt, "stopped", asked)


def _carry_out(attempt: Attempt) -> Steps[AttemptEnding]:
    """Settle, plan and send, until the contact's end."""
    for _ in range(attempt.rules.tries):
        ending = yield from settling.settle(attempt)
        if ending is not None:
            return ending
        result = yield from sending.send(attempt)
        # A plan follows a plan when more was learned of the contact: ``missing`` and
        # ``moved`` of the attempt see to it that it comes to an end.
        while result is Next.PLAN:
            result = yield from sending.send(attempt)
        if isinstance(result, AttemptEnding):
            return result
    return endings.unsettled(attempt)


def _ended_by(
    attempt: Attempt, error: RequestFailed | AccountStopped | ContactSuppressed
) -> AttemptEnding:
    """Return the end of an attempt at which an error was raised."""
    match error:
        case VendorUnavailable():
            return _end_unreachable(attempt, error)
        case AccountStopped():
            return endings.deferred(attempt, "account_stopped", error)
        case ContactSuppressed():
            return endings.suppressed(attempt, error.reason)
        case _:
            refusal = Rejected("cannot_be_sent", str(error), by_vendor=False)
            return endings.rejected(attempt, refusal)


def _end_unreachable(attempt: Attempt, error: VendorUnavailable) -> AttemptEnding:
    """Return the end of a contact that the vendor did not judge.

    Another attempt is worth it where the vendor has only just created the contact, and
    does not let it be written to yet.
    """
    attempt.note_failure(error)
    ending = endings.deferred(attempt, "unreachable", error)
    is_last = attempt.job.attempt >= LAST_ATTEMPT
    if is_last or not is_not_ready_yet(error, attempt.actions):
        return ending
    return replace(ending, postponed=True, ready_in=attempt.rules.ready_in)
