"""The search for one contact to try for all that were refused alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.refusal_groups import MOST_PROBES, choose
from syncengine.model.calls import Action, Call
from syncengine.model.contact import Desired
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    GroupMember,
    Refusal,
    RefusalGroup,
    Status,
)
from syncengine.planning.attempt.job import Job
from syncengine.planning.plan import Plan
from syncengine.ports import RefusalStore

_CONTACTS = 100_000


class _Crowd:
    """A large group that counts how many of its pages are read."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.pages = 0

    async def members(
        self, _fingerprint: int, skip: int, most: int
    ) -> Sequence[GroupMember]:
        self.pages += 1
        numbers = range(skip, min(skip + most, _CONTACTS))
        return [GroupMember(str(number), BatchKind.CHANGES) for number in numbers]

    async def plan(self, batch: Batch, *, recreates: bool) -> Prepared:  # noqa: ARG002 - see Preparer
        self.seen += batch.contact_ids
        return Prepared()


@pytest.mark.asyncio
async def test_a_large_group_of_untriable_contacts_is_read_in_large_pages() -> None:
    crowd = _Crowd()
    store, preparer = cast("RefusalStore", crowd), cast("Preparer", crowd)
    assert (
        await choose([RefusalGroup(Refusal(1, "http_422"), _CONTACTS)], store, preparer)
        == []
    )
    assert crowd.seen == [str(number) for number in range(_CONTACTS)]
    assert crowd.pages < 20, "each page reads and orders the whole group"


class _Many:
    """Groups of one contact each, all of which may be tried."""

    async def members(
        self, fingerprint: int, skip: int, _most: int
    ) -> Sequence[GroupMember]:
        return [] if skip else [GroupMember(str(fingerprint), BatchKind.CHANGES)]

    async def plan(self, batch: Batch, *, recreates: bool) -> Prepared:  # noqa: ARG002 - see Preparer
        (contact_id,) = batch.contact_ids
        refusal = Refusal(int(contact_id), "field_not_shown")
        state = ContactState(
            contact_id, status=Status.SYNCED, source_hash=5, refusal=refusal
        )
        plan = Plan(
            (Call(Action.UPDATE, contact_id, fields={"plan": "gold"}),), requests=1
        )
        return Prepared((Job(0, state, Desired(contact_id, {}), 5, plan),))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("limit", "probes"), [(None, MOST_PROBES), (3, 3), (1000, MOST_PROBES)]
)
async def test_of_many_groups_only_a_few_are_tried_in_one_run(
    limit: int | None, probes: int
) -> None:
    many = _Many()
    store, preparer = cast("RefusalStore", many), cast("Preparer", many)
    groups = [
        RefusalGroup(Refusal(number, "field_not_shown"), 1)
        for number in range(1, 2 * MOST_PROBES)
    ]
    chosen = await choose(groups, store, preparer, limit)
    assert [int(probe.contact_id) for probe in chosen] == list(range(1, probes + 1)), (
        "those tried longest ago"
    )
