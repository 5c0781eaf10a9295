"""Judgement of refusals and outages: whether the contacts are to blame, or the account.

Contacts are never punished for what is not their fault. So a refusal is withheld until
another contact is accepted: only then is it certain that the configuration is good, and
the refusal is believed, counted and written down. Where too many contacts in a row are
refused, the account is halted, and the withheld refusals become deferrals. The lengths
of such streaks are in ``planning.refusals``, and those of outages in
``planning.outages``.

One answer may be about many contacts (``engine.waves``), and those that it refuses come
to their end before those that it accepts. So such an answer vouches for the
configuration itself, before any of its contacts goes on (``Judge.accepted``).

The ``Dispatcher`` has one ``Judge`` for each run, and hands it the end of each contact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from syncengine.errors import AccountStopped, VendorHalted
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact_ids import name_of
from syncengine.model.work import ContactOutcome, Record, Status
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.outages import TRIPS_AFTER, Outage
from syncengine.planning.refusals import RefusalStreak

_WHAT_TO_DO = (
    "nothing counts against them. Correct what the last rejection names, and run again. "
    "If these rows really are bad, run again as well: "
    "they do not stop the account at the same place twice"
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
        """Take the number of contacts in refusal groups, ``standing``, by code.

        ``emit`` is called with the number of a contact's batch and its final record.
        ``stop`` stops the account.
        """
        self._emit = emit
        self._stop = stop
        self._streak = RefusalStreak(standing or {})
        self._withheld: list[tuple[int, AttemptEnding]] = []
        """Refusals, each with its batch, that are not believed yet."""
        self._accepting: set[int] = set()
        """Numbers of the answers that ``accepted`` was called with."""
        self._last_accepting = 0
        """The highest of them."""
        self._outage = Outage()
        """The contacts in a row, up to now, that the vendor did not judge."""
        self._is_down = False
        """True once an outage was long enough to stop the account."""
        self._evading_statuses: set[int | None] = set()
        """HTTP statuses of the answers that judged no contact; None: no answer."""

    def accepted(self, answered: int) -> None:
        """Note that an answer shows a call as carried out, before its contact goes on.

        ``answered`` is its place among all answers of the run. It is called for calls
        that could share a request alone; for all others ``note`` is soon enough.
        """
        self._accepting.add(answered)
        self._last_accepting = max(self._last_accepting, answered)
        self._believe(self._is_vouched_for)

    def note(self, batch: int, ending: AttemptEnding) -> None:
        """Note how a contact ended, and pass its record on when it may be believed."""
        outcome = _outcome_of(ending.record)
        self._watch_for_outage(ending, outcome)
        is_accepted = bool(outcome.actions)
        if ending.refused:
            # Some calls of the contact were carried out before one was refused: the
            # vendor accepts something, so the refusals before it are not due to the
            # configuration.
            if is_accepted and not self._streak.accepted:
                self._believe_until(ending.answered)
            if self._is_vouched_for(ending):
                self._emit(batch, ending.record)
            else:
                self._withhold(batch, ending)
            return
        if is_accepted:
            self._believe_until(ending.answered)
        self._emit(batch, ending.record)

    def _watch_for_outage(self, ending: AttemptEnding, outcome: ContactOutcome) -> None:
        """Lengthen the outage or end it; stop the account where it is too long."""
        if ending.unreachable:
            self._evading_statuses.add(outcome.http_status)
            if self._outage.add(outcome.http_status):
                self._is_down = True
                self._stop(_down(ending.record, self._outage))
        elif ending.refused or outcome.actions:
            self._outage.end()

    def _withhold(self, batch: int, ending: AttemptEnding) -> None:
        """Keep a refusal back; where it is one too many, stop the account."""
        self._withheld.append((batch, ending))
        must_halt = self._streak.refuse(_outcome_of(ending.record).code, ending.weight)
        if must_halt:
            self._acquit()

    def release(self) -> None:
        """End the run: believe the withheld refusals if they are about the contacts.

        They are about something else where the vendor was down in the end, or no
        contact was accepted in the whole run and the vendor gave answers with the same
        HTTP status without judging the contact, as when a key has lost its rights.
        """
        if self._withheld and self._streak.end():
            self._acquit()
        self._withheld = [
            (batch, self._believed(ending)) for batch, ending in self._withheld
        ]
        self._emit_withheld()

    def _believed(self, ending: AttemptEnding) -> AttemptEnding:
        """Return the ending; as a deferral if it says nothing about its contact."""
        if self._says_something(ending):
            return ending
        return replace(ending, record=_not_judged(ending.record))

    def _says_something(self, ending: AttemptEnding) -> bool:
        """Return whether a withheld refusal is about its contact."""
        if self._is_down:
            return False
        if self._streak.accepted:
            return True
        status = _outcome_of(ending.record).http_status
        return status is None or status not in self._evading_statuses

    def _is_vouched_for(self, ending: AttemptEnding) -> bool:
        """Return whether an answer that carried a call out clears the configuration.

        It does for what it refuses itself, and for what was refused before it. Whoever
        was accepted in part was refused a later call, of which an answer to another
        request says nothing.
        """
        if ending.answered in self._accepting:
            return True
        if self._streak.tripped or _outcome_of(ending.record).actions:
            return False
        return ending.answered < self._last_accepting

    def _believe_until(self, answered: int) -> None:
        """Believe the refusals that the vendor answered with before an acceptance.

        ``answered`` is the acceptance's place among all answers of the run. Contacts
        end in another order than they were answered in, since an accepted one has more
        to be written down. Refusals that were answered after the acceptance stay
        withheld: the vendor may have changed its mind in between.
        """
        self._believe(lambda ending: ending.answered <= answered)

    def _believe(self, is_cleared: Callable[[AttemptEnding], bool]) -> None:
        """Believe the withheld refusals that are cleared by an acceptance."""
        believed: list[tuple[int, AttemptEnding]] = []
        others: list[tuple[int, AttemptEnding]] = []
        for batch, ending in self._withheld:
            if is_cleared(ending):
                believed.append((batch, ending))
            else:
                others.append((batch, ending))
        self._streak.accept()
        self._withheld = believed
        self._emit_withheld()
        self._withheld = others
        # The acceptance ended the streak; these begin the next one.
        for _, ending in others:
            self._streak.refuse(_outcome_of(ending.record).code, ending.weight)

    def _emit_withheld(self) -> None:
        withheld, self._withheld = self._withheld, []
        for batch, ending in withheld:
            self._emit(batch, ending.record)

    def _acquit(self) -> None:
        """Stop the account, and hold the withheld refusals against nobody."""
        last = self._withheld[-1][1].record
        number = len(self._withheld)
        if self._streak.accepted:
            self._stop(_changed(last, number))
        else:
            self._stop(_misconfigured(last, number))
        self._withheld = [
            (batch, replace(ending, record=_acquitted(ending.record)))
            for batch, ending in self._withheld
        ]
        self._emit_withheld()


def _outcome_of(record: Record) -> ContactOutcome:
    """Return the outcome of a contact; a deferral without actions if it has none.

    A contact that was in step already has none.
    """
    return record.outcome or ContactOutcome(OutcomeKind.DEFERRED)


def _acquitted(record: Record) -> Record:
    """Return the record as a deferral, with one refusal less.

    The refused version of the row is remembered, so that the next run gives its refusal
    less weight (``planning.refusals.weight``). So is the refusal: contacts that were
    refused alike become a group (``refusal_groups``).
    """
    outcome = replace(
        _outcome_of(record), kind=OutcomeKind.DEFERRED, code="all_refused"
    )
    return replace(
        record,
        status=Status.PENDING,
        rejections=max(0, record.rejections - 1),
        outcome=outcome,
    )


def _not_judged(record: Record) -> Record:
    """Return the record as a deferral, without its refusal.

    The refusal says nothing about the contact, and must not make it one of a group.
    """
    return replace(_acquitted(record), refusal=None)


def _misconfigured(last: Record, contacts: int) -> VendorHalted:
    return VendorHalted(
        f"the first {contacts} contacts were all rejected, which is configuration, not "
        f"data; {_WHAT_TO_DO}. {_last(last)}",
        setting="fields",
    )


def _changed(last: Record, contacts: int) -> VendorHalted:
    code = _outcome_of(last).code
    return VendorHalted(
        f"{contacts} contacts in a row were rejected after others had been accepted, "
        f"most of them alike ({code}): "
        "something has changed at the vendor (what the account or its key may do, a "
        "field, a tag or a list that is gone), or so many bad rows stand next to each "
        f"other; {_WHAT_TO_DO}. {_last(last)}"
    )


def _down(last: Record, outage: Outage) -> VendorHalted:
    return VendorHalted(
        f"the vendor judged none of {TRIPS_AFTER} contacts in a row: "
        f"{outage.describe()} What became of them is open, and "
        f"the next run goes on. {_last(last)}"
    )


def _last(record: Record) -> str:
    name = name_of(record.contact_id)
    return f"The last (contact {name}): {_outcome_of(record).message}"
