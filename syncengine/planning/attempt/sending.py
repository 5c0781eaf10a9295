"""Sending of a contact's calls, one after the other, and the judgement of answers.

The care goes into what is unknown. A call may be carried out although its answer is
lost, the process may die between two calls, and the answer may name another vendor
contact than expected. So at each step ``Attempt.known.pending`` says what may have been
done that no answer confirmed; it is written down before anything is sent that depends
on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncengine.errors import (
    AccountStopped,
    ContactSuppressed,
    RequestFailed,
    VendorUnavailable,
)
from syncengine.model.calls import (
    Action,
    Applied,
    Call,
    Exists,
    Rejected,
    rejected_other_id,
)
from syncengine.model.contact import Known, Pending, Remote
from syncengine.model.http import Json
from syncengine.model.work import Intent
from syncengine.planning.attempt import endings, finding, records, settling
from syncengine.planning.attempt.conclusions import (
    VALUE_TAKEN,
    is_already_removed,
    is_missing,
    is_repeatable,
    is_same_person,
    may_name_existing,
    names_other_contact,
    owned_by_other,
    was_created,
    with_subject,
)
from syncengine.planning.attempt.progress import (
    Attempt,
    AttemptEnding,
    Next,
    Overwritten,
)
from syncengine.planning.attempt.steps import (
    AnsweredCall,
    AskErasure,
    AskGoingOn,
    AskOwnerOfAnswer,
    AskOwners,
    CheckAccount,
    Checkpoint,
    Claim,
    NoteAccount,
    NoteValueWait,
    Send,
    Steps,
    WriteIntent,
    ask,
)
from syncengine.planning.change_log import (
    CallFacts,
    pieces_of_call,
    pieces_of_overwriting,
)
from syncengine.planning.intents import (
    intent_of_plan,
    remaining_intent,
    still_unknown,
    with_all_unknown,
)
from syncengine.planning.learning import (
    is_proved_new,
    learn,
    learn_from_other_contact,
)
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import (
    plan_removal,
    unknown_after_removal,
    unknown_after_shared_removal,
)
from syncengine.planning.rings import ValueWait, plan_release, taken_values
from syncengine.planning.undo import Skip

_ACTIONS_THAT_GIVE_IDS = (Action.CREATE, Action.UPSERT)
"""The actions whose answer may give a contact its external id."""


@dataclass(frozen=True, slots=True)
class _PlannedCall:
    """One call of a plan, and what is unknown before and after its answer."""

    call: Call
    rest: tuple[Call, ...]
    """Calls of the plan behind this one."""
    left: Pending | None
    """What stays unknown even once the whole plan is carried out."""
    was_unknown: bool
    """True where something was unknown before the plan's first call."""
    is_first: bool

    @property
    def all(self) -> tuple[Call, ...]:
        """The call and those behind it."""
        return (self.call, *self.rest)

    def unknown_without_answer(self) -> Pending | None:
        """Return what is unknown while the call may have been carried out or not."""
        return remaining_intent(self.all, age=0.0, besides=self.left)

    def unknown_when_applied(self) -> Pending | None:
        """Return what is unknown once the call is applied, and the rest is not sent."""
        return remaining_intent(self.rest, besides=self.left)


def send(attempt: Attempt) -> Steps[AttemptEnding | Next]:
    """Plan against what is known now, and send the plan's calls in order.

    Returns the end of the attempt, or what has to follow before it.
    """
    plan = _plan(attempt)
    if isinstance(plan, Rejected):
        return endings.rejected(attempt, plan)
    objection = _objection(attempt, plan)
    if objection is not None:
        return endings.not_stated(attempt, objection)
    # Before the first request: a crash in between leaves an intent without an
    # outcome, which the next run settles. The other way round it would leave a
    # change at the vendor that nobody knows of.
    if _needs_late_intent(attempt, plan):
        yield from _write_intent(attempt, plan)
    left = _left_unknown(attempt, plan)
    was_unknown = attempt.known.pending is not None
    for index, planned in enumerate(plan.calls):
        call = _with_newest_id(planned, attempt.known)
        rest = plan.calls[index + 1 :]
        step = _PlannedCall(call, rest, left, was_unknown, is_first=index == 0)
        result = yield from _send_call(attempt, step)
        if result is not None:
            return result
    return endings.in_step(attempt, plan, left)


