"""Contacts read back and compared, a slice at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Protocol

from syncengine.engine.exchange import Meter
from syncengine.engine.reading import read_linked
from syncengine.engine.repair import Repair
from syncengine.engine.retry import Retrier
from syncengine.errors import SyncEngineError, contact_error
from syncengine.model.capabilities import matches
from syncengine.model.consent import SubjectFinder
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

    def slices(self, size: int) -> AsyncIterator[Sequence[str]]: ...

    async def owners(self, external_ids: Sequence[str]) -> Mapping[str, str]: ...


@dataclass(slots=True)
class Findings:
    """Findings so far."""

    compared: int = 0
    drifted: int = 0
    unknown: int = 0
    silent: int = 0
    """Number of contacts about whom nothing may be sent: not compared."""
    erasing: list[str] = field(default_factory=list)
    """Forgotten contacts of which something is still known here: not compared."""
    gone_before: int = 0
    """Number of contacts that stand as gone and were not asked for: not compared."""
    unread: int = 0
    opted_out: int = 0
    """Number of contacts that only opted out there: nothing is to be repaired."""
    strangers: int | None = None
    found: Counter[str] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)
    contacts: list[Drifted] = field(default_factory=list)


class Verification:
    """Verifies the contacts of one destination; ``repair`` takes those that drifted."""

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

        Raises AccountStopped, StorageError.
        """
        listed: set[str] = set()
        if directory is not None:
            listed = await self._listed(linked, total, directory)
        async for contact_ids in linked.slices(_SLICE):
            await self.one_by_one(
                [contact_id for contact_id in contact_ids if contact_id not in listed]
            )
            if self._stop.is_set():
                return

    async def one_by_one(self, contact_ids: Sequence[str]) -> None:
        """Verify these contacts, a request each.

        Raises AccountStopped, StorageError.
        """
        for start in range(0, len(contact_ids), _SLICE):
            if self._stop.is_set():
                return
            states = await self._store.load(contact_ids[start : start + _SLICE])
            await self._verify_slice(states)

    async def _verify_slice(self, states: Mapping[str, ContactState]) -> None:
        silent = await self._silent(states.values())
        passed_over: list[ContactState] = []
        readable: list[ContactState] = []
        for state in states.values():
            if state.contact_id in silent or _is_unknown(state):
                passed_over.append(state)
            elif state.known.external_id:
                readable.append(state)
        self._pass_over(passed_over, silent)
        answers = await asyncio.gather(
            *(self._read(state) for state in readable), return_exceptions=True
        )
        read: list[tuple[ContactState, Remote | None]] = []
        failed: list[BaseException] = []
        for state, answer in zip(readable, answers, strict=True):
            if isinstance(answer, BaseException):
                failed.append(answer)
            else:
                read.append((state, answer))
        # First what was read: a contact that failed must not cost the others.
        await self._compare(read)
        for error in failed:
            if contact_error(error) is None:
                raise error
            self.seen.unread += 1

    async def gone(self, states: Iterable[ContactState]) -> None:
        """Take contacts that are known to be gone at the vendor."""
        await self._compare([(state, None) for state in states])

    async def _listed(
        self, linked: LinkedContacts, total: int, directory: Directory
    ) -> set[str]:
        """Return the contacts that were compared by the vendor's list."""
        compared: set[str] = set()
        cursors: set[str] = set()
        cursor: str | None = None
        strangers = 0
        # Once it has taken more pages than there are contacts left, asking for each of
        # those is cheaper.
        left = total
        while left > 0 and not self._stop.is_set():
            page = await self._retrier.run(
                partial(directory.page, cursor), Meter(), repeatable=True
            )
            remotes = {remote.external_id: remote for remote in page.contacts}
            owners = await linked.owners(list(remotes))
            strangers += len(remotes.keys() - owners.keys())
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
        """Compare contacts with a page of the list; return those that have a state."""
        states = await self._store.load(contact_ids)
        unknown: list[ContactState] = []
        shown: list[tuple[ContactState, Remote | None]] = []
        for state in states.values():
            remote = remotes.get(state.known.external_id or "")
            if remote is None:
                continue
            if _is_unknown(state):
                unknown.append(state)
            else:
                shown.append((state, remote))
        self._pass_over(unknown, await self._silent(unknown))
        await self._compare(shown)
        return set(states)

    async def _read(self, state: ContactState) -> Remote | None:
        return await read_linked(self._vendor, self._retrier, state.known)

    async def _silent(self, states: Iterable[ContactState]) -> Mapping[str, str]:
        """Return those of the contacts that are suppressed, with the reason."""
        named = {
            state.contact_id: self._naming.subjects(
                state.contact_id, state.known.fields.items(), state.known.tags
            )
            for state in states
        }
        return await self._store.suppressed(named) if named else {}

    def _pass_over(
        self, states: Iterable[ContactState], silent: Mapping[str, str]
    ) -> None:
        """Count contacts that are not compared, by the reason why not."""
        for state in states:
            if silent.get(state.contact_id) == "forgotten":
                self.seen.erasing.append(state.contact_id)
            elif state.contact_id in silent or state.status is Status.SUPPRESSED:
                self.seen.silent += 1
            else:
                self.seen.unknown += 1

    async def _compare(
        self, pairs: Sequence[tuple[ContactState, Remote | None]]
    ) -> None:
        await self._store.remember_opt_outs(dict(self._new_opt_outs(pairs)))
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
        """Return how a contact drifted; None where it cannot be compared."""
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

    def _new_opt_outs(
        self, pairs: Sequence[tuple[ContactState, Remote | None]]
    ) -> Iterator[tuple[str, Fields]]:
        """Yield the opt-outs of those contacts whose opt-outs are others than before.

        Should a contact be deleted there and created again, it is created with them.
        """
        for state, remote in pairs:
            if remote is None:
                continue
            opt_outs = opt_outs_to_remember(
                state.known, remote, self._vendor.capabilities
            )
            if opt_outs != state.known.seen_opt_outs:
                yield state.contact_id, opt_outs

    def _is_passed_over(self, state: ContactState, name: str) -> bool:
        pending = state.known.pending
        if pending is not None and name in pending.fields:
            return True
        return matches(name, self._vendor.capabilities.accumulates)

    def _note(self, contact_id: str, found: Drift) -> None:
        names_by_way: dict[str, tuple[str, ...]] = {
            way: names if isinstance(names, tuple) else ()
            for way, names in asdict(found).items()
            if names
        }
        self.seen.drifted += 1
        self.seen.found.update(names_by_way.keys())
        for names in names_by_way.values():
            self.seen.subjects.update(names)
        if len(self.seen.contacts) < _MOST_NAMED:
            self.seen.contacts.append(Drifted(contact_id, names_by_way))


def _is_unknown(state: ContactState) -> bool:
    """Return whether it is unknown what was sent about a contact.

    Of one that is in step no more than some fields are unknown, which the source does
    not ask for.
    """
    return state.known.pending is not None and state.status is not Status.SYNCED
