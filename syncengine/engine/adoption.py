"""Adoption: contacts that exist in the account are linked by their match keys.

The verb ``adopt`` does this before the first sync of an account that already has these
contacts. Nothing is written to the vendor: the next run sends what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from syncengine.engine.crowd import Crowd, side_by_side
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.engine.waves import Waves
from syncengine.errors import contact_error
from syncengine.model.capabilities import matches
from syncengine.model.change import ContactChange, Effect
from syncengine.model.contact import THIS_RUN, Desired, MatchKey, Remote
from syncengine.model.contact_ids import name_of_owner
from syncengine.model.phones import surely_same
from syncengine.model.work import Record, Status
from syncengine.planning.attempt.job import Job
from syncengine.planning.found_contacts import (
    known_from_remote,
    tags_with_prefix,
    unique_remotes,
    with_inherited,
    with_seen_opt_outs,
)
from syncengine.ports import ContactStore, SimilarPhoneFinder, Vendor


class Finding(StrEnum):
    """Result of the search for one contact."""

    LINKED = "linked"
    UNMATCHED = "unmatched"
    """No match key finds it."""
    GONE = "gone"
    """It was deleted at the vendor and is not created again."""
    AMBIGUOUS = "ambiguous"
    """Several vendor contacts have its match key."""
    OWNED = "owned"
    """The vendor contact that was found belongs to another contact."""
    ALIKE = "alike"
    """A vendor contact has the digits of its phone, and may be somebody else's."""
    UNREAD = "unread"
    """The vendor's answer could not be read, or there was none."""


