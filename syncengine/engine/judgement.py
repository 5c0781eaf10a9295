"""Judgement of refusals and outages.

It stops an account whose vendor refuses all contacts or is down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from syncengine.engine.attempt import Ending
from syncengine.errors import AccountStopped, VendorHalted
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact_ids import name_of
from syncengine.model.work import ContactOutcome, Record, Status
from syncengine.planning.outages import TRIPS_AFTER, Outage
from syncengine.planning.refusals import RefusalStreak

_ACQUITTED = (
    "nothing is held against them. Mend what the last refusal names, and run again; if those rows are bad indeed, run "
    "again as well: they will not stop the account at the same place once more"
)


class Judge:
    """Withholds refusals until a contact is accepted, and watches for outages.

    An outage is a number of contacts in a row that the vendor did not judge.
    """

    def __init__(
        self,
        emit: Callable[[int, Record], None],
        stop: Callable[[AccountStopped], None],
        standing: Mapping[str, int] | None = None,
    ) -> None:
        self._emit = emit
        self._stop = stop
        self._rows = RefusalStreak(standing or {})
        self._held: list[tuple[int, Ending]] = []
        self._outage = Outage()
        self._is_down = False
        self._evaded: set[int | None] = set()
        """HTTP statuses of the answers that judged no contact."""

    def note(self, batch: int, ending: Ending) -> None:
        """Note how a contact ended, and pass its record on when it may be believed."""
        record = ending.record
        outcome = record.outcome or ContactOutcome(OutcomeKind.DEFERRED)
        if ending.unreachable:
            self._evaded.add(outcome.http_status)
            if self._outage.add(outcome.http_status):
                self._is_down = True
                self._stop(_down(record, self._outage))
        elif ending.refused or outcome.actions:
            self._outage.end()
        if ending.refused:
            # A part of it was carried out: the vendor accepts something, so the
            # refusals before it are not due to the configuration.
            if outcome.actions and not self._rows.accepted:
                self._believe(ending.answered)
            self._held.append((batch, ending))
            if self._rows.refuse(outcome.code, ending.weight):
                self._acquit()
            return
        if outcome.actions:
            self._believe(ending.answered)
        self._emit(batch, record)

    def release(self) -> None:
        """End the run: believe the withheld refusals if they are about the contacts.

        They are not where no contact was accepted in all of the run, where the vendor
        was down in the end, and where the vendor answered others alike without judging
        them, as it does when a key has lost its rights.
        """
        if self._held and self._rows.end():
            self._acquit()
        self._held = [(batch, self._believed(ending)) for batch, ending in self._held]
        self._emit_held()

    def _believed(self, ending: Ending) -> Ending:
        """Return the ending as far as it says something about its contact."""
        if not self._is_no_word_about(ending):
            return ending
        return replace(ending, record=_untold(ending.record))

    def _is_no_word_about(self, ending: Ending) -> bool:
        status = ending.record.outcome.http_status if ending.record.outcome else None
        return self._is_down or (
            not self._rows.accepted and status is not None and status in self._evaded
        )

    def _believe(self, answered: int) -> None:
        """Believe the refusals that the vendor answered with before an acceptance.

        Contacts end in another order than they were answered in: an accepted one has
        more to be written down. A refusal that was answered after the acceptance is the
        vendor's newer word.
        """
        newer = [
            (batch, ending)
            for batch, ending in self._held
            if ending.answered > answered
        ]
        self._held = [
            (batch, ending)
            for batch, ending in self._held
            if ending.answered <= answered
        ]
        self._rows.accept()
        self._emit_held()
        self._held = newer
        for _, ending in newer:
            self._rows.refuse(
                ending.record.outcome.code if ending.record.outcome else "",
                ending.weight,
            )

    def _emit_held(self) -> None:
        held, self._held = self._held, []
        for batch, ending in held:
            self._emit(batch, ending.record)

    def _acquit(self) -> None:
        last = self._held[-1][1].record
        self._stop(
            _changed(last, len(self._held))
            if self._rows.accepted
            else _misconfigured(last, len(self._held))
        )
        self._held = [
            (batch, replace(ending, record=_acquitted(ending.record)))
            for batch, ending in self._held
        ]
        self._emit_held()


def _acquitted(record: Record) -> Record:
    """Return the record as a deferral, with one refusal less.

    The refused version is remembered (see ``refusals.weight``), and so is the refusal:
    those that were refused alike stand from then on.
    """
    before_that = record.outcome or ContactOutcome(OutcomeKind.DEFERRED)
    outcome = replace(before_that, kind=OutcomeKind.DEFERRED, code="all_refused")
    return replace(
        record,
        status=Status.PENDING,
        rejections=max(0, record.rejections - 1),
        outcome=outcome,
    )


def _untold(record: Record) -> Record:
    """Return the record as a deferral: the refusal says nothing about the contact."""
    return replace(_acquitted(record), refusal=None)


def _misconfigured(last: Record, contacts: int) -> VendorHalted:
    return VendorHalted(
        f"the first {contacts} contacts were all refused, which is configuration, not data; {_ACQUITTED}. "
        f"{_last(last)}",
        setting="fields",
    )


def _changed(last: Record, contacts: int) -> VendorHalted:
    code = last.outcome.code if last.outcome else ""
    return VendorHalted(
        f"{contacts} contacts in a row were refused after others had been accepted, most of them alike ({code}): "
        "something has changed at the vendor (what the account or its key may do, a field, a tag or a list that is "
        f"gone), or so many bad rows stand next to each other; {_ACQUITTED}. {_last(last)}"
    )


def _down(last: Record, outage: Outage) -> VendorHalted:
    return VendorHalted(
        f"the vendor judged none of {TRIPS_AFTER} contacts in a row: "
        f"{outage.describe()} What became of them is open, and "
        f"the next run goes on. {_last(last)}"
    )


def _last(record: Record) -> str:
    return f"The last (contact {name_of(record.contact_id)}): {record.outcome.message if record.outcome else ''}"
