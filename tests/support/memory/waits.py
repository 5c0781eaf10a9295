"""Waits for the match key of another contact, in memory (``ports.WaitStore``).

The counterpart of ``storage.state.waits`` and its SQL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from syncengine.model.work import Blocker, KeyWait, Status
from tests.support.memory.database import Database, Fence, StateRow
from tests.support.memory.keys import Keys


class Waits:
    def __init__(self, fence: Fence, destination: str) -> None:
        self._fence = fence
        self._destination = destination

    async def keep(self, waits: Mapping[str, KeyWait]) -> None:
        async with self._fence.writing("keep waits") as database:
            for contact_id, wait in waits.items():
                database.waits[self._destination, contact_id] = (
                    wait,
                    _fingerprint(database, wait),
                )

    async def moved(self) -> Sequence[str]:
        async with self._fence.reading("moved") as database:
            return [
                contact_id
                for (destination, contact_id), (wait, before) in sorted(
                    database.waits.items()
                )
                if destination == self._destination
                and (row := database.states.get((destination, contact_id)))
                and _is_waiting(row)
                and before != _fingerprint(database, wait)
            ]

    async def blockers(self, contacts: Collection[str]) -> Mapping[str, Blocker]:
        found: dict[str, Blocker] = {}
        async with self._fence.reading("blockers") as database:
            unread = set(contacts)
            while unread:
                contact = min(unread)
                unread.remove(contact)
                blocker = self._blocker(database, contact)
                if blocker is None:
                    continue
                found[contact] = blocker
                if blocker.waits_for and blocker.waits_for not in found:
                    unread.add(blocker.waits_for)
        return found

    def _blocker(self, database: Database, contact: str) -> Blocker | None:
        place = _place(contact)
        row = database.states.get(place)
        if row is None:
            return None
        waits_for = None
        if row.code == "duplicate_match_key":
            winner = Keys(self._fence, place[0], numbered=False).winner_over(
                database, place
            )
            waits_for = "/".join(winner) if winner else None
        if _is_waiting(row) and place in database.waits:
            waits_for = database.waits[place][0].owner
        return Blocker(contact, row.status, row.code or "", waits_for)


def _is_waiting(row: StateRow) -> bool:
    return row.status is Status.DEAD and row.code in ("key_held", "ambiguous_match")


def _place(contact: str) -> tuple[str, str]:
    destination, _, contact_id = contact.partition("/")
    return destination, contact_id


def _fingerprint(database: Database, wait: KeyWait) -> str:
    """Return a text that changes with what the owner of a match key has."""
    place = _place(wait.owner)
    state, known = database.states.get(place), database.known.get(place)
    there = (state.external_id, state.status is Status.REMOVED) if state else None
    return repr(
        (
            there,
            known and known.key,
            [known and known.fields.get(name) for name in sorted(wait.fields)],
        )
    )