@dataclass(frozen=True, slots=True)
class _Matches:
    """Vendor contacts that were found for one contact."""

    key: MatchKey | None = None
    """The match key that found them; None: none did."""
    remotes: tuple[Remote, ...] = ()
    alike: tuple[Remote, ...] = ()
    """Vendor contacts with the digits of its phone that may be somebody else's. They
    are never linked."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """Result of the adoption of one contact."""

    contact_id: str
    finding: Finding
    message: str = ""
    record: Record | None = None
    """To be written to the state; for a linked contact only."""


class Adoption:
    """Adopts the contacts of one destination."""

    def __init__(
        self, vendor: Vendor, retrier: Retrier, store: ContactStore, prefix: str = ""
    ) -> None:
        """Take the ``prefix`` of our tags, by which those found count as ours."""
        self._vendor = vendor
        self._prefix = prefix
        self._retrier = retrier
        self._store = store

    async def adopt(self, jobs: Sequence[Job]) -> list[Adopted]:
        """Look up the contacts that are not linked yet, and link those found once.

        Raises AccountStopped, StorageError.
        """
        new = [job for job in jobs if _is_new(job)]
        crowd = Crowd(len(new))
        waves = Waves(self._vendor, self._retrier, crowd)
        results = await side_by_side(crowd, [self._adopt(job, waves) for job in new])
        adopted: list[Adopted] = []
        broken: BaseException | None = None
        for job, result in zip(new, results, strict=True):
            if not isinstance(result, BaseException):
                adopted.append(result)
                continue
            message = contact_error(result)
            if message is not None:
                adopted.append(Adopted(job.state.contact_id, Finding.UNREAD, message))
            elif broken is None:
                # Not about this contact alone: raised once the others are noted.
                broken = result
        records = [each.record for each in adopted if each.record]
        if records:
            # They are in no batch.
            await self._store.record(0, records)
        if broken is not None:
            raise broken
        return adopted

    async def _adopt(self, job: Job, waves: Waves) -> Adopted:
        contact_id = job.state.contact_id
        desired = job.desired
        assert desired is not None, "only wanted contacts are adopted"
        found = await self._find(desired, waves)
        if not found.remotes:
            found = await self._find_similar(desired)
        if not found.remotes:
            return await self._unmatched(job, found.alike)
        if len(found.remotes) > 1:
            ids = ", ".join(sorted(remote.external_id for remote in found.remotes))
            return Adopted(
                contact_id,
                Finding.AMBIGUOUS,
                f"{len(found.remotes)} contacts at the vendor match: {ids}",
            )
        return await self._link(job, found.remotes[0], found.key)

    async def _link(self, job: Job, remote: Remote, key: MatchKey | None) -> Adopted:
        """Link the one vendor contact that was found, unless another one owns it."""
        contact_id = job.state.contact_id
        if remote.former_ids:
            # Another one may know it by an id from before a merge.
            owners = await self._store.owners(contact_id, remote.former_ids)
            if owners:
                return _owned(contact_id, remote, min(owners.values()))
        hidden = self._vendor.capabilities.hidden
        known = known_from_remote(
            remote,
            job.desired,
            job.state.known,
            self._vendor.same,
            hidden,
            key,
            self._prefix,
        )
        known = with_seen_opt_outs(
            known, job.state.known, remote, self._vendor.capabilities
        )
        ours = tags_with_prefix(remote.tags, self._prefix)
        link = await self._store.link(
            contact_id, remote.external_id, key, known.found_tags, ours
        )
        if link.owner is not None:
            return _owned(contact_id, remote, link.owner)
        linked = ContactChange(Effect.LINKED, external_id=remote.external_id)
        record = Record(
            contact_id=contact_id,
            known=with_inherited(known, link.tags & remote.tags, link.fields, hidden),
            status=Status.PENDING,
            source_hash=None,
            rejections=job.state.rejections,
            rejected_hash=job.state.rejected_hash,
            changes={THIS_RUN: linked},
        )
        return Adopted(contact_id, Finding.LINKED, record=record)

    async def _unmatched(self, job: Job, alike: Sequence[Remote]) -> Adopted:
        """Return that nothing was found, with the strangers that are alike, if any."""
        contact_id = job.state.contact_id
        ids = [remote.external_id for remote in alike]
        owned: Mapping[str, str] = {}
        if ids:
            owned = await self._store.owners(contact_id, ids)
        strangers = sorted(each for each in ids if each not in owned)
        if not strangers:
            finding = Finding.GONE if job.gone else Finding.UNMATCHED
            return Adopted(contact_id, finding)
        return Adopted(
            contact_id,
            Finding.ALIKE,
            f"{len(strangers)} at the vendor with the digits of its phone, not surely "
            f"the same number: {', '.join(strangers)}",
        )

    async def _find_similar(self, desired: Desired) -> _Matches:
        """Find vendor contacts with a phone of the contact in another spelling.

        ``+49 171 234`` and ``0171 234`` are surely the same in Germany. The first key
        that surely finds any decides; else all that may be somebody else's are named.
        """
        alike: list[Remote] = []
        for key in desired.keys:
            can = matches(key.field, self._vendor.capabilities.find_by)
            if not can or not isinstance(self._vendor, SimilarPhoneFinder):
                continue
            found = await self._retrier.run(
                partial(self._vendor.find_similar, key), Meter(), repeatable=True
            )
            sure: list[Remote] = []
            for remote in found:
                theirs = remote.fields.get(key.field)
                if surely_same(key.value, theirs, key.region):
                    sure.append(remote)
            if sure:
                return _Matches(key, unique_remotes(sure))
            alike += found
        return _Matches(alike=unique_remotes(alike))

    async def _find(self, desired: Desired, waves: Waves) -> _Matches:
        """Find the vendor contacts of the first match key that finds any."""
        for key in desired.keys:
            if not matches(key.field, self._vendor.capabilities.find_by):
                continue
            hits = await waves.find(key)
            if hits:
                return _Matches(key, unique_remotes(hits))
        return _Matches()


def _owned(contact_id: str, remote: Remote, owner: str) -> Adopted:
    message = f"{remote.external_id} belongs to {name_of_owner(owner)} already"
    return Adopted(contact_id, Finding.OWNED, message)


def _is_new(job: Job) -> bool:
    """Return whether a contact is wanted, and nothing was ever sent for it."""
    known = job.state.known
    return job.desired is not None and known.external_id is None and not known.pending
