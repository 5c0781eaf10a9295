"""Groups of contacts that the vendor refuses alike: one is tried for all of them.

Where the vendor refuses three contacts in the same words, the cause is configuration
and not data: a field is required there now, a tag or a stage was deleted. Such
contacts are a refusal group (``model.work.RefusalGroup``). No refusal counts against
them, and no run tries them, but for one contact of each group: the probe.

    first night     contacts 1 to 9 are refused: "no such stage". They are a group.
    second night    1 is the probe and is refused again: one request, 8 are left alone.
    third night     2 is the probe and is accepted: the others are revived and sent.

Values that the vendor neither takes nor refuses make groups as well: their contacts
are in step without these values, and each run sends one contact with them.

``app.run_preparation`` chooses the probes, and the ``Dispatcher`` tries them before all
other contacts. When two refusals are alike is decided in ``planning.refusals``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.engine.prepare import Preparer
from syncengine.model.calls import OutcomeKind
from syncengine.model.work import (
    Batch,
    BatchKind,
    GroupMember,
    Refusal,
    RefusalGroup,
    Status,
)
from syncengine.planning.attempt import records
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.refusals import ALIKE, is_tried_version
from syncengine.ports import BatchStore, RefusalStore

MOST_PROBES = 20
"""Number of probes in a run at most. More groups than that take turns."""
_FIRST_PAGE = 20
"""Number of a group's contacts that are planned first in search of its probe."""
_LONGEST_PAGE = 10_000
"""Number of contacts at most that are revived, or searched for a probe, at a time."""
_BATCH_SIZE = 500

MaySend = Callable[[Sequence[int]], Awaitable[bool]]
"""Returns whether batches of revived contacts, given by number, may be sent.

The brakes decide: they have not seen these contacts when the run began.
"""


async def _always(numbers: Sequence[int]) -> bool:  # noqa: ARG001 - see MaySend
    return True


@dataclass(frozen=True, slots=True)
class Probe:
    """The contact that is tried for all that were refused alike."""

    job: Job
    kind: BatchKind
    """REMOVALS where what was refused is its removal."""
    refusal: Refusal
    """Refusal of its group."""

    @property
    def contact_id(self) -> str:
        return self.job.state.contact_id


