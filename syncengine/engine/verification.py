"""Contacts read back from the vendor and compared with what is known of them.

The verb ``verify`` uses it (``app.verbs.verify``), with a ``Repair`` if it is to have
what drifted mended. Where the vendor lists its contacts, the list is read first: one
request shows a page of them, and only contacts that no page shows are read one by one.

Nothing is written to the vendor, and nothing is asked about suppressed contacts: these
are only counted. What "drifted" means is decided in ``planning.drift``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from syncengine.engine.crowd import Crowd, side_by_side
from syncengine.engine.exchange import Meter
from syncengine.engine.reading import OtherContactShown, read_linked
from syncengine.engine.repair import Repair
from syncengine.engine.retry import Retrier
from syncengine.engine.waves import Waves
from syncengine.errors import SyncEngineError, contact_error
from syncengine.model.capabilities import matches
from syncengine.model.consent import Subject, SubjectFinder
from syncengine.model.contact import Fields, Remote
from syncengine.model.copies import Drifted
from syncengine.model.work import ContactState, Status
from syncengine.planning.drift import Drift, ManagedParts, drift
from syncengine.planning.found_contacts import opt_outs_to_remember
from syncengine.ports import ContactStore, Directory, Vendor

_SLICE = 200
"""Contacts read at a time."""
_MOST_NAMED = 1000
"""Contacts that are named; more are only counted."""


class LinkedContacts(Protocol):
    """The contacts that have a vendor contact of their own."""

    def slices(self, size: int) -> AsyncIterator[Sequence[str]]:
        """Yield the ids of all of them, so many at a time."""
        ...

    async def owners(self, external_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the ids of those that own these vendor contacts, by external id."""
        ...


class _ReadBack(NamedTuple):
    """A contact, and its copy at the vendor."""

    state: ContactState
    remote: Remote | None
    """None: the vendor has no such contact."""


@dataclass(slots=True)
class Findings:
    """Findings so far."""

    compared: int = 0
    drifted: int = 0
    unknown: int = 0
    """Number of contacts of which something sent is still unknown: not compared."""
    suppressed: int = 0
    """Number of contacts about whom nothing may be sent: not compared."""
    erasing: list[str] = field(default_factory=list)
    """Forgotten contacts of which something is still known here: not compared."""
    gone_before: int = 0
    """Number of contacts that stand as gone and were not asked for: not compared."""
    unread: int = 0
    """Number of contacts that the vendor did not show in a form that can be read."""
    merged: list[str] = field(default_factory=list)
    """Contacts in whose place the vendor shows another one: not compared."""
    opted_out: int = 0
    """Number of contacts that only opted out there: nothing is to be repaired."""
    strangers: int | None = None
    """Number of contacts in the vendor's list that none of ours owns; None: the list
    was not read to its end."""
    found: Counter[str] = field(default_factory=Counter)
    """Number of drifted contacts by the way of it: the names of ``Drift``'s fields."""
    subjects: Counter[str] = field(default_factory=Counter)
    """Number of drifted contacts by the field or tag in which they drifted."""
    contacts: list[Drifted] = field(default_factory=list)
    """The first ``_MOST_NAMED`` of those that drifted."""