def _plan(attempt: Attempt) -> Plan | Rejected:
    """Return the plan of a contact against what is known of it now."""
    job = attempt.job
    if attempt.known == job.state.known:
        # Nothing was learned since the batch was planned.
        return job.plan
    if job.desired is not None:
        return plan_contact(job.desired, attempt.known, attempt.rules.capabilities)
    return plan_removal(
        attempt.contact_id,
        attempt.known,
        job.on_removed or attempt.rules.on_removed,
        attempt.rules.capabilities,
        job.wanted,
    )


def _needs_late_intent(attempt: Attempt, plan: Plan) -> bool:
    """Return whether the intent of a plan is not written down yet.

    When its batch was prepared nothing was to be sent about the contact: it was
    removed, or it was gone at the vendor.
    """
    job = attempt.job
    if attempt.has_other_plan:
        return True
    if plan is job.plan or not plan.calls:
        return False
    return job.desired is None or job.gone or attempt.missing is not None


def _write_intent(attempt: Attempt, plan: Plan) -> Steps[None]:
    """Write down what is about to be sent."""
    job = attempt.job
    pending = intent_of_plan(job.desired, attempt.known, plan)
    note = None if job.target is None else job.target.note
    yield from ask(WriteIntent(Intent(attempt.contact_id, pending, note)))


def _left_unknown(attempt: Attempt, plan: Plan) -> Pending | None:
    """Return what stays unknown once the plan is carried out."""
    job = attempt.job
    if job.desired is not None:
        return still_unknown(attempt.known, plan, manages_tags=job.desired.manages_tags)
    if job.wanted is not None:
        return unknown_after_shared_removal(
            attempt.known, plan, attempt.rules.capabilities
        )
    policy = job.on_removed or attempt.rules.on_removed
    return unknown_after_removal(attempt.known, policy, attempt.rules.capabilities)


def _send_call(
    attempt: Attempt, step: _PlannedCall
) -> Steps[AttemptEnding | Next | None]:
    """Send one call and judge its answer; None where the next call follows."""
    call = step.call
    can_repeat = is_repeatable(call, attempt.rules.capabilities)
    try:
        answered = yield from _answer(attempt, call, repeatable=can_repeat)
    except (RequestFailed, AccountStopped, ContactSuppressed) as error:
        maybe_applied = _is_maybe_applied(error)
        if isinstance(error, VendorUnavailable):
            attempt.note_failure(error)
        # What was unknown before the plan is sent anew by its calls: as long as
        # they are not applied, they are what is unknown.
        unknown: Pending | None = None
        if maybe_applied or step.was_unknown:
            unknown = step.unknown_without_answer()
        attempt.note_unknown(unknown)
        # The create may have been carried out: it must not be repeated, but a
        # look-up finds what it made.
        may_settle = maybe_applied and not can_repeat
        if may_settle and (yield from _may_look_up(attempt)):
            return Next.SETTLE
        raise
    match answered.answer:
        case Rejected() as refusal:
            refused = _judge_refusal(
                attempt, step, refusal, after_lost_try=answered.after_lost_try
            )
            return (yield from refused)
        case Exists(holder) if call.action is Action.UPDATE:
            taken = _judge_taken_value(
                attempt, step, holder, after_lost_try=answered.after_lost_try
            )
            return (yield from taken)
        case Exists(remote):
            ending = yield from finding.link(attempt, remote)
            return Next.SETTLE if ending is None else ending
        case Applied() as applied:
            applied_call = _judge_applied(
                attempt, step, applied, after_lost_try=answered.after_lost_try
            )
            return (yield from applied_call)


def _may_look_up(attempt: Attempt) -> Steps[bool]:
    """Return whether a look-up can follow in this run."""
    if not attempt.rules.capabilities.find_by:
        return False
    return (yield from ask(AskGoingOn()))


