"""Contacts that ask for match keys which other contacts have.

None waits for ever, and each is tried in time.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncengine.model.mapping import OnRemoved
from tests.simulation.oracle import violations
from tests.simulation.pair import DesiredRow, contact_id, pair
from tests.simulation.scenes import Source, fill
from tests.simulation.world import RunResult, World
from tests.support.virtual_time import run

SHOWING = (
    "respond_io",
    "respond_io_v2",
    "whautomate:a second contact is refused",
    "charles",
    "hubspot",
    "hubspot:whole answers",
)
"""Vendors at which a contact's key can change.

With a look-up, with an answer that names the key's owner, and without.
"""
CONTACTS = (1, 2, 3, 4, 11, 12)
"""The last two are of another destination in the account."""


async def nights(world: World, source: Source, number: int = 1) -> list[RunResult]:
    """Runs over an unchanged source."""
    fill(world, source)
    return [await world.run() for _ in range(number)]


async def forever(world: World, source: Source) -> list[RunResult]:
    """Runs over an unchanged source, the last ones of which are all alike."""
    ran = await nights(world, source, 5)
    for each in ran[3:]:
        assert "deferred" not in each.outcomes.values()
        assert (each.requests, each.outcomes, each.stopped) == (0, {}, None)
    return ran


@st.composite
def sources(draw: st.DrawFn) -> dict[int, DesiredRow]:
    """Contacts that share and swap few keys."""
    keys = draw(
        st.lists(
            st.sampled_from((None, 1, 2, 3, 4)),
            min_size=len(CONTACTS),
            max_size=len(CONTACTS),
        )
    )
    return {
        contact: DesiredRow(key, (1, 1), ("a",))
        for contact, key in zip(CONTACTS, keys, strict=True)
        if key
    }


@pytest.mark.parametrize("name", SHOWING)
@given(
    past=st.lists(st.tuples(sources(), st.integers(1, 2)), min_size=1, max_size=3),
    now=sources(),
    silent=st.sets(st.sampled_from(CONTACTS), max_size=1),
    on_removed=st.sampled_from(OnRemoved),
)
@settings(max_examples=25, deadline=None)
def test_nobody_waits_for_ever(
    name: str,
    past: list[tuple[Source, int]],
    now: Source,
    silent: set[int],
    on_removed: OnRemoved,
) -> None:
    async def result() -> None:
        world = World(pair(name), 1, on_removed, destinations=2)
        for source, number in past:
            await nights(world, source, number)
        for contact in silent:
            world.suppress(contact_id(contact))
        await forever(world, now)
        # Everybody gets a key that nobody ever had.
        apart = {
            contact: replace(desired, key=20 + contact)
            for contact, desired in now.items()
        }
        await nights(world, apart, 1)
        await world.settle()
        assert violations(world) == []

    run(result())
