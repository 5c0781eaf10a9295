"""The contacts of a plan file, compared with the present before the first request.

A run of a plan sends what the plan says or nothing: a contact that moved since refuses
the whole run, by name. Contacts that a former run of the same plan has dealt with are
left out, so that a run which was stopped or killed goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from syncengine.app.candidates import Candidates
from syncengine.app.counted import counted
from syncengine.app.plan_basis import command_to_plan
from syncengine.app.plan_file import PlanPart
from syncengine.app.run_parts import RunParts
from syncengine.app.session import Session
from syncengine.errors import RunRefused
from syncengine.model.contact_ids import name_of
from syncengine.model.plan_file import Moved
from syncengine.model.work import Batch, BatchKind, DiffSlice
from syncengine.storage.state.plan_files import (
    former_runs,
    judged_contacts,
    last_touched,
)

_MOST_NAMED = 10
"""Number of contacts that a refusal names."""
_AT_ONCE = 500
"""Number of contacts that are read from the file at once."""
_NO_BATCH = 0
"""Number of a batch that is only looked at."""


class ApprovedCandidates(Candidates):
    """The contacts of a plan, without those that a former run of it dealt with."""

    def __init__(self, s: Session, part: PlanPart) -> None:
        super().__init__(s.destination, s.databases, s.source, s.request)
        self.done = 0
        """Contacts that former runs of the plan have brought to their end."""
        self.others = 0
        """Contacts that a run would look at now, and that the plan is not about: only
        planning them would tell whether they differ."""
        self.former_runs: Sequence[int] = ()
        """Former runs of the plan."""
        self._session = s
        self._part = part

    async def slices(self) -> AsyncIterator[DiffSlice]:
        """Yield the contacts that are left to send."""
        s = self._session
        assert s.request.plan is not None, "only a plan has approved contacts"
        self.former_runs = await former_runs(
            self._databases.state, s.name, s.request.plan.plan_id, s.run_id
        )
        for piece in _slices(self._part.ids()):
            left = await self._without_done(piece.contact_ids)
            self.found += len(left)
            if left:
                yield DiffSlice(piece.kind, left)
        for piece in _slices(self._part.ids(recreated=True)):
            await self._without_done(piece.contact_ids)
        await self._look_at_others()

    async def _without_done(self, contact_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the contacts that no former run of the plan has dealt with."""
        if not self.former_runs:
            return tuple(contact_ids)
        done = await judged_contacts(
            self._databases.state, self.former_runs, contact_ids
        )
        for contact_id in done:
            self._part.note_done(contact_id)
        self.done += len(done)
        return tuple(each for each in contact_ids if each not in done)

    async def _look_at_others(self) -> None:
        """Compare source and state as a run does: brakes judge by that, as always."""
        basis = self._part.basis
        if basis.named:
            # Contacts that a person named are judged by no brake.
            return
        request = replace(
            self._request, plan=None, limit=basis.limit, removed=basis.removed
        )
        present = Candidates(self._destination, self._databases, self._source, request)
        async for piece in present.slices():
            for contact_id in piece.contact_ids:
                self.others += not self._part.has(contact_id)
        self.scope = present.scope

    def remarks(self) -> Iterator[str]:
        """Yield what a person should know of the plan beside the counts of its run."""
        if not len(self._part):
            yield "the plan has nothing to send here"
        elif self.done == len(self._part):
            yield (
                "everything in the plan was dealt with by former runs of it, sent or "
                "left out by name: nothing is left"
            )
        elif self.done:
            yield (
                f"{_contacts(self.done)} of the plan were dealt with by former runs of "
                "it, and are left out"
            )
        if self.others:
            yield (
                f"{_contacts(self.others)} that the plan is not about may differ now, "
                "and are left to a run without it"
            )


def _contacts(number: int) -> str:
    return counted(number, "contact", "contacts")


def _slices(contacts: Iterator[tuple[str, bool]]) -> Iterator[DiffSlice]:
    """Yield the contacts in slices of one kind."""
    while some := list(islice(contacts, _AT_ONCE)):
        for kind in BatchKind:
            of_kind = tuple(
                contact_id
                for contact_id, is_removed in some
                if is_removed == (kind is BatchKind.REMOVALS)
            )
            if of_kind:
                yield DiffSlice(kind, of_kind)


async def refuse_moved(run: RunParts, candidates: ApprovedCandidates) -> None:
    """Raise RunRefused where a contact is not as the plan says, naming it."""
    comparison = _Comparison(run, candidates)
    async for batch in run.session.batches.waiting():
        await comparison.compare(batch)
    assert run.approved is not None, "the run of a plan has one"
    for piece in _slices(run.approved.ids(recreated=True)):
        batch = Batch(_NO_BATCH, BatchKind.CHANGES, piece.contact_ids)
        await comparison.compare(batch, recreates=True)
    comparison.judge()


class _Comparison:
    """The contacts that moved since the plan was made."""

    def __init__(self, run: RunParts, candidates: ApprovedCandidates) -> None:
        assert run.approved is not None, "the run of a plan has one"
        self._run = run
        self._part = run.approved
        self._former_runs = frozenset(candidates.former_runs)
        self._moved: dict[str, str] = {}
        """Fate of each, in words."""

    async def compare(self, batch: Batch, *, recreates: bool = False) -> None:
        """Compare a batch. Raises RunRefused once enough contacts are found."""
        if len(self._moved) > _MOST_NAMED:
            self.judge()
        preparer, s = self._run.preparer, self._run.session
        prepared = await preparer.plan(batch, recreates=recreates)
        if not prepared.moved:
            return
        touched = await last_touched(
            s.databases.state,
            s.name,
            list(prepared.moved),
            since=self._part.basis.last_run,
            besides=s.run_id,
        )
        ours = tuple(
            each for each in prepared.moved if touched.get(each) in self._former_runs
        )
        moved = {
            each: moved for each, moved in prepared.moved.items() if each not in ours
        }
        if ours:
            # Its last change is one that this plan has made: the rest is still to be
            # sent, as long as its row is the same.
            for contact_id in ours:
                self._part.note_rest(contact_id)
            rest = replace(batch, contact_ids=ours)
            again = await preparer.plan(rest, recreates=recreates)
            moved |= _not_in_step(again.moved)
        for contact_id, why in moved.items():
            self._moved[contact_id] = _in_words(why, touched.get(contact_id))

    def judge(self) -> None:
        """Raise RunRefused where any contact moved."""
        if not self._moved:
            return
        s = self._run.session
        assert s.request.plan is not None, "the run of a plan has one"
        named = [
            f"contact {name_of(contact_id)}: {why}"
            for contact_id, why in islice(self._moved.items(), _MOST_NAMED)
        ]
        if len(self._moved) > _MOST_NAMED:
            named.append("and more")
        raise RunRefused(
            f"{s.name}: since {s.request.plan.path} was made, contacts moved, so "
            f"nothing was sent: {'; '.join(named)}. Make a new plan "
            f"(`{command_to_plan(s.name, s.request.plan)}`)"
        )


def _not_in_step(moved: Mapping[str, Moved]) -> dict[str, Moved]:
    """Return those that moved; one that this plan has brought in step did not."""
    return {each: why for each, why in moved.items() if why is not Moved.IN_STEP}


def _in_words(moved: Moved, run_id: int | None) -> str:
    if run_id is None or moved in (Moved.ROW_CHANGED, Moved.ROW_VANISHED):
        return moved.in_words
    return f"{moved.in_words} (run {run_id})"