async def choose(
    groups: Sequence[RefusalGroup],
    store: RefusalStore,
    preparer: Preparer,
    limit: int | None = None,
) -> list[Probe]:
    """Return a probe for each group, but no more than one run may try.

    ``groups`` begin with the one that was tried longest ago; ``limit`` is the number of
    contacts that the run may be about, None: any number.

    The probe of a group is the contact that was tried longest ago, of those whose row
    is still as it was refused and about which something may be sent. A group without
    such a contact has no probe. Writes nothing. Raises SourceError, StorageError.
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
    page_size = _FIRST_PAGE
    while members := await store.members(refusal.fingerprint, skip, page_size):
        skip += len(members)
        # Most often one of the first few contacts will do. Where none does, pages grow,
        # since Postgres reads and orders the whole group anew for each.
        page_size = min(_LONGEST_PAGE, 4 * page_size)
        jobs = await _planned(members, preparer)
        for member in members:
            job = jobs.get(member.contact_id)
            if job is not None and _may_be_tried(job, refusal):
                return Probe(job, member.kind, refusal)
    return None


async def _planned(
    members: Sequence[GroupMember], preparer: Preparer
) -> Mapping[str, Job]:
    """Return the jobs of these contacts, by contact id, as a run would plan them."""
    jobs: dict[str, Job] = {}
    for kind, contact_ids in _by_kind(members).items():
        # A batch that is only planned is not stored, and needs no number.
        batch = Batch(0, kind, contact_ids)
        # Of contacts that were deleted at the vendor, it is their new creation that was
        # refused.
        prepared = await preparer.plan(batch, recreates=True)
        for job in prepared.jobs:
            jobs[job.state.contact_id] = job
    return jobs


def _by_kind(members: Sequence[GroupMember]) -> dict[BatchKind, tuple[str, ...]]:
    """Return the contact ids for each kind of batch that there are any for."""
    found: dict[BatchKind, tuple[str, ...]] = {}
    # In the order of the enum, not of the members: removals are sent before changes.
    for kind in BatchKind:
        contact_ids = tuple(each.contact_id for each in members if each.kind is kind)
        if contact_ids:
            found[kind] = contact_ids
    return found


def _may_be_tried(job: Job, refusal: Refusal) -> bool:
    """Return whether what is planned for a contact is what was refused.

    Otherwise its row has changed or left the source, and the run tries it anyway.
    """
    if not is_tried_version(job.state, job.source_hash):
        return False
    is_sendable = job.refusal is None and bool(job.plan.calls)
    return is_sendable and _is_alike(job.state.refusal, refusal)


class RefusalGroups:
    """The refusal groups of one destination during a run.

    The calls come in this order: ``add`` the probes, ``after_attempt`` for each contact
    of the run, ``judge`` once the probes have ended, and ``end`` when all have.
    """

    def __init__(
        self,
        store: RefusalStore,
        batches: BatchStore,
        preparer: Preparer,
        groups: Sequence[RefusalGroup] = (),
        *,
        brings_back: bool,
        may_send: MaySend = _always,
    ) -> None:
        """Take the ``groups`` that the state has before the run.

        ``brings_back`` is True where the run is about all contacts: only such a run
        sends the contacts of a group whose probe was accepted. Any other run leaves
        them to the next one.
        """
        self.probes = 0
        """Number of contacts that were tried as probes."""
        self.standing = Counter[str]()
        """Number of contacts in groups before the run, by the refusal's code."""
        for group in groups:
            self.standing[group.refusal.code] += group.contacts
        self._store = store
        self._batches = batches
        self._preparer = preparer
        self._brings_back = brings_back
        self._may_send = may_send
        self._probes: dict[str, Refusal] = {}
        """By contact id: what the group of a probe was refused with. A probe is taken
        out when its first attempt ends."""
        self._added: list[Batch] = []
        self._accepted: set[int] = set()
        """Fingerprints of groups of which a contact was accepted, with the very row
        that was refused before."""
        self._renamed: dict[int, Refusal] = {}
        """By fingerprint: refusals in other words than before, of groups' probes."""

    async def add(self, probes: Sequence[Probe]) -> None:
        """Add the probes to the run."""
        members: list[GroupMember] = []
        for probe in probes:
            members.append(GroupMember(probe.contact_id, probe.kind))
            self._probes[probe.contact_id] = probe.refusal
        self._added += await self._add_batches(members)

    async def _add_batches(self, members: Sequence[GroupMember]) -> list[Batch]:
        """Add contacts to the run as batches of their own, and return these."""
        added: list[Batch] = []
        for kind, contact_ids in _by_kind(members).items():
            for start in range(0, len(contact_ids), _BATCH_SIZE):
                piece = contact_ids[start : start + _BATCH_SIZE]
                number = await self._batches.add(kind, piece)
                added.append(Batch(number, kind, piece))
        return added

    @property
    def batches(self) -> Sequence[Batch]:
        """The batches of the probes, which come before all others."""
        return self._added

    def is_probe(self, job: Job) -> bool:
        """Return whether the contact is tried for others, and has not ended yet."""
        return job.state.contact_id in self._probes

    def after_attempt(self, job: Job, ending: AttemptEnding) -> AttemptEnding:
        """Note how an attempt ended, and return the ending to be counted.

        That of a failed probe is replaced: its refusal counts neither for the contact
        nor towards a halt of the account.
        """
        before = job.state.refusal
        is_same_version = is_tried_version(job.state, job.source_hash)
        # Any contact, probe or not, that is accepted with the row that was refused
        # shows that the cause is gone.
        if before is not None and is_same_version and _is_accepted(ending, before):
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
        """Bring back the groups whose probe was accepted, once all probes have ended.

        The records of the probes have to be in the state before. Raises SourceError,
        StorageError, LeaseLost.
        """
        for former, now in self._renamed.items():
            await self._store.relabel(former, now)
        if not self._accepted or not self._brings_back:
            return
        accepted = sorted(self._accepted)
        # What is accepted from here on is left to ``end``.
        self._accepted = set()
        numbers = await self._revive(accepted)
        # As for all other contacts before the run: among the revived ones may be
        # removed contacts that other destinations want.
        await self._preparer.look_ahead(self._batches_of(numbers))
        if numbers and not await self._may_send(numbers):
            await self._put_back(accepted, numbers)

    async def end(self) -> None:
        """Form new groups of what was refused alike, and revive the accepted ones.

        The records of all contacts have to be in the state before. Raises StorageError,
        LeaseLost.
        """
        accepted = sorted(self._accepted)
        if accepted:
            await self._revive_for_the_next_run(accepted)
        await self._store.leave_alone(ALIKE)

    async def _revive_for_the_next_run(self, fingerprints: Sequence[int]) -> None:
        """Have the contacts of these groups planned again, too late for this run."""
        # Page by page, until none is left.
        while await self._store.revive(fingerprints, _LONGEST_PAGE):
            pass

    async def _revive(self, fingerprints: Sequence[int]) -> list[int]:
        """Have the contacts of these groups planned in this run.

        Returns the numbers of their batches.
        """
        numbers: list[int] = []
        while revived := await self._store.revive(fingerprints, _LONGEST_PAGE):
            added = await self._add_batches(await self._not_in_run(revived))
            numbers += [batch.number for batch in added]
        return numbers

    async def _not_in_run(
        self, members: Sequence[GroupMember]
    ) -> Sequence[GroupMember]:
        """Leave out contacts that the run tries anyway, since their row has changed.

        Two attempts of one contact side by side would be two creates.
        """
        in_run: set[str] = set()
        contact_ids = {member.contact_id for member in members}
        async for batch in self._batches.waiting():
            in_run |= contact_ids.intersection(batch.contact_ids)
        return [member for member in members if member.contact_id not in in_run]

    async def _batches_of(self, numbers: Sequence[int]) -> AsyncIterator[Batch]:
        """Yield the waiting batches of these numbers."""
        wanted = set(numbers)
        async for batch in self._batches.waiting():
            if batch.number in wanted:
                yield batch

    async def _put_back(
        self,
        fingerprints: Sequence[int],
        numbers: Sequence[int],
    ) -> None:
        """Leave revived groups alone again, and take their batches out of the run."""
        await self._store.put_back(fingerprints)
        for number in numbers:
            await self._batches.finish(number, {})


