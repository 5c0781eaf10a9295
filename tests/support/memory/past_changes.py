"""Changes of former runs in memory (``ports.ChangeStore``).

The counterpart of ``storage.state.taken_back``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.model.change import ContactChange
from syncengine.model.undo import LaterChange
from tests.support.memory.database import Fence


class PastChanges:
    def __init__(self, fence: Fence, destination: str) -> None:
        self._fence = fence
        self._destination = destination

    async def changes(
        self, run_id: int, contact_ids: Sequence[str]
    ) -> Mapping[str, ContactChange]:
        async with self._fence.reading("load changes") as database:
            return {
                each: database.changes[run_id, each]
                for each in contact_ids
                if (run_id, each) in database.changes
            }

    async def later(
        self, run_id: int, contact_ids: Sequence[str]
    ) -> Mapping[str, tuple[LaterChange, ...]]:
        async with self._fence.reading("load later changes") as database:
            found: dict[str, tuple[LaterChange, ...]] = {}
            for (number, contact_id), change in sorted(
                database.changes.items(), key=lambda item: item[0]
            ):
                is_here = database.destinations.get(number) == self._destination
                if number <= run_id or contact_id not in contact_ids or not is_here:
                    continue
                later = LaterChange(
                    number,
                    database.undone_by.get(number),
                    frozenset(change.fields),
                    change.tags_added | change.tags_removed,
                )
                found[contact_id] = (*found.get(contact_id, ()), later)
            return found
