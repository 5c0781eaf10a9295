"""Settlement of what is unknown about a contact, before anything is sent about it.

Unknown is what a call may have done whose answer was lost, in this attempt or in a run
before it. ``planning.look_up``, ``distrust`` and ``merges`` say what has to be asked;
here is the order of the questions, and what follows from the answers. Nothing is
written to the vendor.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.calls import Rejected
from syncengine.model.contact import Remote
from syncengine.planning.attempt import endings, finding, records
from syncengine.planning.attempt.progress import Attempt, AttemptEnding
from syncengine.planning.attempt.steps import (
    CheckAccount,
    Checkpoint,
    NoteAccount,
    Read,
    Steps,
    Wait,
    ask,
)
from syncengine.planning.attempt.undo_jobs import with_target
from syncengine.planning.change_log import pieces_of_link, pieces_of_lost_deletion
from syncengine.planning.distrust import known_from_read_back, should_read_back
from syncengine.planning.found_contacts import (
    known_after_not_found,
    with_seen_opt_outs,
)
from syncengine.planning.look_up import LookUp, plan_look_up
from syncengine.planning.merges import after_merge, has_open_merge, merge_wait
from syncengine.planning.undo import ContactUndo, Skip, undo_target


def settle(attempt: Attempt) -> Steps[AttemptEnding | None]:
    """Find out what has to be known before the contact can be planned.

    Returns the end of the attempt, or None when the contact is ready to be planned.
    """
    if attempt.job.undo is not None:
        return (yield from _compare_for_undo(attempt, attempt.job.undo))
    ending = yield from _settle_known_contact(attempt)
    if ending is not None:
        return ending
    look_up = _plan_look_up(attempt)
    if look_up is None:
        return _end_unless_plannable(attempt)
    result = yield from _look_up_twice(attempt, look_up)
    if result is None:
        return endings.unsettled(attempt)
    if result is finding.Found.NOTHING:
        attempt.note_changes(pieces_of_lost_deletion(attempt.known))
        attempt.known = known_after_not_found(attempt.known, attempt.rules.capabilities)
    in_the_way = result if isinstance(result, AttemptEnding) else None
    return _end_unless_plannable(attempt, in_the_way)


def _end_unless_plannable(
    attempt: Attempt, in_the_way: AttemptEnding | None = None
) -> AttemptEnding | None:
    """Return the end of a contact about which nothing is to be sent, else None.

    ``in_the_way`` is the end that its look-up leads to, where it found a contact
    that another one owns; None where it did not.
    """
    if attempt.is_gone:
        return endings.gone(attempt, attempt.rules.destination, in_the_way)
    if in_the_way is not None:
        return in_the_way
    return endings.own_refusal(attempt)


def look_for_missing(attempt: Attempt, missing: str) -> Steps[AttemptEnding | None]:
    """Look up a contact whose known contact at the vendor is gone.

    Somebody may have created it again there, or merged it into another one. What is
    found is linked, if no other contact owns it, and the result is None; else the
    contact counts as gone.
    """
    # Before anything is given up: in another account every contact is missing.
    yield from ask(CheckAccount())
    attempt.missing = missing
    attempt.known = known_after_not_found(attempt.known, attempt.rules.capabilities)
    # Flushed before anything is found: after a crash in between, the values of the
    # former contact would count as known of the new one.
    record = records.missing(attempt.job, attempt.known)
    record = replace(record, changes=attempt.changes)
    yield from ask(Checkpoint(record, is_awaited=True))
    look_up = plan_look_up(
        attempt.job.desired,
        attempt.known,
        attempt.rules.capabilities,
        find_first=True,
        always=True,
    )
    if look_up is None:
        return endings.gone(attempt, attempt.rules.destination)
    result = yield from finding.look_up(attempt, look_up)
    if result is finding.Found.LINKED:
        return None
    in_the_way = result if isinstance(result, AttemptEnding) else None
    return endings.gone(attempt, attempt.rules.destination, in_the_way)


def _compare_for_undo(
    attempt: Attempt, undo: ContactUndo
) -> Steps[AttemptEnding | None]:
    """Read the contact whose changes are to be taken back, and judge them anew.

    What somebody has changed at the vendor since stays. A vendor that shows nothing
    is believed to have what was sent.
    """
    external_id = attempt.known.external_id
    assert external_id is not None, "an undo is about contacts at the vendor"
    remote: Remote | None = None
    if attempt.rules.capabilities.reads:
        remote = yield from finding.read(external_id)
        if remote is None:
            return endings.undo_skipped(attempt, Skip.GONE)
    elif attempt.rules.capabilities.find_by:
        remote = yield from finding.find_known(attempt, external_id)
    if remote is not None:
        yield from ask(NoteAccount())
    target = undo_target(
        undo, attempt.known, attempt.rules.capabilities, attempt.rules.same, remote
    )
    if isinstance(target, Skip):
        return endings.undo_skipped(attempt, target)
    if remote is not None and attempt.known.pending is not None:
        # What an interrupted undo is shown to have done is a change of its own.
        attempt.note_changes(
            pieces_of_link(
                attempt.known, remote, attempt.rules.capabilities, attempt.rules.same
            )
        )
    job = with_target(attempt.job, target, attempt.rules.capabilities)
    attempt.known = target.known
    if isinstance(job, Rejected):
        return endings.rejected(attempt, job)
    attempt.has_other_plan = job.plan != attempt.job.plan
    attempt.job = job
    return None


def _settle_known_contact(attempt: Attempt) -> Steps[AttemptEnding | None]:
    """Settle what can be read of the contact without a look-up by match key."""
    if has_open_merge(attempt.known) and attempt.known.external_id is not None:
        ending = yield from _settle_merge(attempt, attempt.known.external_id)
        if ending is not None:
            return ending
    if attempt.known.external_id is None and attempt.job.takes_over:
        ending = yield from _take_back(attempt)
        if ending is not None:
            return ending
    is_distrusted = should_read_back(attempt.known, attempt.rules.capabilities)
    if is_distrusted and not attempt.job.refusal:
        return (yield from _read_back(attempt))
    return None


def _settle_merge(attempt: Attempt, into: str) -> Steps[AttemptEnding | None]:
    """Link the one that is left of two vendor contacts that were to be merged.

    ``into`` is the one that was to stay, and that is known. If the vendor did not
    carry the merge out, both are there, and it is linked as well. Where neither is
    shown, the contact is handled as one that was deleted, as soon as something is
    sent about it.
    """
    known = attempt.known
    wait = merge_wait(known, attempt.rules.capabilities)
    if wait > 0 and not (yield from _has_waited(attempt, wait)):
        return endings.unsettled(attempt, endings.UNSETTLED_MERGE)
    assert known.pending is not None, "an open merge is pending"
    other = known.pending.merged_with
    assert other is not None, "a merge is of two"
    remote = yield from finding.read(into)
    if remote is None:
        remote = yield from finding.read(other)
    attempt.known = after_merge(known)
    if remote is None:
        return None
    return (yield from finding.link(attempt, remote))


def _take_back(attempt: Attempt) -> Steps[AttemptEnding | None]:
    """Link the vendor contact that a newcomer took over and never wrote to.

    It has the values that were written about this contact, maybe under another key
    than the present one: no look-up finds it, and a create would make a second one.
    As long as the newcomer is about to write, its attempt comes first.
    """
    state = attempt.job.state
    if state.taken_by is not None:
        return endings.behind_newcomer(attempt, state.taken_by)
    if state.given_up is None or not attempt.rules.capabilities.reads:
        return None
    remote = yield from ask(Read(state.given_up))
    if remote is None:
        return None
    return (yield from finding.link(attempt, remote))


def _read_back(attempt: Attempt) -> Steps[AttemptEnding | None]:
    """Read the vendor contact where what was known of it is distrusted.

    Where the vendor can only be searched, and does not find it, the contact stays
    as it is, and is sent whole: one that no known key finds need not be gone.
    """
    external_id = attempt.known.external_id
    assert external_id is not None, "only a linked contact is read back"
    reads = attempt.rules.capabilities.reads
    if reads:
        remote = yield from finding.read(external_id)
    else:
        remote = yield from finding.find_known(attempt, external_id)
    if remote is not None:
        yield from _believe(attempt, remote)
        return None
    if not reads:
        return None
    if attempt.job.desired is not None:
        return (yield from look_for_missing(attempt, external_id))
    # A removed contact that is gone has nothing left to remove; but in another
    # account every contact is missing.
    yield from ask(CheckAccount())
    attempt.known = known_after_not_found(attempt.known, attempt.rules.capabilities)
    return None


def _believe(attempt: Attempt, remote: Remote) -> Steps[None]:
    """Take what the vendor shows of a distrusted contact as what is known."""
    yield from ask(NoteAccount())
    before = attempt.known
    shown = known_from_read_back(
        remote,
        attempt.job.desired,
        attempt.known,
        attempt.rules.same,
        attempt.rules.capabilities.hidden,
        attempt.rules.tag_prefix,
    )
    attempt.known = with_seen_opt_outs(
        shown, before, remote, attempt.rules.capabilities
    )
    attempt.note_changes(
        pieces_of_link(before, remote, attempt.rules.capabilities, attempt.rules.same)
    )


def _plan_look_up(attempt: Attempt) -> LookUp | None:
    job = attempt.job
    # A contact that is not to be written to is looked for under what was sent only:
    # its present keys are others' to ask for.
    desired = job.desired if job.takes_over else None
    return plan_look_up(
        desired,
        attempt.known,
        attempt.rules.capabilities,
        find_first=attempt.rules.find_first or job.recreates or job.met,
        always=job.gone,
    )


def _look_up_twice(
    attempt: Attempt, look_up: LookUp
) -> Steps[finding.Found | AttemptEnding | None]:
    """Look a contact up, and where nothing is found once more after a wait.

    What a create has just made may not be visible yet: only after ``look_up.wait``
    does an empty result mean that there is nothing. Returns None where that wait is
    too long, or the run is stopped.
    """
    result = yield from finding.look_up(attempt, look_up)
    if result is not finding.Found.NOTHING or look_up.wait <= 0:
        return result
    if not (yield from _has_waited(attempt, look_up.wait)):
        return None
    return (yield from finding.look_up(attempt, look_up))


def _has_waited(attempt: Attempt, seconds: float) -> Steps[bool]:
    """Wait so long, or until the run is stopped.

    Returns False, without a wait, where it would be too long or the run is stopped.
    """
    if seconds > attempt.rules.max_wait:
        return False
    return (yield from ask(Wait(seconds)))
