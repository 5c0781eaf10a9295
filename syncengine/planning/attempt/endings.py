"""Ends of a contact's attempt, in the words that its outcome is stored with. Pure.

Each function takes the ``Attempt`` as it is by then, with its actions and knowledge,
and returns its ``AttemptEnding``. The record in it is made by ``records``. The number
of requests is not known here: whoever plays the attempt adds it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from syncengine.errors import AccountStopped, VendorUnavailable, where_it_broke
from syncengine.model.calls import Rejected
from syncengine.model.consent import LEFT_SOURCE, OPTED_OUT
from syncengine.model.contact import Pending
from syncengine.model.contact_ids import name_of, name_of_owner
from syncengine.model.work import KeyWait, Record
from syncengine.planning.attempt import records, records_of_undo
from syncengine.planning.attempt.conclusions import gone_message
from syncengine.planning.attempt.progress import LAST_ATTEMPT, Attempt, AttemptEnding
from syncengine.planning.intents import intent_of_plan
from syncengine.planning.plan import Plan
from syncengine.planning.refusals import weight
from syncengine.planning.undo import Skip

UNSETTLED_CREATE = (
    "a create was sent and its answer was lost; it could not be found yet, and a "
    "second one is not created before the vendor has had time to settle. "
    "The next run looks again"
)
UNSETTLED_MERGE = (
    "two vendor contacts were to be merged, and which of them is left is not known "
    "before the vendor has had time to settle. The next run looks"
)
_ERASURE_UNDER_WAY = (
    "the vendor still has the contact, whose erasure was asked for before and is not "
    "carried out yet; what is written meanwhile would be erased with it. "
    "Once it is gone, the contact is made anew"
)


def in_step(attempt: Attempt, plan: Plan, left: Pending | None) -> AttemptEnding:
    """Return the end of a contact whose plan was carried out.

    ``left`` is what stays unknown all the same.
    """
    # A contact that was just deleted has nothing at the vendor that could be unknown.
    was_deleted = not attempt.known.external_id and bool(plan.calls)
    if was_deleted:
        left = None
    if attempt.job.target is not None:
        return AttemptEnding(_taken_back(attempt, plan, left))
    record = records.in_step(
        attempt.job,
        attempt.known,
        attempt.actions,
        plan.unsupported,
        attempt.receipt,
        left,
        attempt.dropped,
        was_gone=attempt.was_gone,
    )
    return AttemptEnding(record)


def _taken_back(attempt: Attempt, plan: Plan, left: Pending | None) -> Record:
    """Return the record of a contact of which an undo has done what can be done."""
    job = attempt.job
    assert job.target is not None, "an undo has a target"
    return records_of_undo.taken_back(
        job,
        job.target,
        replace(attempt.known, pending=left),
        attempt.actions,
        plan.unsupported + attempt.dropped,
        attempt.receipt,
    )


def undo_skipped(attempt: Attempt, skip: Skip) -> AttemptEnding:
    """Return the end of a contact that an undo leaves alone after all.

    Its intent is written down by then: so the state is put back as it was before.
    """
    job = attempt.job
    assert job.undo is not None, "only an undo skips contacts"
    record = records_of_undo.put_back(
        job, job.undo, attempt.known, skip, attempt.actions
    )
    return AttemptEnding(record, gives_keys_back=True)


def rejected(attempt: Attempt, refusal: Rejected) -> AttemptEnding:
    """Return the end of a contact that the vendor refused, or our own check."""
    job = attempt.job
    if job.undo is not None:
        record = records_of_undo.refused(job, attempt.known, refusal, attempt.actions)
        return AttemptEnding(record, refused=refusal.by_vendor, weight=1)
    record = records.rejected(
        job.state,
        attempt.known,
        job.source_hash,
        refusal,
        removal=job.desired is None,
        actions=attempt.actions,
    )
    return AttemptEnding(
        record, refused=refusal.by_vendor, weight=weight(job.state, job.source_hash)
    )


def own_refusal(attempt: Attempt) -> AttemptEnding | None:
    """Return the end of a contact that our own check refused, else None."""
    if attempt.job.refusal is None:
        return None
    return rejected(attempt, attempt.job.refusal)


def deferred(
    attempt: Attempt, code: str, error: VendorUnavailable | AccountStopped
) -> AttemptEnding:
    """Return the end of a contact that the vendor did not judge.

    ``code`` is stored as the reason, and the error's text as the message.
    """
    is_unreachable = isinstance(error, VendorUnavailable)
    record = records.deferred(
        attempt.job,
        attempt.known,
        code,
        str(error),
        actions=attempt.actions,
        unknown=is_unreachable and attempt.known.pending is not None,
        status=error.status if isinstance(error, VendorUnavailable) else None,
    )
    # A vendor that carried out a call before is not down. And a request of many
    # contacts without an answer is one failure, whatever came of each of them since.
    is_failure = is_unreachable and not attempt.actions
    counts_elsewhere = attempt.is_counted and not attempt.has_failure
    return AttemptEnding(record, unreachable=is_failure and not counts_elsewhere)


def unsettled(attempt: Attempt, message: str = UNSETTLED_CREATE) -> AttemptEnding:
    """Return the end of a contact whose unknown outcome cannot be settled yet."""
    error = VendorUnavailable(message, maybe_applied=True)
    return deferred(attempt, "unsettled", error)


def not_stated(attempt: Attempt, objection: str) -> AttemptEnding:
    """Return the end of a contact about which the plan file does not say what to send.

    ``objection`` says what a look-up led to. Nothing of it was sent.
    """
    message = (
        f"the plan does not say what to send now: {objection}. Nothing of that is "
        "sent; the next run without a plan, or a new plan, deals with it"
    )
    record = records.deferred(
        attempt.job,
        attempt.known,
        "plan_not_stated",
        message,
        actions=attempt.actions,
    )
    return AttemptEnding(record)


def unforeseen(attempt: Attempt, error: Exception) -> AttemptEnding:
    """Return the end for a contact at which something unforeseen happened.

    That may have been before a request or after one: all that the plan would send is
    unknown.
    """
    job = attempt.job
    attempt.note_unknown(intent_of_plan(job.desired, attempt.known, job.plan))
    message = (
        f"something unforeseen: {where_it_broke(error)}; "
        "the next run looks at the contact again"
    )
    return deferred(
        attempt, "unforeseen", VendorUnavailable(message, maybe_applied=True)
    )


def suppressed(attempt: Attempt, reason: str) -> AttemptEnding:
    """Return the end of a contact about which nothing may be sent any more.

    ``reason`` is that of ``ContactSuppressed``: one of ``engine.consent``, or the name
    of a suppression in the state.
    """
    job = attempt.job
    if reason == LEFT_SOURCE:
        return AttemptEnding(records.left(job, attempt.known, attempt.actions))
    # The row that opted out is another version than the one that was read: without a
    # hash the next run reads it.
    source_hash = None if reason == OPTED_OUT else job.source_hash
    record = records.suppressed(
        job.state,
        attempt.known,
        source_hash,
        reason,
        removal=job.desired is None,
        actions=attempt.actions,
    )
    return AttemptEnding(record)


def gone(
    attempt: Attempt, destination: str, reserved_by: AttemptEnding | None = None
) -> AttemptEnding:
    """Return the end of a contact that was deleted at the vendor.

    ``reserved_by`` is the end it would have had otherwise: its look-up found contacts,
    and none that could be linked.
    """
    owner = None
    if reserved_by is not None and reserved_by.waits_for is not None:
        owner = reserved_by.waits_for.owner
    record = records.gone(
        attempt.job,
        attempt.known,
        gone_message(destination, attempt.contact_id, owner),
        actions=attempt.actions,
    )
    return AttemptEnding(record)


def key_reserved(
    attempt: Attempt, owner: str, values: Collection[str] = ()
) -> AttemptEnding:
    """Return the end of a contact whose match key another one has at the vendor.

    ``owner`` is that other one, as ``destination/contact_id``; ``values`` are the names
    of further fields with a value that only one contact may have, and that it has.
    """
    keys = [key.field for key in attempt.job.keys]
    others = [name for name in values if name not in keys]
    belongs = "its match key still belongs"
    if others:
        named = ", ".join(f'"{name}"' for name in others)
        belongs = f"its value of {named}, which only one contact may have, belongs"
    message = (
        f"{belongs} to contact {name_of_owner(owner)} at the vendor, "
        "which has to be synced first"
    )
    record = records.deferred(
        attempt.job,
        attempt.known,
        "key_still_held",
        message,
        actions=attempt.actions,
    )
    wait = KeyWait(owner, (*keys, *others), attempt.job.source_hash)
    # One more attempt in this run is worth it: the owner may let go in between.
    return AttemptEnding(record, postponed=attempt.job.attempt == 1, waits_for=wait)


def value_reserved(
    attempt: Attempt, owner: str, values: Collection[str]
) -> AttemptEnding:
    """Return the end of a contact that was refused values which another one has.

    ``values`` are the names of their fields.
    """
    # An undo, and the run of a plan file, send nothing else in order to get through:
    # that two contacts wait for each other there does not mean that they always will.
    is_free = attempt.job.undo is None and attempt.job.approved is None
    # What empties the value must not arrive behind the one that the next attempt writes.
    is_late = attempt.lets_go and attempt.may_arrive_late
    return replace(
        key_reserved(attempt, owner, values),
        waits_for_value=is_free,
        lets_go=attempt.lets_go,
        ready_in=attempt.rules.ready_in if is_late else 0.0,
    )


def behind_newcomer(attempt: Attempt, newcomer: str) -> AttemptEnding:
    """Return the end of a contact whose former vendor contact another one took over.

    The ``newcomer`` is about to write to it: whose it will be is not known before.
    """
    message = (
        f"contact {name_of(newcomer)} took its former vendor contact over and has to "
        "be written there first"
    )
    record = records.deferred(
        attempt.job,
        attempt.known,
        "key_still_held",
        message,
    )
    return AttemptEnding(record, postponed=attempt.job.attempt == 1)


def erasure_under_way(attempt: Attempt, ready_in: float) -> AttemptEnding:
    """Return the end where a write reached a contact that is about to be deleted.

    Another attempt comes after ``ready_in`` seconds, if this was not the last one.
    """
    attempt.note_unknown(None)
    record = records.deferred(
        attempt.job,
        attempt.known,
        "erasure_under_way",
        _ERASURE_UNDER_WAY,
    )
    is_last = attempt.job.attempt >= LAST_ATTEMPT
    return AttemptEnding(record, postponed=not is_last, ready_in=ready_in)
