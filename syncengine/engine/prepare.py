"""Preparation of a batch: from contact ids to jobs.

Rows and states are read anew, plans are made, and intents are written before anything
is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from syncengine.engine import records
from syncengine.engine.consent import OPTED_OUT, SAME_PERSON, subjects_of
from syncengine.engine.neighbours import Leaving, Neighbours
from syncengine.engine.task import Job, Task
from syncengine.errors import SourceError, SyncEngineError, where_it_broke
from syncengine.model.calls import Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.consent import SubjectFinder
from syncengine.model.contact import Desired, Known
from syncengine.model.contact_ids import name_of, name_of_owner
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    Intent,
    Record,
    SharedContact,
    SourceRow,
    Status,
)
from syncengine.planning.distrust import known_before_distrust, should_read_back
from syncengine.planning.intents import (
    after_unknown_deletion,
    intent_of_plan,
    still_unknown,
    with_all_unknown,
)
from syncengine.planning.learning import with_key_of_create
from syncengine.planning.look_up import plan_look_up
from syncengine.planning.mapping import has_opted_out, map_row, no_match_key
from syncengine.planning.match_keys import hashes
from syncengine.planning.merges import has_open_merge
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import plan_removal, unknown_after_removal
from syncengine.planning.sharing import WantedByOthers
from syncengine.planning.survey import Survey
from syncengine.ports import ContactStore, KeyStore, SourceReader

_AT_A_STRETCH = 20
"""Number of contacts planned before other tasks run: meanwhile a lease is renewed and
answers are read."""


Rows: TypeAlias = Mapping[str, SourceRow]
"""Fresh rows by contact id."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be worked on."""

    jobs: tuple[Job, ...] = ()
    records: tuple[Record, ...] = ()
    """Contacts that need no request."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Facts about a batch's contacts."""

    rows: Rows
    states: Mapping[str, ContactState]
    losers: Mapping[str, str]
    """Contacts that must not have a match key they claim, each with its owner."""
    wanted: Mapping[str, WantedByOthers] | SourceError
    """What other destinations want of removed contacts; or why they cannot be asked."""
    met: Mapping[str, SharedContact]
    """Contacts that the vendor has, or may have, from other destinations."""
    unsettled: Mapping[str, str]
    """Contacts that another destination does not select any more, and has to let go of
    in its own run; each with that destination."""