def _answer(attempt: Attempt, call: Call, *, repeatable: bool) -> Steps[AnsweredCall]:
    """Send a call until it is answered.

    What is thrown: RequestFailed where no answer came, AccountStopped,
    ContactSuppressed.
    """
    is_just_created = was_created(attempt.actions)
    answered = yield from ask(Send(call, repeatable, is_just_created))
    attempt.answered = answered.number
    attempt.may_arrive_late = attempt.may_arrive_late or answered.after_lost_try
    answer = answered.answer
    desired = attempt.job.desired
    if isinstance(answer, Rejected) and is_already_removed(answer, desired):
        # Not found, and it was to be removed: that is what was wanted.
        answer = Applied(was_gone=True)
        answered = replace(answered, answer=answer)
    if isinstance(answer, Applied):
        try:
            yield from _check_account(attempt, call, answer)
        except (RequestFailed, AccountStopped, ContactSuppressed) as error:
            if answered.after_lost_try:
                # It is gone, and maybe by the lost try.
                raise VendorUnavailable(str(error), maybe_applied=True) from None
            raise
    if isinstance(answer, Exists) and answered.after_lost_try:
        # Maybe the lost try made it, and its tags are ours then.
        attempt.note_unknown(remaining_intent((call,), age=0.0))
    return answered


def _check_account(attempt: Attempt, call: Call, applied: Applied) -> Steps[None]:
    """Draw from an answer what it says about the account (``AccountCheck``)."""
    if applied.was_gone:
        # In another account every contact is missing: that is no removal.
        yield from ask(CheckAccount())
        return
    known_before = attempt.job.state.known.external_id
    is_about_known = known_before is not None and call.external_id == known_before
    if is_about_known and not names_other_contact(call, applied):
        yield from ask(NoteAccount())


def _judge_refusal(
    attempt: Attempt, step: _PlannedCall, refusal: Rejected, *, after_lost_try: bool
) -> Steps[AttemptEnding | Next]:
    """Judge a call that the vendor refused."""
    unknown = _unknown_after_refusal(attempt, step, after_lost_try=after_lost_try)
    external_id = step.call.external_id
    if attempt.missing is None and is_missing(step.call, refusal):
        assert external_id is not None, "only what was known can be gone"
        return (yield from _plan_without(attempt, external_id))
    attempt.note_unknown(unknown)
    return endings.rejected(attempt, with_subject(step.call, refusal))


def _judge_taken_value(
    attempt: Attempt, step: _PlannedCall, holder: Remote, *, after_lost_try: bool
) -> Steps[AttemptEnding | Next]:
    """End the attempt of a contact with a value that another contact has there.

    Where that one is ours, too, it may be about to let go of it, and is waited for.
    """
    unknown = _unknown_after_refusal(attempt, step, after_lost_try=after_lost_try)
    attempt.note_unknown(unknown)
    owners = yield from ask(AskOwners((holder.external_id, *holder.former_ids)))
    # Who knows it by an id from before a merge has it, too.
    owner = owners.get(holder.external_id, min(owners.values(), default=None))
    if owner is None:
        return endings.rejected(attempt, VALUE_TAKEN)
    rules = attempt.rules
    wanted = step.call.fields
    values = taken_values(wanted, holder, rules.capabilities, rules.same)
    # Once only in an attempt: the call that lets go may be refused for a value, too.
    if not attempt.lets_go:
        changes: dict[str, Json] = {}
        for call in step.all:
            changes.update(call.fields)
        result = yield from _break_ring(attempt, ValueWait(owner, values, changes))
        if result is not None:
            return result
    return endings.value_reserved(attempt, owner, tuple(values))


def _break_ring(
    attempt: Attempt, wait: ValueWait
) -> Steps[AttemptEnding | Next | None]:
    """Note a wait, and let go of the contact's own value where that closes a ring.

    Returns None where the contact goes on waiting.
    """
    job = attempt.job
    names = yield from ask(NoteValueWait(wait))
    # Only the row of a contact says that it may lose its value for a moment: an undo
    # puts back what was there, and a plan file says what may be sent.
    if not names or job.desired is None or job.undo is not None:
        return None
    if job.approved is not None:
        return None
    plan = plan_release(
        attempt.contact_id, attempt.known, names, attempt.rules.capabilities
    )
    # In a run that is stopped the others would not be tried again.
    if plan is None or not (yield from ask(AskGoingOn())):
        return None
    return (yield from _let_go(attempt, plan))