class Verification:
    """Verifies the contacts of one destination."""

    def __init__(
        self,
        vendor: Vendor,
        retrier: Retrier,
        store: ContactStore,
        owned: ManagedParts,
        naming: SubjectFinder,
        stop: asyncio.Event,
        advance: Callable[[int], None],
        repair: Repair | None,
    ) -> None:
        """Take the parts of a verification.

        ``owned`` says which fields and tags at the vendor are ours to judge. ``naming``
        finds the names under which a contact may be suppressed. Once ``stop`` is set,
        no further slice is begun. ``advance`` is called with the number of contacts
        just compared. ``repair`` collects those that drifted.
        """
        self.seen = Findings()
        self._vendor = vendor
        self._retrier = retrier
        self._store = store
        self._owned = owned
        self._naming = naming
        self._stop = stop
        self._advance = advance
        self._repair = repair

    async def everybody(
        self, linked: LinkedContacts, total: int, directory: Directory | None
    ) -> None:
        """Verify every linked contact: by the vendor's list, or else one by one.

        ``total`` is their number; ``directory`` is None where the vendor has no list.
        Raises AccountStopped, StorageError.
        """
        listed: set[str] = set()
        if directory is not None:
            listed = await self._verify_listed(linked, total, directory)
        async for contact_ids in linked.slices(_SLICE):
            # The list may be cut off, or lag behind: what it did not show is read.
            unlisted = [each for each in contact_ids if each not in listed]
            await self.one_by_one(unlisted)
            if self._stop.is_set():
                return

    async def one_by_one(self, contact_ids: Sequence[str]) -> None:
        """Verify these contacts, without the vendor's list.

        Raises AccountStopped, StorageError.
        """
        for start in range(0, len(contact_ids), _SLICE):
            if self._stop.is_set():
                return
            states = await self._store.load(contact_ids[start : start + _SLICE])
            await self._verify_slice(states)

    async def _verify_slice(self, states: Mapping[str, ContactState]) -> None:
        suppressed = await self._suppressed(states.values())
        passed_over: list[ContactState] = []
        readable: list[ContactState] = []
        for state in states.values():
            if state.contact_id in suppressed or _is_unknown(state):
                passed_over.append(state)
            elif state.known.external_id:
                readable.append(state)
        self._pass_over(passed_over, suppressed)
        crowd = Crowd(len(readable))
        waves = Waves(self._vendor, self._retrier, crowd)
        capabilities = self._vendor.capabilities
        answers = await side_by_side(
            crowd,
            [read_linked(waves, capabilities, state.known) for state in readable],
        )
        read: list[_ReadBack] = []
        failed: list[BaseException] = []
        for state, answer in zip(readable, answers, strict=True):
            # At a vendor that merges nobody it is a wrong answer.
            if isinstance(answer, OtherContactShown) and capabilities.merges:
                self.seen.merged.append(state.contact_id)
            elif isinstance(answer, BaseException):
                failed.append(answer)
            else:
                read.append(_ReadBack(state, answer))
        # First what was read: a contact that failed must not cost the others.
        await self._compare(read)
        for error in failed:
            # Without words about a contact, the error concerns the account or the
            # database, and ends the verification.
            if contact_error(error) is None:
                raise error
            self.seen.unread += 1

    async def gone(self, states: Iterable[ContactState]) -> None:
        """Count and collect contacts that are known to be gone at the vendor."""
        await self._compare([_ReadBack(state, None) for state in states])

    async def _verify_listed(
        self, linked: LinkedContacts, total: int, directory: Directory
    ) -> set[str]:
        """Compare contacts with the vendor's list; return the ids of those it showed.

        An account may be full of strangers. Each page costs a request, as reading one
        contact does: so no more pages are read than contacts are left to be compared.
        """
        compared: set[str] = set()
        cursors: set[str] = set()
        cursor: str | None = None
        strangers = 0
        left = total
        while left > 0 and not self._stop.is_set():
            page = await self._retrier.run(
                partial(directory.page, cursor), Meter(), repeatable=True
            )
            remotes = {remote.external_id: remote for remote in page.contacts}
            owners = await linked.owners(list(remotes))
            nobodys = [remotes[each] for each in remotes.keys() - owners.keys()]
            strangers += await _count_strangers(linked, nobodys)
            # A list that changes while it is read may show a contact on two pages.
            new = [owner for owner in owners.values() if owner not in compared]
            compared |= await self._compare_listed(new, remotes)
            left = min(left - 1, total - len(compared))
            if page.cursor is None or page.cursor == cursor:
                # Only a list that was read to its end tells how many are strangers.
                self.seen.strangers = strangers
                break
            if page.cursor in cursors:
                # The pages lead in a circle: the contacts that are not among them are
                # asked for.
                break
            cursor = page.cursor
            cursors.add(cursor)
        return compared

    async def _compare_listed(
        self, contact_ids: Sequence[str], remotes: Mapping[str, Remote]
    ) -> set[str]:
        """Compare contacts with a page of the list; return those that have a state.

        ``remotes`` are the vendor contacts of the page by external id. The vendor shows
        suppressed contacts without being asked about them: these are compared too.
        """
        states = await self._store.load(contact_ids)
        unknown: list[ContactState] = []
        shown: list[_ReadBack] = []
        for state in states.values():
            remote = remotes.get(state.known.external_id or "")
            if remote is None:
                # Since the query for owners it was linked to another vendor contact.
                continue
            if _is_unknown(state):
                unknown.append(state)
            else:
                shown.append(_ReadBack(state, remote))
        self._pass_over(unknown, await self._suppressed(unknown))
        await self._compare(shown)
        return set(states)

    async def _suppressed(self, states: Iterable[ContactState]) -> Mapping[str, str]:
        """Return those of the contacts that are suppressed, with the reason."""
        subjects: dict[str, Sequence[Subject]] = {}
        for state in states:
            known = state.known
            subjects[state.contact_id] = self._naming.subjects(
                state.contact_id, known.fields.items(), known.tags
            )
        if not subjects:
            return {}
        return await self._store.suppressed(subjects)

    def _pass_over(
        self, states: Iterable[ContactState], suppressed: Mapping[str, str]
    ) -> None:
        """Count contacts that are not compared, by the reason why not."""
        for state in states:
            if suppressed.get(state.contact_id) == "forgotten":
                self.seen.erasing.append(state.contact_id)
            elif state.contact_id in suppressed or state.status is Status.SUPPRESSED:
                self.seen.suppressed += 1
            else:
                self.seen.unknown += 1

    async def _compare(self, pairs: Sequence[_ReadBack]) -> None:
        # Before anything is repaired: no repair may undo an opt-out.
        await self._store.remember_opt_outs(self._new_opt_outs(pairs))
        for state, remote in pairs:
            found = self._drift_of(state, remote)
            if found is None:
                self.seen.unread += 1
                continue
            self.seen.compared += 1
            if found:
                self._note_drift(state, remote, found)
        self._advance(len(pairs))

    def _drift_of(self, state: ContactState, remote: Remote | None) -> Drift | None:
        """Return how a contact drifted; None where it cannot be compared.

        What the vendor's ``same`` makes of a strange value is its own business: an
        exception of it ends with this contact.
        """
        try:
            return drift(
                state.known,
                remote,
                self._owned,
                self._vendor.same,
                partial(self._is_passed_over, state),
                whole=self._vendor.capabilities.reads,
            )
        except SyncEngineError:
            raise
        except Exception:  # noqa: BLE001 - it ends with this contact
            return None

    def _note_drift(
        self, state: ContactState, remote: Remote | None, found: Drift
    ) -> None:
        self._note(state.contact_id, found)
        if found == Drift(opted_out=found.opted_out):
            self.seen.opted_out += 1
        if self._repair is not None:
            self._repair.add(state, remote, found)

    def _new_opt_outs(self, pairs: Sequence[_ReadBack]) -> dict[str, Fields]:
        """Return, by contact id, opt-outs at the vendor that differ from before.

        They are remembered: should a contact be deleted there and created again, it is
        created with them.
        """
        capabilities = self._vendor.capabilities
        found: dict[str, Fields] = {}
        for state, remote in pairs:
            if remote is None:
                continue
            opt_outs = opt_outs_to_remember(state.known, remote, capabilities)
            if opt_outs != state.known.seen_opt_outs:
                found[state.contact_id] = opt_outs
        return found

    def _is_passed_over(self, state: ContactState, name: str) -> bool:
        """Return whether another value in a field would be no drift.

        Its value may be unknown, or the vendor keeps every value it was ever sent.
        """
        pending = state.known.pending
        if pending is not None and name in pending.fields:
            return True
        return matches(name, self._vendor.capabilities.accumulates)

    def _note(self, contact_id: str, found: Drift) -> None:
        names_by_way: dict[str, tuple[str, ...]] = {}
        for way, names in asdict(found).items():
            if isinstance(names, tuple) and names:
                names_by_way[way] = names
            elif names:
                # ``gone`` is a boolean: it concerns no field.
                names_by_way[way] = ()
        self.seen.drifted += 1
        self.seen.found.update(names_by_way.keys())
        for names in names_by_way.values():
            self.seen.subjects.update(names)
        if len(self.seen.contacts) < _MOST_NAMED:
            self.seen.contacts.append(Drifted(contact_id, names_by_way))


async def _count_strangers(linked: LinkedContacts, nobodys: Sequence[Remote]) -> int:
    """Return how many vendor contacts are no contact's by a former id either."""
    former_ids = [each for remote in nobodys for each in remote.former_ids]
    owners = await linked.owners(former_ids) if former_ids else {}
    return sum(owners.keys().isdisjoint(remote.former_ids) for remote in nobodys)


def _is_unknown(state: ContactState) -> bool:
    """Return whether so much of a contact is unknown that it cannot be compared.

    Of a contact that is in step, only fields that the source does not ask for are
    unknown: the others can be compared.
    """
    return state.known.pending is not None and state.status is not Status.SYNCED