class Preparer:
    """Loads and plans batches of one destination."""

    def __init__(
        self,
        task: Task,
        capabilities: Capabilities,
        source: SourceReader,
        store: ContactStore,
        keys: KeyStore | None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._task = task
        self._naming = SubjectFinder(task.mapping)
        self._capabilities = capabilities
        self._source = source
        self._store = store
        self._keys = keys
        self._neighbours = neighbours

    async def look_ahead(self, batches: AsyncIterator[Batch]) -> None:
        """Look at what other destinations want of the contacts about to be removed.

        Raises StorageError.
        """
        if self._neighbours is None or not self._takes_away:
            return
        async for batch in batches:
            if batch.kind is BatchKind.REMOVALS:
                states = await self._store.load(batch.contact_ids)
                self._neighbours.note(
                    {each: state.known for each, state in states.items()}
                )
        await self._neighbours.look_ahead()

    async def claim(self, batch: Batch) -> None:
        """Claim the match keys of the batch's contacts.

        All batches claim before any key is assigned, so that all of a run's contacts
        are compared.
        """
        if self._keys is not None:
            await self._claim(self._keys, batch, await self._rows(batch))

    async def _claim(self, keys: KeyStore, batch: Batch, rows: Rows) -> None:
        claims: dict[str, list[bytes]] = {}
        for contact_id in batch.contact_ids:
            row = rows.get(contact_id)
            wanted = self._desired(row) if row else None
            claims[contact_id] = (
                hashes(wanted.keys) if isinstance(wanted, Desired) else []
            )
        await keys.claim(claims)

    async def _rows(self, batch: Batch) -> Rows:
        return {
            row.contact_id: row for row in await self._source.load(batch.contact_ids)
        }

    async def survey(self, batch: Batch, survey: Survey) -> None:
        """Count the changes of the batch's contacts that brakes judge.

        Raises SourceError, StorageError.
        """
        if batch.kind is not BatchKind.CHANGES:
            return
        states = await self._store.load(batch.contact_ids)
        linked = [
            contact_id
            for contact_id, state in states.items()
            if state.known.external_id is not None
        ]
        survey.creates += len(set(batch.contact_ids)) - len(linked)
        for row in await self._source.load(linked) if linked else ():
            desired = self._desired(row)
            if isinstance(desired, Desired) and not has_opted_out(
                row, self._task.mapping
            ):
                survey.add(
                    desired,
                    known_before_distrust(states[row.contact_id].known),
                    self._capabilities,
                )

    async def prepare(
        self, batch: Batch, attempt: int = 1, *, recreates: bool = False
    ) -> Prepared:
        """Load and plan a batch, and write its intents.

        ``recreates``: its contacts that were deleted at the vendor are created again,
        where the destination has that done. Raises SourceError, StorageError, LeaseLost.
        """
        rows = await self._rows(batch)
        if self._keys is not None:
            # A row that changed or vanished since would keep others from a key that nobody asks for any more.
            await self._claim(self._keys, batch, rows)
        prepared = await self._plan(
            batch, rows, attempt, recreates=recreates, hands_over=True
        )
        await self._store.intend(
            [
                Intent(
                    job.state.contact_id,
                    intent_of_plan(job.desired, job.state.known, job.plan),
                )
                for job in prepared.jobs
                if job.plan.calls
            ]
        )
        return prepared

    async def plan(self, batch: Batch, *, recreates: bool = False) -> Prepared:
        """Load and plan a batch; writes nothing."""
        return await self._plan(batch, await self._rows(batch), 1, recreates=recreates)

    async def _plan(
        self,
        batch: Batch,
        rows: Rows,
        attempt: int,
        *,
        recreates: bool,
        hands_over: bool = False,
    ) -> Prepared:
        states = await self._store.load(batch.contact_ids)
        # In its first attempt it was looked up, and it is to be created again: it waits
        # for the contact that has its match key.
        recreates = self._task.recreates and (recreates or attempt > 1)
        again = (
            {each for each, state in states.items() if state.gone}
            if recreates
            else set[str]()
        )
        states = {
            each: replace(state, gone=state.gone and each not in again)
            for each, state in states.items()
        }
        leaving = await self._leaving(batch, rows, states)
        moving = [each for each in leaving if each.settled]
        if self._neighbours is not None and hands_over:
            await self._neighbours.hand_over(moving)
        moved = {each.contact_id for each in moving}
        losers = await self._keys.losers(batch.contact_ids) if self._keys else {}
        met = await self._met(batch)
        facts = _Facts(
            rows,
            states,
            # A plan hands nothing over: the key's owner is the contact itself still.
            losers={
                each: winner
                for each, winner in losers.items()
                if each not in moved or winner != each
            },
            wanted=await self._removed(batch, rows, states),
            met={
                each: replace(of, owner=None) if each in moved else of
                for each, of in met.items()
            },
            unsettled={
                each.contact_id: each.destination
                for each in leaving
                if not each.settled
            },
        )
        planned = await self._planned(batch, facts, attempt)
        found = (item for item in planned if isinstance(item, Job))
        jobs = {
            job.state.contact_id: replace(job, recreates=job.state.contact_id in again)
            for job in found
        }
        withheld = await self._withheld(jobs)
        return Prepared(
            tuple(
                job for contact_id, job in jobs.items() if contact_id not in withheld
            ),
            (
                *(item for item in planned if isinstance(item, Record)),
                *withheld.values(),
            ),
        )

    async def _withheld(self, jobs: Mapping[str, Job]) -> Mapping[str, Record]:
        """Return the records of the contacts about which nothing is sent."""
        asked = {
            contact_id: subjects_of(job, self._naming)
            for contact_id, job in jobs.items()
        }
        reasons = (
            await self._store.suppressed(asked)
            if asked and self._task.needs_consent
            else {}
        )
        return {
            contact_id: _withheld(jobs[contact_id], reason)
            for contact_id, reason in reasons.items()
        }

    async def _removed(
        self, batch: Batch, rows: Rows, states: Mapping[str, ContactState]
    ) -> Mapping[str, WantedByOthers] | SourceError:
        """Return what others want of the batch's removed contacts.

        An error where another destination cannot be asked.
        """
        removes = batch.kind is BatchKind.REMOVALS and self._takes_away
        if self._neighbours is None or not removes:
            return {}
        removed = {
            each: state.known for each, state in states.items() if each not in rows
        }
        try:
            return await self._neighbours.wanting(removed) if removed else {}
        except SourceError as error:
            return error

    async def _leaving(
        self, batch: Batch, rows: Rows, states: Mapping[str, ContactState]
    ) -> Sequence[Leaving]:
        """Return the batch's contacts that other destinations do not select any more."""
        if self._neighbours is None or batch.kind is BatchKind.REMOVALS:
            return ()
        new = [
            each
            for each, row in rows.items()
            if (each not in states or states[each].known.external_id is None)
            and isinstance(self._desired(row), Desired)
            and not has_opted_out(row, self._task.mapping)
        ]
        return await self._neighbours.leaving(new) if new else ()

    async def _met(self, batch: Batch) -> Mapping[str, SharedContact]:
        finds = self._task.find_first and self._capabilities.find_by
        if self._neighbours is None or finds or batch.kind is BatchKind.REMOVALS:
            return {}
        return await self._neighbours.met(batch.contact_ids)

    @property
    def _takes_away(self) -> bool:
        return self._task.on_removed is not OnRemoved.IGNORE

    async def _planned(
        self, batch: Batch, facts: _Facts, attempt: int
    ) -> Sequence[Job | Record]:
        planned: list[Job | Record | None] = []
        for number, contact_id in enumerate(dict.fromkeys(batch.contact_ids)):
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
            state, row = facts.states.get(contact_id), facts.rows.get(contact_id)
            try:
                item = self._item(batch, state, row, facts)
            except SyncEngineError:
                raise
            except Exception as error:  # noqa: BLE001 - what is wrong with one contact ends with it
                state = state or ContactState(contact_id)
                source_hash = row.source_hash if row else None
                item = records.rejected(
                    state,
                    state.known,
                    source_hash,
                    _unplannable(error),
                    removal=row is None,
                )
            if isinstance(item, Job) and contact_id in facts.met:
                item = replace(item, met=True)
            planned.append(
                replace(item, attempt=attempt)
                if isinstance(item, Job) and attempt > 1
                else item
            )
        return [item for item in planned if item is not None]

    def _item(
        self,
        batch: Batch,
        state: ContactState | None,
        row: SourceRow | None,
        facts: _Facts,
    ) -> Job | Record | None:
        """Return the job or the record of one contact; None: nothing to do."""
        if row is not None:
            state = state or ContactState(row.contact_id)
            if has_opted_out(row, self._task.mapping):
                return _opted_out(state, row)
            if self._may_be_overwritten(state, facts):
                state = replace(
                    state, known=with_all_unknown(state.known, state.known.pending)
                )
            met, winner = (
                facts.met.get(row.contact_id, SharedContact()),
                facts.losers.get(row.contact_id),
            )
            other = facts.unsettled.get(row.contact_id)
            if other is not None and (winner == row.contact_id or met.owner == other):
                return self._later(batch.number, state, row, other)
            return self._change(batch.number, state, row, winner, met)
        if state is not None and batch.kind is BatchKind.REMOVALS:
            return self._removal(batch.number, state, facts.wanted)
        # It left after the diff: not sent, and its removal is the next run's business, brakes included.
        return None

    def _later(
        self, batch: int, state: ContactState, row: SourceRow, other: str
    ) -> Record:
        """Defer a contact of which another destination has to let go first."""
        wanted = self._desired(row)
        assert isinstance(wanted, Desired), "a row that cannot be desired is refused"
        job = Job(batch, state, wanted, row.source_hash, Plan())
        return records.deferred(
            job, state.known, "not_let_go", _not_let_go(f"{other}/{row.contact_id}")
        )

    def _is_owned(self, met: SharedContact, desired: Desired, known: Known) -> bool:
        """Return whether another destination owns what an upsert would write over."""
        asks = not self._capabilities.find_by and known.external_id is None
        return asks and met.owner is not None and met.key in desired.keys

    def _may_be_overwritten(self, state: ContactState, facts: _Facts) -> bool:
        """Return whether another destination may have written to a returning contact.

        Its write may have no outcome, and nobody can look there.
        """
        returns = state.status is Status.REMOVED and not self._capabilities.find_by
        return returns and state.contact_id in facts.met

    def _desired(self, row: SourceRow) -> Desired | Rejected:
        """Return the desired contact, or a rejection.

        A row at which anything unforeseen happens is rejected.
        """
        try:
            return map_row(
                row,
                self._task.mapping,
                self._capabilities.identity,
                self._capabilities.accumulates,
            )
        except SyncEngineError:
            raise
        except Exception as error:  # noqa: BLE001 - what is wrong with one row ends with its contact
            return _unplannable(error)

    def _change(
        self,
        batch: int,
        state: ContactState,
        row: SourceRow,
        winner: str | None,
        met: SharedContact,
    ) -> Job | Record | None:
        if state.gone:
            return self._gone(batch, state, row, winner)
        known = with_key_of_create(self._revived(state.known), self._capabilities)
        if known is not state.known:
            state = replace(state, known=known)
        desired = self._desired(row)
        refusal = self._own_refusal(desired, winner, known)
        if isinstance(desired, Desired) and self._is_owned(met, desired, known):
            refusal = refusal or _of_another(f"{met.owner}/{row.contact_id}")
        if refusal is not None or isinstance(desired, Rejected):
            assert refusal is not None, "a row that cannot be desired is refused"
            return self._refused(batch, state, desired, row, refusal)
        plan = plan_contact(desired, known, self._capabilities)
        if isinstance(plan, Rejected):
            return self._refused(batch, state, desired, row, plan)
        job = Job(batch, state, desired, row.source_hash, plan)
        if (
            plan.calls
            or should_read_back(known, self._capabilities)
            or has_open_merge(known)
        ):
            return job
        settled = (
            state.status is Status.SYNCED
            and state.source_hash == row.source_hash
            and known.pending is None
        )
        left = still_unknown(known, plan, manages_tags=desired.manages_tags)
        return (
            None
            if settled
            else records.in_step(job, known, (), 0, plan.unsupported, left=left)
        )

    def _gone(
        self, batch: int, state: ContactState, row: SourceRow, winner: str | None
    ) -> Job | Record | None:
        """Return the job of a contact that was deleted at the vendor: to look it up.

        None where it is created again at the end of the run.
        """
        if self._task.recreates and state.status is Status.GONE:
            return None
        desired = self._desired(row)
        refusal = self._own_refusal(desired, winner, Known())
        wanted = (
            desired if isinstance(desired, Desired) else Desired(row.contact_id, {})
        )
        job = Job(batch, state, wanted, row.source_hash, Plan(), refusal, gone=True)
        unknown = plan_look_up(None, state.known, self._capabilities, find_first=False)
        if refusal is None or unknown:
            return job
        return records.rejected(state, state.known, row.source_hash, refusal)

    def _own_refusal(
        self, desired: Desired | Rejected, winner: str | None, known: Known
    ) -> Rejected | None:
        """Return why our own check refuses a contact; None: it does not."""
        if isinstance(desired, Rejected):
            return desired
        if winner is not None:
            return _duplicate(winner)
        if known.external_id is None and not desired.keys:
            return no_match_key(self._task.mapping)
        return None

    def _refused(
        self,
        batch: int,
        state: ContactState,
        desired: Desired | Rejected,
        row: SourceRow,
        refusal: Rejected,
    ) -> Job | Record:
        if plan_look_up(None, state.known, self._capabilities, find_first=False):
            wanted = (
                desired
                if isinstance(desired, Desired)
                else Desired(state.contact_id, {})
            )
            return Job(batch, state, wanted, row.source_hash, Plan(), refusal)
        return records.rejected(state, state.known, row.source_hash, refusal)

    def _revived(self, known: Known) -> Known:
        return after_unknown_deletion(known, self._task.mapping.match_on)

    def _removal(
        self,
        batch: int,
        state: ContactState,
        others: Mapping[str, WantedByOthers] | SourceError,
    ) -> Job | Record | None:
        if isinstance(others, SourceError):
            job = Job(batch, state, None, None, Plan())
            return records.deferred(job, state.known, "not_asked", _not_asked(others))
        if (
            state.known.pending and state.known.pending.creates
        ):  # it was back and may have been created anew
            state = replace(
                state,
                known=with_key_of_create(
                    self._revived(state.known), self._capabilities
                ),
            )
        policy, wanted = self._task.on_removed, others.get(state.contact_id)
        plan = plan_removal(
            state.contact_id, state.known, policy, self._capabilities, wanted
        )
        job = Job(batch, state, None, None, plan, wanted=wanted)
        unknown = plan_look_up(None, state.known, self._capabilities, find_first=False)
        ends_there = policy is not OnRemoved.IGNORE and has_open_merge(state.known)
        if plan.calls or unknown or ends_there or self._is_untagged_unread(state.known):
            return job
        if wanted is not None and state.status is Status.REMOVED:
            return None  # it was reported when it left; the other destination is still to take it over
        kept = policy if wanted is None else OnRemoved.IGNORE
        left = unknown_after_removal(state.known, kept, self._capabilities)
        return records.in_step(job, state.known, (), 0, plan.unsupported, left=left)

    def _is_untagged_unread(self, known: Known) -> bool:
        """Return whether a removed contact may have tags of ours that are not known."""
        untags = self._task.on_removed is OnRemoved.UNTAG
        return untags and should_read_back(known, self._capabilities)


def _not_asked(error: SourceError) -> str:
    return (
        "it left the source, and another destination of the account cannot be asked whether it "
        f"selects the contact ({error}): nothing is deleted or untagged before it can"
    )


def _withheld(job: Job, reason: str) -> Record:
    if reason == SAME_PERSON and job.desired is not None:
        return records.same_person(job.state, job.source_hash)
    return records.suppressed(
        job.state, job.state.known, job.source_hash, reason, removal=job.desired is None
    )


def _unplannable(error: Exception) -> Rejected:
    return Rejected(
        "cannot_be_planned",
        f"the row cannot be made into calls ({where_it_broke(error)}); look at its values, and at what the mapping "
        "makes of them",
        by_vendor=False,
    )


def _opted_out(state: ContactState, row: SourceRow) -> Record | None:
    settled = state.status is Status.SUPPRESSED and state.source_hash == row.source_hash
    return (
        None
        if settled
        else records.suppressed(state, state.known, row.source_hash, OPTED_OUT)
    )


def _not_let_go(owner: str) -> str:
    return (
        f"the vendor's contact belongs to contact {name_of_owner(owner)} of the same account, which that file does not "
        "select any more. Its run has to let go of the contact first: the next run after that one takes it over"
    )


def _of_another(owner: str) -> Rejected:
    return Rejected(
        "ambiguous_match",
        f"the vendor's contact belongs to contact {name_of_owner(owner)} of the same account, and one would write over "
        "the other. It is taken over once that file does not select it any more; else let one of the "
        "two files select it",
        by_vendor=False,
    )


def _duplicate(winner: str) -> Rejected:
    return Rejected(
        "duplicate_match_key",
        f"contact {name_of(winner)} has the same match key, so the vendor could not tell "
        "the two apart: correct the row, or add a field to match_on in which they differ",
        by_vendor=False,
    )
