"""Contacts that the vendor refuses alike.

One of them is tried, and all once it is accepted.

What three contacts are refused with in the same words is configuration, not data: a
field that is required there since, a tag or a stage that is gone. It counts against
nobody. The contacts stand, and in each run one of each group is tried: the probe.

So it is with values that the vendor does not take, and does not refuse: the contacts
are in step without them, and one is sent with them each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.engine import records
from syncengine.engine.attempt import AttemptEnding
from syncengine.engine.prepare import Preparer
from syncengine.engine.task import Job
from syncengine.model.calls import OutcomeKind
from syncengine.model.work import (
    Batch,
    BatchKind,
    GroupMember,
    Refusal,
    RefusalGroup,
    Status,
)
from syncengine.planning.refusals import ALIKE, is_tried_version
from syncengine.ports import BatchStore, RefusalStore

MOST_PROBES = 20
"""Probes of one run, at most: where the groups are more, they take turns."""
_AT_ONCE = 20
"""Contacts of a group that are planned first, until one can be tried."""
_A_BATCH = 500
_A_PAGE = 10_000
"""Contacts that are revived, or looked through for a probe, at a time, at most."""

Allowed = Callable[[Sequence[int]], Awaitable[bool]]
"""Whether the batches of these numbers, which are revived contacts, may be sent."""


async def _always(numbers: Sequence[int]) -> bool:  # noqa: ARG001 - see Allowed
    return True


@dataclass(frozen=True, slots=True)
class Probe:
    """The contact that is tried for all that were refused alike."""

    job: Job
    kind: BatchKind
    refusal: Refusal

    @property
    def contact_id(self) -> str:
        return self.job.state.contact_id


async def choose(
    groups: Sequence[RefusalGroup],
    store: RefusalStore,
    preparer: Preparer,
    limit: int | None = None,
) -> list[Probe]:
    """Return a probe for each of the groups, as many as a run tries.

    ``groups`` come in the order in which they were tried last; ``limit`` is the number
    of contacts that the run may be about.

    It is the contact that was tried longest ago, of those whose row is still the one
    that was refused, and about which something may be sent. Writes nothing.
    """
    most = MOST_PROBES
    if limit is not None:
        most = min(limit, MOST_PROBES)
    probes: list[Probe] = []
    for group in groups:
        if len(probes) >= most:
            break
        probe = await _probe_of(group.refusal, store, preparer)
        if probe is not None:
            probes.append(probe)
    return probes


async def _probe_of(
    refusal: Refusal,
    store: RefusalStore,
    preparer: Preparer,
) -> Probe | None:
    skip = 0
    most = _AT_ONCE
    while members := await store.members(refusal.fingerprint, skip, most):
        skip += len(members)
        # Larger each time: every page reads and orders the whole group.
        most = min(_A_PAGE, 4 * most)
        jobs = await _planned(members, preparer)
        for member in members:
            job = jobs.get(member.contact_id)
            if job is not None and _may_be_tried(job, refusal):
                return Probe(job, member.kind, refusal)
    return None


async def _planned(
    members: Sequence[GroupMember], preparer: Preparer
) -> Mapping[str, Job]:
    jobs: dict[str, Job] = {}
    for kind, contact_ids in _by_kind(members).items():
        # Of contacts that were deleted at the vendor, it is their new creation that was
        # refused.
        prepared = await preparer.plan(Batch(0, kind, contact_ids), recreates=True)
        jobs |= {job.state.contact_id: job for job in prepared.jobs}
    return jobs


def _by_kind(members: Sequence[GroupMember]) -> dict[BatchKind, tuple[str, ...]]:
    found: dict[BatchKind, tuple[str, ...]] = {}
    for kind in BatchKind:
        contact_ids = tuple(each.contact_id for each in members if each.kind is kind)
        if contact_ids:
            found[kind] = contact_ids
    return found


def _may_be_tried(job: Job, refusal: Refusal) -> bool:
    """Return whether what is planned is what was refused.

    A row that changed or left is part of the run anyway.
    """
    if not is_tried_version(job.state, job.source_hash):
        return False
    is_sendable = job.refusal is None and bool(job.plan.calls)
    return is_sendable and _is_alike(job.state.refusal, refusal)


class RefusalGroups:
    """The groups of one destination's run."""

    def __init__(
        self,
        store: RefusalStore,
        batches: BatchStore,
        preparer: Preparer,
        groups: Sequence[RefusalGroup] = (),
        *,
        brings_back: bool,
        allowed: Allowed = _always,
    ) -> None:
        self.probes = 0
        """Contacts that were tried as probes."""
        self.standing = Counter[str]()
        """Contacts that stand at the start of the run, by code."""
        for group in groups:
            self.standing[group.refusal.code] += group.contacts
        self._store = store
        self._batches = batches
        self._preparer = preparer
        self._brings_back = brings_back
        """True where the run is about all contacts, and not about some only."""
        self._allowed = allowed
        self._probes: dict[str, Refusal] = {}
        self._added: list[Batch] = []
        self._accepted: set[int] = set()
        """Groups of which a contact was accepted as it was refused before."""
        self._renamed: dict[int, Refusal] = {}
        """Groups whose probe was refused in other words."""

    async def add(self, probes: Sequence[Probe]) -> None:
        """Add the probes to the run."""
        members = [GroupMember(probe.contact_id, probe.kind) for probe in probes]
        self._probes |= {probe.contact_id: probe.refusal for probe in probes}
        for kind, contact_ids in _by_kind(members).items():
            for ids in _pieces(contact_ids):
                self._added.append(Batch(await self._batches.add(kind, ids), kind, ids))

    @property
    def batches(self) -> Sequence[Batch]:
        """The batches of the probes, which come before all others."""
        return self._added

    def is_probe(self, job: Job) -> bool:
        """Return whether the contact is tried for others."""
        return job.state.contact_id in self._probes

    def after_attempt(self, job: Job, ending: AttemptEnding) -> AttemptEnding:
        """Return how an attempt ends; that of a failed probe costs nothing.

        Whoever is accepted as it was refused before shows that the cause is gone.
        """
        before = job.state.refusal
        is_same = is_tried_version(job.state, job.source_hash)
        if before is not None and is_same and _is_accepted(ending, before):
            self._accepted.add(before.fingerprint)
        refusal = self._probes.pop(job.state.contact_id, None)
        if refusal is None:
            return ending
        self.probes += 1
        if not _is_failure(job, ending, refusal):
            return ending
        record = records.probed(job.state, job.source_hash, ending.record)
        if record.refusal is not None and record.refusal != refusal:
            self._renamed[refusal.fingerprint] = record.refusal
        return replace(ending, record=record, refused=False)

    async def judge(self) -> None:
        """Bring back the groups whose probe was accepted, once all have ended.

        Everything has to be written down before.
        """
        for former, now in self._renamed.items():
            await self._store.relabel(former, now)
        if self._accepted and self._brings_back:
            accepted, self._accepted = sorted(self._accepted), set()
            numbers = await self._revive(accepted)
            await self._preparer.look_ahead(self._of(numbers))
            if numbers and not await self._allowed(numbers):
                await self._put_back(accepted, numbers)

    async def end(self) -> None:
        """Let those stand that were refused alike; have the accepted groups planned.

        Everything has to be written down before.
        """
        accepted = sorted(self._accepted)
        if accepted:
            await self._revive_for_the_next_run(accepted)
        await self._store.leave_alone(ALIKE)

    async def _revive_for_the_next_run(self, fingerprints: Sequence[int]) -> None:
        """Have the contacts of these groups planned again, too late for this run."""
        # Page by page, until none is left.
        while await self._store.revive(fingerprints, _A_PAGE):
            pass

    async def _revive(self, fingerprints: Sequence[int]) -> list[int]:
        numbers: list[int] = []
        while revived := await self._store.revive(fingerprints, _A_PAGE):
            fresh = await self._not_in_run(revived)
            for kind, contact_ids in _by_kind(fresh).items():
                pieces = _pieces(contact_ids)
                numbers += [await self._batches.add(kind, ids) for ids in pieces]
        return numbers

    async def _not_in_run(
        self, members: Sequence[GroupMember]
    ) -> Sequence[GroupMember]:
        """Leave out those that the run tries anyway: their row changed or left.

        Two attempts of one contact side by side would be two creates.
        """
        tried: set[str] = set()
        mine = {member.contact_id for member in members}
        async for batch in self._batches.waiting():
            tried |= mine.intersection(batch.contact_ids)
        return [member for member in members if member.contact_id not in tried]

    async def _of(self, numbers: Sequence[int]) -> AsyncIterator[Batch]:
        wanted = set(numbers)
        async for batch in self._batches.waiting():
            if batch.number in wanted:
                yield batch

    async def _put_back(
        self,
        fingerprints: Sequence[int],
        numbers: Sequence[int],
    ) -> None:
        await self._store.put_back(fingerprints)
        for number in numbers:
            await self._batches.finish(number, {})


