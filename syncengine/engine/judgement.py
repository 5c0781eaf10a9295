"""Watches how a run's contacts end, and stops an account whose vendor refuses everybody or is down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from syncengine.engine.contact import Ending
from syncengine.errors import AccountStopped, VendorHalted
from syncengine.model.calls import OutcomeKind
from syncengine.model.work import ContactOutcome, Record, Status
from syncengine.planning.refusals import FIRST, FirstJudgements

TRIPS_AFTER = 10
"""Contacts in a row for whom the vendor could not be reached."""


class Judge:
    """Holds refusals back until somebody was accepted, and counts contacts in a row that nobody judged."""

    def __init__(self, emit: Callable[[int, Record], None], stop: Callable[[AccountStopped], None]) -> None:
        self._emit = emit
        self._stop = stop
        self._first = FirstJudgements()
        self._held: list[tuple[int, Record]] = []
        self._unreachable = 0

    def note(self, batch: int, ending: Ending) -> None:
        """Take in how a contact ended, and pass its record on when it may be believed."""
        record = ending.record
        if ending.unreachable:
            self._unreachable += 1
            if self._unreachable == TRIPS_AFTER:
                self._stop(_down(record))
        elif record.outcome is not None and (ending.refused or record.outcome.actions):
            self._unreachable = 0
        if ending.refused and not self._first.believed:
            self._held.append((batch, record))
            # Who was refused in the same version before is no news about the configuration.
            if record.rejections == 1:
                self._first.judge(accepted=False)
            if self._first.hopeless:
                self._acquit(record)
            return
        if record.outcome is not None and record.outcome.actions:
            self._first.judge(accepted=True)
            self.release()
        self._emit(batch, record)

    def release(self) -> None:
        """Believe the refusals held back: the run is over, or somebody was accepted."""
        held, self._held = self._held, []
        for batch, record in held:
            self._emit(batch, record)

    def _acquit(self, last: Record) -> None:
        said = last.outcome.message if last.outcome else ""
        message = (
            f"the first {FIRST} contacts were all refused, which is configuration, not data; nothing is held against "
            f"them. The last refusal (contact {last.contact_id}): {said}"
        )
        held, self._held = self._held, []
        for batch, record in held:
            self._emit(batch, _acquitted(record))
        self._stop(VendorHalted(message, setting="fields"))


def _acquitted(record: Record) -> Record:
    before_that = record.outcome or ContactOutcome(OutcomeKind.DEFERRED)
    outcome = replace(before_that, kind=OutcomeKind.DEFERRED, code="all_refused")
    before = max(0, record.rejections - 1)
    return replace(
        record,
        status=Status.PENDING,
        rejections=before,
        rejected_hash=record.rejected_hash if before else None,
        outcome=outcome,
    )


def _down(last: Record) -> VendorHalted:
    said = last.outcome.message if last.outcome else ""
    return VendorHalted(
        f"the vendor could not be reached for {TRIPS_AFTER} contacts in a row ({said}); their outcome is open, and "
        "the next run goes on"
    )
