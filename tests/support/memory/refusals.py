"""Groups of contacts refused alike, in memory (``ports.RefusalStore``).

The counterpart of ``storage.state.refusals`` and its SQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from syncengine.model.work import (
    BatchKind,
    GroupMember,
    Refusal,
    RefusalGroup,
    Standing,
    Status,
)
from tests.support.memory.database import Database, Fence, StateRow

_REFUSED = (Status.REJECTED, Status.DEAD, Status.REMOVED)
_IN_STEP = Status.SYNCED


class Refusals:
    def __init__(self, fence: Fence, destination: str, run_id: int) -> None:
        self._fence = fence
        self._destination = destination
        self._run_id = run_id

    async def groups(self) -> Sequence[RefusalGroup]:
        async with self._fence.reading("groups") as database:
            found: dict[int, list[StateRow]] = {}
            for _, row in self._mine(database):
                if row.refusal is not None and _stands(row):
                    found.setdefault(row.refusal, []).append(row)
            order = sorted(
                found,
                key=lambda each: (max(row.tried_in or 0 for row in found[each]), each),
            )
            return [
                RefusalGroup(
                    Refusal(each, max(row.code or "" for row in found[each])),
                    len(found[each]),
                )
                for each in order
            ]

    async def members(
        self, fingerprint: int, skip: int, most: int
    ) -> Sequence[GroupMember]:
        async with self._fence.reading("members") as database:
            found = [
                (
                    row.tried_in or 0,
                    row.number is None,
                    row.number or 0,
                    contact_id,
                    row.status,
                )
                for contact_id, row in self._mine(database)
                if row.refusal == fingerprint and _stands(row)
            ]
        return [
            GroupMember(
                contact_id,
                BatchKind.REMOVALS if status is Status.REMOVED else BatchKind.CHANGES,
            )
            for *_, contact_id, status in sorted(found)[skip : skip + most]
        ]

    async def leave_alone(self, at_least: int) -> None:
        async with self._fence.writing("stand") as database:
            numbers = Counter(
                row.refusal
                for _, row in self._mine(database)
                if row.refusal is not None
            )
            for contact_id, row in self._mine(database):
                known = database.known.get((self._destination, contact_id))
                counted = row.status in _REFUSED and row.rejections > 0
                undecided = (
                    row.status is Status.PENDING and row.tried_in == self._run_id
                )
                if (
                    row.refusal is not None
                    and numbers[row.refusal] >= at_least
                    and row.rejected_hash is not None
                    and (counted or undecided)
                    and (row.rejections > 1 or not (known and known.pending))
                ):
                    _let_stand(row)

    async def relabel(self, former: int, now: Refusal) -> None:
        async with self._fence.writing("relabel") as database:
            rows = [row for _, row in self._mine(database) if _stands(row)]
            if any(
                row.refusal == now.fingerprint and (row.tried_in or 0) < self._run_id
                for row in rows
            ):
                return
            for row in rows:
                if row.refusal == former:
                    row.refusal, row.code = now.fingerprint, now.code

    async def revive(
        self, fingerprints: Sequence[int], most: int
    ) -> Sequence[GroupMember]:
        async with self._fence.writing("revive") as database:
            found = sorted(
                (contact_id, row)
                for contact_id, row in self._mine(database)
                if row.refusal in fingerprints
                and (row.tried_in or 0) < self._run_id
                and _is_revived(row)
            )[:most]
            revived = [
                GroupMember(
                    contact_id,
                    BatchKind.REMOVALS if _is_removal(row) else BatchKind.CHANGES,
                )
                for contact_id, row in found
            ]
            for _, row in found:
                if row.status is _IN_STEP:
                    row.rejected_hash = row.source_hash
                row.status, row.source_hash, row.rejections, row.standing = (
                    Status.PENDING,
                    None,
                    0,
                    None,
                )
        return revived

    async def put_back(self, fingerprints: Sequence[int]) -> None:
        async with self._fence.writing("put back") as database:
            for _, row in self._mine(database):
                if (
                    row.refusal in fingerprints
                    and (row.tried_in or 0) < self._run_id
                    and row.status is Status.PENDING
                    and row.rejections == 0
                    and row.rejected_hash is not None
                ):
                    _let_stand_again(row)

    def _mine(self, database: Database) -> Iterator[tuple[str, StateRow]]:
        return (
            (contact_id, row)
            for (destination, contact_id), row in database.states.items()
            if destination == self._destination
        )


def _is_revived(row: StateRow) -> bool:
    return row.status in _REFUSED or (
        row.status is _IN_STEP and row.standing is Standing.UNSUPPORTED
    )


def _is_removal(row: StateRow) -> bool:
    return row.status is not _IN_STEP and row.rejected_hash == 0


def _stands(row: StateRow) -> bool:
    return row.refusal is not None and row.rejections == 0 and row.standing is not None


def _let_stand_again(row: StateRow) -> None:
    if row.code is not None:
        _let_stand(row)
        return
    row.status, row.source_hash, row.rejected_hash = _IN_STEP, row.rejected_hash, None
    row.standing = Standing.UNSUPPORTED


def _let_stand(row: StateRow) -> None:
    row.status = Status.REMOVED if row.rejected_hash == 0 else Status.DEAD
    row.source_hash, row.rejections, row.standing = None, 0, Standing.DEAD_LETTER