def _is_alike(one: Refusal | None, other: Refusal) -> bool:
    return one is not None and one.fingerprint == other.fingerprint


def _is_accepted(ending: AttemptEnding, before: Refusal) -> bool:
    """Return whether the vendor carried out all that it could of a contact's calls.

    ``before`` is what it was refused with, or what was not taken of it.
    """
    record, outcome = ending.record, ending.record.outcome
    if ending.refused or record.status not in (Status.SYNCED, Status.REMOVED):
        return False
    if _is_alike(record.refusal, before):
        return False
    return outcome is not None and bool(outcome.actions)


def _is_failure(job: Job, ending: AttemptEnding, before: Refusal) -> bool:
    """Return whether a probe was not accepted, with nothing left to be settled."""
    outcome = ending.record.outcome
    known = ending.record.known
    if outcome is None or ending.postponed or ending.waits_for:
        return False
    if outcome.kind is OutcomeKind.REJECTED:
        return True
    if _is_alike(ending.record.refusal, before):
        return True
    if outcome.kind is not OutcomeKind.DEFERRED or known.pending is not None:
        return False
    # With another id than before its vendor contact turned out to be gone, and is still
    # to be looked up.
    return known.external_id == job.state.known.external_id


def _pieces(contact_ids: tuple[str, ...]) -> list[tuple[str, ...]]:
    starts = range(0, len(contact_ids), _A_BATCH)
    return [contact_ids[start : start + _A_BATCH] for start in starts]
