"""Records of how contacts of an undo end. Pure.

They differ from those of other runs (``records``) in one thing: the contact is brought
to what it was, not to what its row asks for. So what the state says of the row stays as
it was, as far as it was settled: a contact in step stays in step, and is not sent again
what was taken back (``planning.taken_back``).
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.calls import Action, OutcomeKind, Rejected, Unsupported
from syncengine.model.contact import Known
from syncengine.model.undo import NO_ROW, TakenBack
from syncengine.model.unsupported import in_words
from syncengine.model.work import ContactOutcome, ContactState, Record, Status
from syncengine.planning.attempt.job import Job
from syncengine.planning.undo import ContactUndo, Skip, UndoTarget, skip_in_words

_KEPT = (Status.SYNCED, Status.REMOVED)
"""Statuses that an undo does not change: all others are judged by the next run."""


def taken_back(
    job: Job,
    target: UndoTarget,
    known: Known,
    actions: tuple[Action, ...],
    unsupported: tuple[Unsupported, ...],
    receipt: str = "",
) -> Record:
    """Return the record of a contact of which all that can be is taken back.

    There is no outcome where nothing was to be done, and nothing was skipped.
    ``unsupported`` is what the vendor cannot express, ``receipt`` names a job that it
    carries out later.
    """
    outcome: ContactOutcome | None = None
    left = unsupported + target.skipped
    if actions or left:
        reasons = [*target.reasons]
        if unsupported:
            reasons.append(in_words(unsupported))
        if receipt:
            reasons.append(f"the vendor has scheduled it: {receipt}")
        outcome = _outcome_of_target(left, actions, "; ".join(reasons))
    note = target.note
    if note.version == NO_ROW:
        # There is no row that could have it sent again.
        note = TakenBack(note.undone)
    record = _as_before(job.state, known, note)
    if target.desired is None and note:
        # Deleted: its row counts as dealt with, until it changes.
        record = replace(record, status=Status.SYNCED, source_hash=job.source_hash)
    elif target.desired is None:
        record = replace(record, status=Status.REMOVED, source_hash=None)
    return replace(record, outcome=outcome)


def _outcome_of_target(
    left: tuple[Unsupported, ...],
    actions: tuple[Action, ...],
    message: str,
) -> ContactOutcome:
    """Return the outcome of a contact; ``left`` is what could not be taken back."""
    if not left:
        return ContactOutcome(OutcomeKind.APPLIED, actions, message=message)
    return ContactOutcome(
        OutcomeKind.UNSUPPORTED,
        actions,
        code=left[0].code,
        message=message,
        unsupported=left,
    )


def left_alone(state: ContactState, undo: ContactUndo, skip: Skip) -> Record:
    """Return the record of a contact that an undo leaves alone, before any intent."""
    return Record(
        contact_id=state.contact_id,
        known=state.known,
        status=state.status,
        source_hash=state.source_hash,
        outcome=_outcome_of(undo, skip, ()),
        keeps_state=True,
    )


def put_back(
    job: Job,
    undo: ContactUndo,
    known: Known,
    skip: Skip,
    actions: tuple[Action, ...],
) -> Record:
    """Return the record of a contact that an undo leaves alone after its intent."""
    record = _as_before(job.state, known, undo.note or TakenBack(undo.scope.run_id))
    return replace(record, outcome=_outcome_of(undo, skip, actions))


def refused(
    job: Job,
    known: Known,
    refusal: Rejected,
    actions: tuple[Action, ...],
) -> Record:
    """Return the record of a contact whose undo was refused.

    That counts nothing against its row, which was accepted. What was about to be taken
    back is not sent again, and the undo can be repeated.
    """
    outcome = ContactOutcome(
        OutcomeKind.REJECTED,
        actions,
        code=refusal.code,
        message=refusal.message,
        http_status=refusal.status,
    )
    return Record(
        contact_id=job.state.contact_id,
        known=known,
        status=Status.PENDING,
        source_hash=None,
        rejections=job.state.rejections,
        rejected_hash=job.state.rejected_hash,
        outcome=outcome,
    )


def _as_before(state: ContactState, known: Known, note: TakenBack) -> Record:
    """Return a record without an outcome, with what the state said before the undo."""
    record = Record(
        contact_id=state.contact_id,
        known=known,
        status=Status.PENDING,
        source_hash=None,
        rejections=state.rejections,
        rejected_hash=state.rejected_hash,
        taken_back=note,
    )
    if state.status not in _KEPT:
        return record
    return replace(
        record,
        status=state.status,
        source_hash=state.source_hash,
        stood=state.standing,
        refusal=state.refusal,
    )


def _outcome_of(
    undo: ContactUndo, skip: Skip, actions: tuple[Action, ...]
) -> ContactOutcome:
    """Return the outcome of a contact that is left alone as a whole."""
    message = skip_in_words(skip, undo)
    if skip is Skip.UNSETTLED:
        return ContactOutcome(
            OutcomeKind.DEFERRED, actions, code=skip.value, message=message
        )
    return ContactOutcome(
        OutcomeKind.UNSUPPORTED,
        actions,
        code=skip.value,
        message=message,
        unsupported=(Unsupported(skip.value, ""),),
    )
