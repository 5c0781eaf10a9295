"""Records of how contacts end: what is written to the state. Pure.

``endings`` decides which of these an attempt ends with; this module knows what each
means for the next run. The rule behind all of them: a record with ``source_hash`` says
that this version of the row is dealt with, and the next run leaves the contact alone
until its row changes. A record without it makes the contact a candidate of the next
run, unless its status is that of a dead letter (DEAD) and ``rejected_hash`` is that of
its row.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.calls import Action, OutcomeKind, Rejected, Unsupported
from syncengine.model.consent import SAME_PERSON
from syncengine.model.contact import Known, Pending
from syncengine.model.contact_ids import as_argument
from syncengine.model.work import ContactOutcome, ContactState, Record, Status
from syncengine.planning.attempt.job import Job
from syncengine.planning.refusals import (
    DEAD_AFTER,
    common_refusal,
    common_refusal_of_dropped,
    count_refusal,
    version,
)

WAS_GONE = "was_gone"
"""Code of a removal that found nothing to remove at the vendor."""
LEFT_ALONE = (
    f" (rejected {DEAD_AFTER} times: a dead letter, left alone from now on, until its "
    "row or the mapping changes, or `syncengine retry --dead` tries it again)"
)
"""End of the message of a rejection that makes a dead letter."""
_WHY_SUPPRESSED = {
    "opted_out": "nothing is sent about it: its row in the source says that it opted out",
    "suppressed": (
        "nothing is sent about it: `syncengine suppress` named it, its phone number or "
        "its e-mail address"
    ),
    "forgotten": "nothing is sent about it: `syncengine forget` erased it",
}
"""Messages by the reason why nothing is sent about a contact."""


def in_step(
    job: Job,
    known: Known,
    actions: tuple[Action, ...],
    unsupported: tuple[Unsupported, ...],
    receipt: str = "",
    left: Pending | None = None,
    dropped: tuple[Unsupported, ...] = (),
    *,
    was_gone: bool = False,
) -> Record:
    """Return the record of a contact that is in step with the source.

    Everything the vendor can express is done; there is no outcome where nothing was to
    be done. ``receipt`` names a job that the vendor carries out later; ``left`` is what
    stays unknown all the same; ``dropped`` is what was sent and not taken. With
    ``was_gone``, a contact was to be deleted that was not there any more.
    """
    contact_id = job.state.contact_id
    known = replace(known, pending=left)
    all_unsupported = unsupported + dropped
    outcome = None
    if actions or all_unsupported:
        outcome = _done(actions, all_unsupported, receipt, was_gone=was_gone)
    # The copy stays there for another destination, which takes it over.
    is_moved = job.wanted is not None and known.external_id is not None
    if job.desired is None:
        return Record(
            contact_id=contact_id,
            known=known,
            status=Status.REMOVED,
            source_hash=None,
            outcome=outcome,
            removal=True,
            moved=is_moved,
        )
    return Record(
        contact_id=contact_id,
        known=known,
        status=Status.SYNCED,
        source_hash=job.source_hash,
        outcome=outcome,
        moved=is_moved,
        # Without these values: the contact becomes one of a refusal group.
        refusal=common_refusal_of_dropped(dropped),
    )


def _done(
    actions: tuple[Action, ...],
    unsupported: tuple[Unsupported, ...],
    receipt: str,
    *,
    was_gone: bool,
) -> ContactOutcome:
    """Return the outcome of a contact about which everything possible is done."""
    kind = OutcomeKind.APPLIED
    code = WAS_GONE if was_gone else ""
    if unsupported:
        kind = OutcomeKind.UNSUPPORTED
        code = unsupported[0].code
    message = f"the vendor has scheduled it: {receipt}" if receipt else ""
    return ContactOutcome(
        kind, actions, code=code, message=message, unsupported=unsupported
    )


def step(job: Job, known: Known, pending: Pending | None) -> Record:
    """Return the record of a call that succeeded, where more are to come."""
    return Record(
        contact_id=job.state.contact_id,
        known=replace(known, pending=pending),
        status=Status.PENDING,
        source_hash=None,
        # A call that succeeded does not take back refusals: only the end of all calls
        # does.
        rejections=job.state.rejections,
        rejected_hash=job.state.rejected_hash,
        removal=job.desired is None,
    )


def deferred(
    job: Job,
    known: Known,
    code: str,
    message: str,
    *,
    actions: tuple[Action, ...] = (),
    unknown: bool = False,
    status: int | None = None,
) -> Record:
    """Return the record of a contact that was not judged: the next run plans it again.

    It does not count as a refusal. ``unknown`` is True where something that was sent
    may have been carried out; ``status`` is that of the vendor's last answer.
    """
    kind = OutcomeKind.UNKNOWN if unknown else OutcomeKind.DEFERRED
    outcome = ContactOutcome(
        kind, actions, code=code, message=message, http_status=status
    )
    return replace(step(job, known, known.pending), outcome=outcome)


def gone(
    job: Job,
    known: Known,
    message: str,
    *,
    actions: tuple[Action, ...] = (),
) -> Record:
    """Return the record of a contact that was deleted at the vendor.

    It is left alone until its row changes.
    """
    outcome = ContactOutcome(OutcomeKind.GONE, actions, code="gone", message=message)
    return Record(
        contact_id=job.state.contact_id,
        known=replace(known, pending=None),
        status=Status.GONE,
        source_hash=job.source_hash,
        # Kept for the contact that is created again, and refused then.
        rejections=job.state.rejections,
        rejected_hash=job.state.rejected_hash,
        outcome=outcome,
    )


def missing(job: Job, known: Known) -> Record:
    """Return the record of a contact whose known vendor contact is gone.

    It is about to be looked up. Until that is settled, every run looks again.
    """
    return Record(
        contact_id=job.state.contact_id,
        known=replace(known, pending=None),
        status=Status.GONE,
        source_hash=None,
        rejections=job.state.rejections,
        rejected_hash=job.state.rejected_hash,
    )


def suppressed(
    state: ContactState,
    known: Known,
    source_hash: int | None,
    reason: str,
    *,
    removal: bool = False,
    actions: tuple[Action, ...] = (),
) -> Record:
    """Return the record of a contact about which nothing is sent.

    What was sent before and is still unknown stays noted.
    """
    message = _WHY_SUPPRESSED.get(reason, f"nothing is sent about it ({reason})")
    status = Status.SUPPRESSED
    if removal:
        # There is no row, and so no hash of one, that could be acknowledged.
        status, source_hash = Status.REMOVED, None
    return Record(
        contact_id=state.contact_id,
        known=known,
        status=status,
        source_hash=source_hash,
        rejections=state.rejections,
        rejected_hash=state.rejected_hash,
        outcome=ContactOutcome(
            OutcomeKind.SUPPRESSED, actions, code=reason, message=message
        ),
        removal=removal,
    )


def same_person(state: ContactState, source_hash: int | None) -> Record:
    """Return the record of a contact that may be a suppressed person under another id.

    It is refused once, by name, and stands suppressed until somebody decides or its row
    changes.
    """
    was_refused_before = (
        state.status is Status.SUPPRESSED
        and state.rejected_hash == version(source_hash)
    )
    kind = OutcomeKind.SUPPRESSED if was_refused_before else OutcomeKind.REJECTED
    return Record(
        contact_id=state.contact_id,
        known=state.known,
        status=Status.SUPPRESSED,
        source_hash=source_hash,
        rejected_hash=version(source_hash),
        outcome=ContactOutcome(
            kind, (), 0, SAME_PERSON, like_suppressed(state.contact_id)
        ),
    )


def like_suppressed(contact_id: str) -> str:
    """Return why a contact is held back that may be a suppressed person."""
    return (
        "it has a phone number or an e-mail address of a contact that was suppressed "
        "or forgotten, and may be the same person under another contact id: "
        "nothing is sent about it. If it is somebody else, `syncengine suppress "
        f"--lift --contact {as_argument(contact_id)}` lets it through"
    )


def left(job: Job, known: Known, actions: tuple[Action, ...]) -> Record:
    """Return the record of a contact that left the source during the run.

    Nothing more is sent about it: the next run handles it as a removed contact.
    """
    message = (
        "nothing is sent about it: the source does not select its row any more, "
        "and the next run deals with that"
    )
    outcome = ContactOutcome(
        OutcomeKind.SUPPRESSED, actions, code="left_source", message=message
    )
    return replace(step(job, known, known.pending), outcome=outcome)


def rejected(
    state: ContactState,
    known: Known,
    source_hash: int | None,
    refusal: Rejected,
    *,
    removal: bool = False,
    actions: tuple[Action, ...] = (),
) -> Record:
    """Return the record of a refused contact: planned again, or a dead letter.

    A removal that keeps being refused is not tried any more: the contact counts as
    removed, and stays as it is at the vendor. For a removal ``source_hash`` is None.
    """
    status, rejections = count_refusal(state, source_hash)
    message = refusal.message
    if status is Status.DEAD:
        if removal:
            status = Status.REMOVED
        else:
            message += LEFT_ALONE
    return Record(
        contact_id=state.contact_id,
        known=known,
        status=status,
        source_hash=None,
        rejections=rejections,
        rejected_hash=version(source_hash),
        outcome=ContactOutcome(
            OutcomeKind.REJECTED,
            actions,
            code=refusal.code,
            message=message,
            http_status=refusal.status,
        ),
        removal=removal,
        refusal=common_refusal(refusal),
    )


def probed(state: ContactState, source_hash: int | None, record: Record) -> Record:
    """Return the record of a probe that was not accepted: it is left alone as before.

    ``record`` is its end if it were any other contact. A refusal in other words than
    before is kept: its whole group goes by these from now on.
    """
    assert record.outcome is not None, "a probe that was not accepted has an outcome"
    outcome = replace(record.outcome, kind=OutcomeKind.PROBED)
    if state.status is Status.SYNCED:
        # It is in step but for what the vendor does not take.
        return replace(
            record,
            status=Status.SYNCED,
            source_hash=source_hash,
            rejections=0,
            rejected_hash=None,
            outcome=outcome,
            refusal=state.refusal,
        )
    status = Status.DEAD
    if record.removal:
        # It has no row whose change could bring it back.
        status = Status.REMOVED
    return replace(
        record,
        status=status,
        source_hash=None,
        rejections=0,
        rejected_hash=version(source_hash),
        outcome=outcome,
        refusal=record.refusal or state.refusal,
    )


def blocked(record: Record, source_hash: int | None, refusal: Rejected) -> Record:
    """Return the record of a contact that is refused until another one moves.

    It is also tried again once its own row changes. ``record`` is that of its last
    attempt. It has the status of a dead letter, so that no run tries it meanwhile, but
    only one refusal is counted: if it is refused for another reason later, that is its
    second one.
    """
    assert record.outcome is not None, "a contact that waits has had its attempts"
    outcome = replace(
        record.outcome,
        kind=OutcomeKind.REJECTED,
        code=refusal.code,
        message=refusal.message,
    )
    judged = replace(
        record,
        status=Status.DEAD,
        rejections=1,
        rejected_hash=version(source_hash),
        outcome=outcome,
    )
    return recorded_before(judged)


def recorded_before(record: Record) -> Record:
    """Return the record of a contact whose last attempt was written down before.

    Its requests are counted already.
    """
    assert record.outcome is not None, "a contact that waits has had its attempts"
    return replace(record, outcome=replace(record.outcome, requests=0))