def _let_go(attempt: Attempt, plan: Plan) -> Steps[AttemptEnding | Next | None]:
    """Empty the values that others wait for; None where that is done."""
    attempt.lets_go = True
    # A crash behind this call leaves an intent without an outcome: the next run sends
    # the fields again, whatever is there by then.
    pending = intent_of_plan(None, attempt.known, plan)
    yield from ask(WriteIntent(Intent(attempt.contact_id, pending)))
    left = still_unknown(attempt.known, plan, manages_tags=False)
    was_unknown = attempt.known.pending is not None
    release = _PlannedCall(plan.calls[0], (), left, was_unknown, is_first=True)
    result = yield from _send_call(attempt, release)
    if result is not None:
        return result
    attempt.note_unknown(left)
    yield from _record_step(attempt, attempt.known.pending, is_awaited=True)
    return None


def _plan_without(attempt: Attempt, missing: str) -> Steps[AttemptEnding | Next]:
    """Look up a contact whose known vendor contact is gone, and plan it anew.

    An undo ends there: it creates nobody, and takes no other contact for this one.
    """
    if attempt.job.undo is not None:
        attempt.note_unknown(attempt.job.state.known.pending)
        return endings.undo_skipped(attempt, Skip.GONE)
    ending = yield from settling.look_for_missing(attempt, missing)
    return Next.PLAN if ending is None else ending


def _judge_applied(
    attempt: Attempt, step: _PlannedCall, applied: Applied, *, after_lost_try: bool
) -> Steps[AttemptEnding | Next | None]:
    """Judge a call that was applied; None where the next call follows."""
    call = step.call
    if names_other_contact(call, applied):
        return (yield from _judge_other_id(attempt, step, applied))
    has_no_id = not attempt.known.external_id
    gives_id = call.action in _ACTIONS_THAT_GIVE_IDS and has_no_id
    if gives_id and applied.external_id:
        ending = yield from _take_ownership(attempt, step, applied.external_id)
        if ending is not None:
            return ending
    _learn(attempt, call, applied, after_lost_try=after_lost_try)
    if step.rest:
        # Noted after each call: after a crash only the rest counts as unknown.
        unknown = attempt.with_senders(step.unknown_when_applied())
        yield from _record_step(attempt, unknown)
    return None


def _record_step(
    attempt: Attempt, unknown: Pending | None, *, is_awaited: bool = False
) -> Steps[None]:
    """Have it written down how far the attempt came, and what is unknown now."""
    record = records.step(attempt.job, attempt.known, unknown)
    record = replace(record, changes=attempt.changes)
    yield from ask(Checkpoint(record, is_awaited=is_awaited))


def _learn(
    attempt: Attempt, call: Call, applied: Applied, *, after_lost_try: bool
) -> None:
    """Add to the attempt what a call that was applied has changed."""
    learned = learn(attempt.known, call, applied, attempt.rules.capabilities)
    _note_changes(attempt, call, applied, learned, after_lost_try)
    # A deletion forgets everything; what is pending stays until the plan's end.
    pending = attempt.known.pending
    if learned.pending is not pending:
        learned = replace(learned, pending=pending)
    attempt.known = learned
    attempt.actions = (*attempt.actions, call.action)
    attempt.dropped += applied.dropped
    attempt.was_gone = attempt.was_gone or applied.was_gone
    if applied.receipt:
        # The vendor has only accepted it, and carries it out some time later.
        attempt.receipt = applied.receipt


def _note_changes(
    attempt: Attempt,
    call: Call,
    applied: Applied,
    learned: Known,
    after_lost_try: bool,  # noqa: FBT001 - private
) -> None:
    """Note what a call that was applied has changed at the vendor."""
    facts = CallFacts(
        attempt.known,
        learned,
        is_new=attempt.is_new,
        after_lost_try=after_lost_try,
    )
    pieces = pieces_of_call(call, applied, facts, attempt.rules.capabilities)
    attempt.note_changes(pieces)
    if is_proved_new(call, applied, attempt.known, attempt.rules.capabilities):
        attempt.is_new = True