def _is_alike(one: Refusal | None, other: Refusal) -> bool:
    return one is not None and one.fingerprint == other.fingerprint


def _is_accepted(ending: AttemptEnding, before: Refusal) -> bool:
    """Return whether an attempt shows that the cause of a refusal is gone.

    ``before`` is what the contact was refused with before, or the values that the
    vendor did not take of it.
    """
    record = ending.record
    if ending.refused or record.status not in (Status.SYNCED, Status.REMOVED):
        return False
    if _is_alike(record.refusal, before):
        # In step, but again without the values that it lacked before.
        return False
    # In step without a single call proves nothing: the vendor was not asked.
    return record.outcome is not None and bool(record.outcome.actions)


def _is_failure(job: Job, ending: AttemptEnding, before: Refusal) -> bool:
    """Return whether a probe was not accepted and goes back to its group.

    It does not where its attempts go on, or where something is left to be settled: it
    then has to stay a candidate of the next run, and no group's contact is one.
    """
    outcome = ending.record.outcome
    known = ending.record.known
    if outcome is None or ending.postponed or ending.waits_for:
        return False
    if outcome.kind is OutcomeKind.REJECTED:
        return True
    if _is_alike(ending.record.refusal, before):
        return True
    # Of all other outcomes, a deferral alone leaves the contact as untried as before.
    if outcome.kind is not OutcomeKind.DEFERRED or known.pending is not None:
        return False
    # With another id than before its vendor contact turned out to be gone, and is still
    # to be looked up.
    return known.external_id == job.state.known.external_id
