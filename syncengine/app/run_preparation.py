"""Preparation of a run: all that precedes its first request.

The whole diff comes first: brakes, totals and the progress bar need it. Then the brakes
judge what the run would do. Whatever refuses the run here refuses it whole, and nothing
was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncengine.app.approved_run import ApprovedCandidates, refuse_moved
from syncengine.app.brakes import (
    Removed,
    brake_on_scope,
    brake_on_survey,
    brake_on_undo,
    compared_as_a_whole,
    judge_scope,
)
from syncengine.app.candidates import Candidates, cut
from syncengine.app.consent_changes import ConsentChange, consent_rules
from syncengine.app.match_keys import claim_keys
from syncengine.app.meaning import survey_of
from syncengine.app.recognition import brake_on_no_file
from syncengine.app.run_parts import RunParts
from syncengine.app.run_request import NO_FILE
from syncengine.app.stranded import recognise_people
from syncengine.app.vendor_access import distrust_by
from syncengine.engine.refusal_groups import Probe, RefusalGroups, choose
from syncengine.errors import BrakeApplied
from syncengine.model.contact_ids import contact_id_of
from syncengine.model.work import Batch, BatchKind, Scope
from syncengine.planning.survey import Survey
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.contact_counts import known_and_unfinished, known_contacts
from syncengine.storage.state.destinations import note_compared_rows, remember
from syncengine.storage.state.removals import count_removed
from syncengine.storage.state.renaming import release
from syncengine.storage.state.resync import distrust_all, distrust_contacts
from syncengine.storage.state.shares import Shares


@dataclass(frozen=True, slots=True)
class PreparedWork:
    """Work of a run, once the brakes have let it pass."""

    contacts: int
    beyond_limit: int
    """Contacts that its limit left out."""
    refusal_groups: RefusalGroups
    probes: Sequence[Probe]
    """Contacts that are tried for others that were refused alike."""
    approved: ApprovedCandidates | None = None
    """The contacts of a plan file, where the run sends what it says."""


async def prepare(run: RunParts) -> PreparedWork:
    """Find the contacts of the run and judge it. Raises RunRefused."""
    s = run.session
    if s.request.undo is not None:
        return await _prepare_undo(run)
    await _release_without_file(run)
    approved: ApprovedCandidates | None = None
    if run.approved is not None:
        approved = ApprovedCandidates(s, run.approved)
    candidates = approved or Candidates(s.destination, s.databases, s.source, s.request)
    survey = await survey_of(s.destination, s.databases, s.recognised)
    preparation = _Preparation(run, candidates, survey)
    refusal_groups, probes = await preparation.probe()
    contacts = await preparation.add_batches(len(probes))
    await preparation.judge_scope()
    # The order of these steps matters. Which match keys are free is known only after
    # all claims, and the brakes judge the contacts that are brought back, too.
    await claim_keys(run.preparer, run.keys, s.batches)
    if approved is not None:
        await refuse_moved(run, approved)
    contacts += await preparation.bring_back()
    await preparation.refuse_strays()
    await preparation.judge_survey()
    await preparation.judge_consent()
    beyond_limit = max(0, candidates.found - preparation.batched)
    return PreparedWork(contacts, beyond_limit, refusal_groups, probes, approved)


async def _prepare_undo(run: RunParts) -> PreparedWork:
    """Find the contacts of an undo and judge it. Raises RunRefused."""
    s = run.session
    candidates = Candidates(s.destination, s.databases, s.source, s.request)
    preparation = _Preparation(run, candidates, Survey())
    refusal_groups, probes = await preparation.probe()
    contacts = await preparation.add_batches(len(probes))
    await claim_keys(run.preparer, run.keys, s.batches)
    survey = Survey()
    async for batch in s.batches.waiting():
        await run.preparer.survey(batch, survey)
    known = await known_contacts(s.databases.state, s.name)
    await brake_on_undo(s.destination, s.databases, survey, known, s.request)
    await preparation.judge_consent()
    return PreparedWork(contacts, 0, refusal_groups, probes)


class _Preparation:
    """The steps that share what was found so far."""

    def __init__(self, run: RunParts, candidates: Candidates, survey: Survey) -> None:
        self.batched = 0
        """Contacts of the diff, within the limit."""
        self._run = run
        self._session = run.session
        self._candidates = candidates
        self._survey = survey

    async def probe(self) -> tuple[RefusalGroups, Sequence[Probe]]:
        """Add one contact of each group that was refused alike.

        Returns what is known of these groups, and these contacts.
        """
        run, s = self._run, self._session
        # Before the diff is read: where a limit allows only so many contacts, probes
        # come first.
        groups = await run.refusals.groups() if s.request.probes else ()
        probes = await choose(groups, run.refusals, run.preparer, s.request.limit)
        refusal_groups = RefusalGroups(
            run.refusals,
            s.batches,
            run.preparer,
            groups,
            brings_back=s.request.about_everybody,
            may_send=self._may_follow,
        )
        await refusal_groups.add(probes)
        return refusal_groups, probes

    async def add_batches(self, probes: int) -> int:
        """Write the contacts that differ into batches; return how many there are."""
        run, s = self._run, self._session
        limit = s.request.limit
        if limit is not None:
            limit -= probes
        slices = cut(self._candidates.slices(), s.config.engine.batch_size, limit)
        async for piece in slices:
            await s.batches.add(piece.kind, piece.contact_ids)
            self.batched += len(piece.contact_ids)
        # Whether something is taken from a removed contact depends on the other
        # destinations of the account: they are asked about all of them at once.
        await run.preparer.look_ahead(s.batches.waiting())
        return self.batched + probes

    async def judge_scope(self) -> None:
        """Raise BrakeApplied where too many contacts would be removed or changed."""
        scope = self._candidates.scope
        if scope is not None:
            s = self._session
            self._candidates.scope = await judge_scope(
                s.destination, scope, s.request, self._really_removed
            )

    async def _really_removed(self) -> Removed:
        """Count the removed contacts one by one."""
        removed = Removed()
        # This plans every removal, which takes a while: ``judge_scope`` only asks for
        # it where the counts of the diff would trip a brake.
        async for batch in self._session.batches.waiting():
            if batch.kind is BatchKind.REMOVALS:
                removed.add(await self._run.preparer.plan(batch))
        return removed

    async def bring_back(self) -> int:
        """Add contacts whose match key was let go; return how many.

        A run about some contacts only leaves them to the next run about all.
        """
        run, s = self._run, self._session
        if not s.request.about_everybody:
            return 0
        found: list[str] = []
        if run.keys is not None:
            found += await run.keys.freed()
        found += await Shares(s.fence).let_go(s.name)
        found += await run.waiting.moved()
        return await _add_missing(found, s.batches, s.config.engine.batch_size)

    async def refuse_strays(self) -> None:
        """Raise BrakeApplied for contacts of destinations without a file."""
        s, without_file = self._session, self._run.others.without_file
        if not without_file or NO_FILE in s.request.accept:
            return
        async for batch in s.batches.waiting():
            if batch.kind is BatchKind.CHANGES:
                await brake_on_no_file(
                    s.destination,
                    without_file,
                    s.databases,
                    batch.contact_ids,
                    s.request,
                )

    async def judge_survey(self) -> None:
        """Raise BrakeApplied when the run would change what is known drastically.

        Otherwise the size that it compared is noted.
        """
        s, scope = self._session, self._candidates.scope
        if scope is None:
            return
        if scope.known:
            async for batch in s.batches.waiting():
                await self._run.preparer.survey(batch, self._survey)
            have_other_ids = await brake_on_survey(
                s.destination, s.databases, self._survey, scope, s.request
            )
            if have_other_ids:
                await recognise_people(s.databases)
        if compared_as_a_whole(s.destination, scope, s.request):
            await note_compared_rows(s.fence, s.name, scope.source_rows)

    async def judge_consent(self) -> None:
        """Raise BrakeApplied where the files ask for less consent than before."""
        run, s = self._run, self._session
        change = ConsentChange(
            s.destination, s.databases, s.source, s.recognised, run.others.neighbours
        )
        if not change.is_possible:
            return
        async for batch in s.batches.waiting():
            await change.add(batch, await run.preparer.plan(batch))
        change.judge(s.request)

    async def _may_follow(self, numbers: Sequence[int]) -> bool:
        """Return whether revived contacts may be sent after what the run has surveyed.

        Where a brake stops them they are left to the person who accepts it: the rest of
        the run goes on. ``numbers`` are those of their batches.
        """
        s, scope = self._session, self._candidates.scope
        if scope is None:
            return True
        if not scope.known:
            # It was not counted, since nothing had changed.
            known = await known_and_unfinished(s.databases.state, s.name)
            scope = replace(scope, known=known.number, unfinished=known.unfinished)
        wanted = set(numbers)
        batches = [each async for each in s.batches.waiting() if each.number in wanted]
        try:
            with_removals = await self._with_removals(scope, batches)
            brake_on_scope(s.destination, with_removals, s.request)
            if scope.known:
                for batch in batches:
                    await self._run.preparer.survey(batch, self._survey)
                await brake_on_survey(
                    s.destination, s.databases, self._survey, scope, s.request
                )
        except BrakeApplied as brake:
            self._run.withheld_by.append(brake.name)
            return False
        return True

    async def _with_removals(self, scope: Scope, batches: Sequence[Batch]) -> Scope:
        """Return the scope with the removals of these batches added."""
        s = self._session
        for batch in batches:
            if batch.kind is not BatchKind.REMOVALS:
                continue
            removed = await count_removed(s.databases.state, s.name, batch.contact_ids)
            touched = scope.touched
            if touched is not None:
                touched += removed.known
            scope = replace(
                scope,
                removed=scope.removed + removed.known,
                tagged=scope.tagged + removed.tagged,
                touched=touched,
            )
        return scope


async def _add_missing(
    contact_ids: Sequence[str], batches: Batches, batch_size: int
) -> int:
    """Add contacts that can be tried again; return how many were missing."""
    missing = dict.fromkeys(contact_ids)
    if missing:
        # A contact whose own row changed is in a batch already: two attempts at a time
        # would be two creates.
        async for batch in batches.waiting():
            for contact_id in batch.contact_ids:
                missing.pop(contact_id, None)
    added = list(missing)
    for start in range(0, len(added), batch_size):
        await batches.add(BatchKind.CHANGES, added[start : start + batch_size])
    return len(added)


async def _release_without_file(run: RunParts) -> None:
    """Let go of the contacts of destinations without a file, where that is accepted."""
    without_file = run.others.without_file
    if without_file and NO_FILE in run.session.request.accept:
        # Before the diff: from now on these contacts belong to nobody, and this
        # destination may take over those that it selects.
        await release(run.session.fence, without_file)


async def remember_accepted(run: RunParts) -> None:
    """Record what the brakes have let pass."""
    s = run.session
    recognised, consent = s.recognised, consent_rules(s.destination)
    if recognised.consent is not None and not s.request.about_everybody:
        # The run about everybody is the one that is asked about everybody.
        consent = recognised.consent
    if (recognised.identity, consent) != (recognised.at_start, recognised.consent):
        await remember(s.fence, s.name, recognised.identity, consent)


async def apply_distrust(run: RunParts) -> None:
    """Mark unknown what a re-sync does not believe, before its first request.

    After the brakes, which judge by what was known. A run that is killed from here on
    leaves its contacts to the next one, of whatever kind.
    """
    s = run.session
    distrust = distrust_by(s.destination)
    is_about_named = bool(s.request.contacts)
    if s.recognised.resync or (s.request.resync and not is_about_named):
        await distrust_all(s.fence, s.name, distrust)
    elif s.request.resync:
        contact_ids = [contact_id_of(key) for key in s.request.contacts]
        await distrust_contacts(s.fence, s.name, contact_ids, distrust)
