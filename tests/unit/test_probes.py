"""The search for a contact to be tried for all that were refused alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from syncengine.engine.circumstances import choose
from syncengine.engine.prepare import Prepared, Preparer
from syncengine.model.work import Alike, Batch, BatchKind, Member, Refusal
from syncengine.ports import RefusalStore

_CONTACTS = 100_000


class _Crowd:
    """A large group; how many pages of it are read is counted."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.pages = 0

    async def members(self, _fingerprint: int, skip: int, most: int) -> Sequence[Member]:
        self.pages += 1
        numbers = range(skip, min(skip + most, _CONTACTS))
        return [Member(str(number), BatchKind.CHANGES) for number in numbers]

    async def plan(self, batch: Batch, *, recreates: bool) -> Prepared:  # noqa: ARG002 - see Preparer
        self.seen += batch.contact_ids
        return Prepared()


@pytest.mark.asyncio
async def test_a_large_group_of_whom_nobody_may_be_tried_is_looked_through_in_large_pages() -> None:
    crowd = _Crowd()
    store, preparer = cast("RefusalStore", crowd), cast("Preparer", crowd)
    assert await choose([Alike(Refusal(1, "http_422"), _CONTACTS)], store, preparer) == []
    assert crowd.seen == [str(number) for number in range(_CONTACTS)]
    assert crowd.pages < 20, "each page reads and orders the whole group"
