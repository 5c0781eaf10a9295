"""The report of a run that is over: its counts, and what a person should know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from syncengine.app.contradictions import contradictions
from syncengine.app.earlier_removed import only_marked
from syncengine.app.meaning import on_taken_over, remarks_on
from syncengine.app.remarks import of_created_after_a_loss, remarks
from syncengine.app.run_parts import RunParts
from syncengine.app.run_preparation import PreparedWork
from syncengine.errors import StorageError
from syncengine.model.calls import Action, OutcomeKind
from syncengine.model.contact_ids import name_of
from syncengine.model.reports import Noteworthy, RunReport
from syncengine.model.work import Standing
from syncengine.storage.state.runs import NOTES, notes
from syncengine.storage.state.standing import (
    FailedAndLeftAlone,
    number_failed_and_left_alone,
    number_standing,
)


@dataclass(frozen=True, slots=True)
class _StateFacts:
    """Facts that are read from the state once a run is over."""

    noteworthy: tuple[Noteworthy, ...] = ()
    remarks: tuple[str, ...] = ()
    standing: Mapping[Standing, int] | None = None
    left_alone: FailedAndLeftAlone = field(default_factory=FailedAndLeftAlone)


async def report_of(
    run: RunParts, work: PreparedWork | None, unreached: int
) -> RunReport:
    """Return the report of a run.

    ``work`` is None where the run ended before its contacts were known; ``unreached``
    is the number of contacts that were not tried.
    """
    s = run.session
    facts = await _facts_of(run, work, unreached)
    return replace(
        run.progress.report(s.ending.status, s.ending.error),
        cause=s.ending.cause,
        standing=facts.standing,
        left_alone=facts.left_alone.rejected,
        left_alone_alike=facts.left_alone.alike,
        acquitted=facts.left_alone.acquitted,
        noteworthy=facts.noteworthy,
        remarks=(
            *_of_plan(run, work),
            *_of_resync(run),
            *remarks_on(run.causes),
            *on_taken_over(s.contacts.taken_over),
            *only_marked(s.destination, run.progress.tally.only_marked),
            *facts.remarks,
        ),
    )


async def _facts_of(
    run: RunParts, work: PreparedWork | None, unreached: int
) -> _StateFacts:
    """Read what the report shows.

    Where the database is gone there are fewer facts: that must not hide how the run
    ended.
    """
    s = run.session
    state = s.databases.state
    # The source is not asked about a part, nor while somebody waits for the end.
    total, beyond_limit = None, 0
    if work is not None:
        beyond_limit = work.beyond_limit
        if not s.is_stopping:
            total = work.contacts
    # Counted here, before the database is asked: contacts may be counted meanwhile.
    changed = sum(run.progress.tally.contacts.values())
    try:
        standing = await number_standing(state, s.name)
        left_alone = FailedAndLeftAlone()
        failed = (OutcomeKind.REJECTED.value, OutcomeKind.DEFERRED.value)
        if any(run.progress.tally.contacts[kind] for kind in failed):
            left_alone = await number_failed_and_left_alone(state, s.name, s.run_id)
        noted = await notes(state, s.run_id, one_by_one=bool(s.request.contacts))
        found = await remarks(
            s.destination,
            s.databases,
            s.request,
            s.source,
            s.run_id,
            total=total,
            changed=changed,
            left=beyond_limit,
            unreached=unreached,
            withheld_by=run.withheld_by,
        )
        found += await contradictions(
            s.destination, s.databases, s.source, s.fence, s.run_id
        )
    except StorageError as error:
        unread = (
            f"what else there is to know could not be read ({error}); "
            "`syncengine show` tells it by contact"
        )
        return _StateFacts(remarks=(unread,))
    noteworthy = (
        Noteworthy(note.contact_id, note.outcome, note.code, note.message)
        for note in noted
    )
    return _StateFacts(tuple(noteworthy), found, standing, left_alone)


def _of_plan(run: RunParts, work: PreparedWork | None) -> Iterator[str]:
    """Yield the remarks of the run of a plan file."""
    if work is None or work.approved is None:
        return
    yield from work.approved.remarks()
    if run.approval is None:
        return
    for contact_id, why in islice(run.approval.unrecorded.items(), NOTES):
        yield f"contact {name_of(contact_id)} was in the plan and is left out: {why}"


def _of_resync(run: RunParts) -> Iterator[str]:
    """Yield the remarks of a re-sync of everybody on the contacts it created."""
    s = run.session
    if s.request.resync and not s.request.contacts:
        created = run.progress.tally.actions[Action.CREATE.value]
        yield from of_created_after_a_loss(s.name, s.run_id, created)