def _take_ownership(
    attempt: Attempt, step: _PlannedCall, external_id: str
) -> Steps[AttemptEnding | None]:
    """Make the contact the owner of what its create or upsert reached.

    Returns the end of the attempt where another one owns it.
    """
    call = step.call
    if (yield from _is_about_to_be_erased(attempt, external_id)):
        # Once it is gone, the same write makes a new one.
        return endings.erasure_under_way(attempt, attempt.rules.ready_in)
    may_exist = may_name_existing(call, attempt.rules.capabilities)
    try:
        owner = yield from ask(AskOwnerOfAnswer(external_id, call.key, may_exist))
    except AccountStopped:
        # The lease is lost, and nothing written says yet that this contact is
        # there: its create has to count as unknown.
        attempt.note_unknown(step.unknown_without_answer())
        raise
    if owner is None:
        return None
    if call.action is Action.CREATE and not may_exist:
        # The vendor claims to have made it: maybe it did, under an id that the
        # answer does not tell.
        attempt.note_unknown(step.unknown_without_answer())
        return endings.rejected(attempt, owned_by_other(owner))
    return _end_overwriting(attempt, call, owner, external_id)


def _is_about_to_be_erased(attempt: Attempt, external_id: str) -> Steps[bool]:
    """Return whether a vendor contact is to be deleted, and is not yet.

    Some vendors delete within hours only, and let the contact be written to
    meanwhile.
    """
    deletion = attempt.rules.capabilities.delete
    if deletion is None or not deletion.within or attempt.job.desired is None:
        return False
    return (yield from ask(AskErasure(external_id, deletion.within)))


def _end_overwriting(
    attempt: Attempt, call: Call, owner: str, external_id: str
) -> AttemptEnding:
    """End the attempt of a contact whose write reached another one's copy.

    The vendor takes the two for one: it is not sent again before that one moves.
    """
    attempt.note_changes(pieces_of_overwriting(call, external_id))
    attempt.overwritten = Overwritten(owner, external_id, _written_by(call))
    return replace(endings.key_reserved(attempt, owner), postponed=False)


def _written_by(call: Call) -> Pending:
    return Pending(
        fields=dict.fromkeys(call.fields),
        add_tags=frozenset(call.add_tags),
        remove_tags=frozenset(call.remove_tags),
    )


def _note_overwriting(attempt: Attempt, call: Call, external_id: str) -> Steps[None]:
    """Note whose vendor contact a write has reached in place of ours, if anybody's.

    The id of a contact that was merged into another one leads to that one. An answer may
    also name a contact that nothing has reached: no change of it is noted.
    """
    owners = yield from ask(AskOwners((external_id,)))
    if external_id in owners:
        attempt.overwritten = Overwritten(
            owners[external_id], external_id, _written_by(call)
        )


def _note_overwriting_of_former(
    attempt: Attempt, call: Call, former: Mapping[str, str]
) -> None:
    """Note who was written over that knows the vendor contact by a former id.

    ``former`` are their names by that id. One of several is noted: tried again, it
    notes the next one.
    """
    if attempt.overwritten is None:
        former_id = min(former)
        attempt.overwritten = Overwritten(
            former[former_id], former_id, _written_by(call)
        )


def _judge_other_id(
    attempt: Attempt, step: _PlannedCall, applied: Applied
) -> Steps[AttemptEnding | Next]:
    """Judge a call whose answer names another vendor contact than the call.

    An upsert goes by its key, and may have reached another contact than before:
    that one is linked. After any other call the answer makes no sense, except where
    the vendor merges contacts. Then the named contact is read, and linked if it has
    one of our match keys and the known one is gone.
    """
    call = step.call
    asked, named = call.external_id, applied.external_id
    assert asked is not None, "only a call about a known contact can be"
    assert named is not None, "an answer without an id names nobody"
    attempt.note_unknown(step.unknown_without_answer())
    refusal = rejected_other_id(asked, named)
    # Once only: a vendor that names another contact each time would be followed
    # for ever.
    is_undo = attempt.job.undo is not None
    if attempt.moved or attempt.job.desired is None or is_undo:
        return endings.rejected(attempt, refusal)
    if call.action is Action.UPSERT:
        attempt.moved = True
        return (yield from _follow_upsert(attempt, call, applied))
    if attempt.rules.capabilities.merges:
        yield from _note_overwriting(attempt, call, named)
    survivor = yield from _survivor_of_merge(attempt, call, named)
    if survivor is not None:
        attempt.moved = True
        yield from _write_all_unknown(attempt)
        ending = yield from finding.link(attempt, survivor)
        if ending is None:
            return Next.PLAN
        # Sent again, it would reach the same contact.
        return replace(ending, postponed=False)
    reads = attempt.rules.capabilities.reads
    if reads and (yield from finding.read(asked)) is None:
        return (yield from _plan_without(attempt, asked))
    return endings.rejected(attempt, refusal)


