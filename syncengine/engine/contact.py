"""Sync of one contact: settle what is unknown, then plan and send.

``Settlement`` settles and ``CallSender`` sends; here is only what follows after what,
and what an attempt ends with where something was raised. The workers of the
``Dispatcher`` call it.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.engine import endings
from syncengine.engine.account_check import AccountCheck
from syncengine.engine.attempt import LAST_ATTEMPT, Attempt, AttemptEnding, Next
from syncengine.engine.call_sender import CallSender
from syncengine.engine.conclusions import is_not_ready_yet
from syncengine.engine.consent import Consent
from syncengine.engine.contact_finder import ContactFinder
from syncengine.engine.exchange import Meter
from syncengine.engine.ownership import Ownership
from syncengine.engine.recorder import Recorder
from syncengine.engine.retry import Retrier
from syncengine.engine.settlement import Settlement
from syncengine.engine.stopping import StopFlag
from syncengine.engine.task import Job, Task
from syncengine.errors import (
    AccountStopped,
    ContactSuppressed,
    RequestFailed,
    SyncEngineError,
    VendorUnavailable,
)
from syncengine.model.calls import Rejected
from syncengine.ports import ContactStore, Vendor


class ContactSync:
    """Works on the contacts of one destination, several at a time."""

    def __init__(
        self,
        task: Task,
        vendor: Vendor,
        retrier: Retrier,
        store: ContactStore,
        recorder: Recorder,
        stopping: StopFlag,
        consent: Consent | None = None,
    ) -> None:
        """Put the parts together; without ``consent`` none is asked, as in an erasure.

        Once ``stopping`` is set, no further attempt begins.
        """
        self._retry_policy = task.retry_policy
        self._settles_within = vendor.capabilities.settles_within
        self._stopping = stopping
        self._consent = consent
        account = AccountCheck(
            vendor, retrier, store, consent, passed=task.gone_accepted
        )
        ownership = Ownership(task.destination, store, vendor.capabilities)
        finder = ContactFinder(vendor, retrier, ownership, task.mapping.tag_prefix)
        self._settlement = Settlement(task, vendor, finder, account, recorder, stopping)
        self._sender = CallSender(
            task,
            vendor,
            retrier,
            store,
            recorder,
            stopping,
            finder,
            ownership,
            account,
            self._settlement,
        )

    async def sync(self, job: Job) -> AttemptEnding:
        """Carry out one attempt of the contact, to its end.

        Raises StorageError and LeaseLost only: whatever else happens ends with this
        contact.
        """
        allowed = None if self._consent is None else self._consent.about(job)
        attempt = Attempt(
            job, job.state.known, Meter(allowed), changes=job.state.changes
        )
        if self._stopping.is_set():
            error = AccountStopped(
                "the run, or its account, was stopped before this contact was reached; "
                "the next run tries it"
            )
            return endings.deferred(attempt, "stopped", error)
        try:
            ending = await self._carry_out(attempt)
        except (RequestFailed, AccountStopped, ContactSuppressed) as error:
            ending = self._ended_by(attempt, error)
        except SyncEngineError:
            # The storage failed. That is nobody's ending: it ends the run.
            raise
        except Exception as error:  # noqa: BLE001 - it must not reach another contact
            ending = endings.unforeseen(attempt, error)
        record = replace(ending.record, changes=attempt.changes)
        return replace(ending, record=record, answered=attempt.answered)

    async def note_overwritten(self) -> None:
        """Note which vendor contacts were written over: the next run mends them.

        Everything else has to be recorded before.
        """
        await self._sender.note_overwritten()

    async def _carry_out(self, attempt: Attempt) -> AttemptEnding:
        """Settle, plan and send, until the contact's end."""
        for _ in range(self._retry_policy.attempts):
            ending = await self._settlement.settle(attempt)
            if ending is not None:
                return ending
            result = await self._sender.send(attempt)
            # A plan follows a plan when more was learned of the contact: ``missing``
            # and ``moved`` of the attempt see to it that it comes to an end.
            while result is Next.PLAN:
                result = await self._sender.send(attempt)
            if isinstance(result, AttemptEnding):
                return result
        return endings.unsettled(attempt)

    def _ended_by(
        self,
        attempt: Attempt,
        error: RequestFailed | AccountStopped | ContactSuppressed,
    ) -> AttemptEnding:
        """Return the end of an attempt at which an error was raised."""
        match error:
            case VendorUnavailable():
                return self._end_unreachable(attempt, error)
            case AccountStopped():
                return endings.deferred(attempt, "account_stopped", error)
            case ContactSuppressed():
                return endings.suppressed(attempt, error.reason)
            case _:
                refusal = Rejected("cannot_be_sent", str(error), by_vendor=False)
                return endings.rejected(attempt, refusal)

    def _end_unreachable(
        self, attempt: Attempt, error: VendorUnavailable
    ) -> AttemptEnding:
        """Return the end of a contact that the vendor did not judge.

        Another attempt is worth it where the vendor has only just created the contact,
        and does not let it be written to yet.
        """
        ending = endings.deferred(attempt, "unreachable", error)
        is_last = attempt.job.attempt == LAST_ATTEMPT
        if is_last or not is_not_ready_yet(error, attempt.actions):
            return ending
        ready_in = min(self._settles_within, self._retry_policy.max_wait)
        return replace(ending, postponed=True, ready_in=ready_in)