def _survivor_of_merge(
    attempt: Attempt, call: Call, named: str
) -> Steps[Remote | None]:
    """Return the contact that the known one was merged into.

    ``call`` is about the known one, and its answer has named the other one. None where
    nothing says that the two were merged, or another contact of ours was merged into
    it, too, and has it.
    """
    known = call.external_id
    assert known is not None, "the answer names another contact than the known one"
    desired = attempt.job.desired
    if not attempt.rules.capabilities.merges or desired is None:
        return None
    remote = yield from finding.read(named)
    if remote is None:
        return None
    former = yield from finding.former_owners(attempt, remote)
    if former:
        _note_overwriting_of_former(attempt, call, former)
        return None
    if not is_same_person(remote, desired.keys, attempt.rules.same):
        return None
    # Two contacts may share a match key: nobody has merged them while both are
    # there.
    if (yield from finding.read(known)) is not None:
        return None
    return remote


def _follow_upsert(
    attempt: Attempt, call: Call, applied: Applied
) -> Steps[AttemptEnding | Next]:
    """Link the vendor contact that an upsert reached in place of the known one.

    That fails where another contact owns it.
    """
    assert applied.external_id is not None, "the answer names a contact"
    yield from _write_all_unknown(attempt)
    link = yield from ask(Claim(applied.external_id, call.key))
    if link.owner is not None:
        return _end_overwriting(attempt, call, link.owner, applied.external_id)
    attempt.known = learn_from_other_contact(
        attempt.known, call, applied, attempt.rules.capabilities
    )
    # Of the contact that it reached, nothing was known before.
    facts = CallFacts(Known(), attempt.known)
    attempt.note_changes(
        pieces_of_call(call, applied, facts, attempt.rules.capabilities)
    )
    attempt.actions = (*attempt.actions, call.action)
    return Next.PLAN


def _write_all_unknown(attempt: Attempt) -> Steps[None]:
    """Write down, before the id changes, that what is known is unknown from now on.

    It may not be true of the contact behind the new id.
    """
    attempt.known = with_all_unknown(attempt.known, attempt.known.pending)
    # Committed before the id changes: after a crash in between, the old values would
    # count as known of the new contact.
    yield from _record_step(attempt, attempt.known.pending, is_awaited=True)


def _objection(attempt: Attempt, plan: Plan) -> str | None:
    """Return why a plan is not among those that a person approved; None: it is.

    Only the plan of a plan file is approved by a person.
    """
    approved = attempt.job.approved
    if approved is None or not plan.calls:
        return None
    if attempt.actions:
        # A part of what was approved is applied: this is the rest.
        approved = approved.resumed()
    return approved.objection(attempt.job.desired, attempt.known, plan.calls)


def _unknown_after_refusal(
    attempt: Attempt, step: _PlannedCall, *, after_lost_try: bool
) -> Pending | None:
    """Return what is unknown of a contact after a call of it was refused.

    A refused try did nothing. But a lost try before it may have been carried out, and
    what was unknown before the plan may not have been sent again yet.
    """
    if after_lost_try or (step.was_unknown and not step.is_first):
        return step.unknown_without_answer()
    return attempt.known.pending


def _with_newest_id(planned: Call, known: Known) -> Call:
    """Return the call with the id that an earlier call of the plan may have given."""
    newest = known.external_id or planned.external_id
    if planned.external_id == newest:
        return planned
    return replace(planned, external_id=newest)


def _is_maybe_applied(error: Exception) -> bool:
    """Return whether the vendor may have carried the call out all the same."""
    return isinstance(error, VendorUnavailable) and error.maybe_applied
