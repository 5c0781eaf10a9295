"""What a killed run had sent is written down for that run, by the run that settles it.

Old and new values of all histories are judged by ``tests/simulation/change_oracle.py``;
here is whose they are.
"""

from __future__ import annotations

import pytest

from syncengine import vendors
from syncengine.model.change import ContactChange, Effect
from syncengine.model.mapping import OnRemoved
from tests.simulation.pair import DesiredRow, Pair, contact_id, pairs
from tests.simulation.scenes import Source, fill
from tests.simulation.world import World
from tests.support.virtual_time import run

ANN = DesiredRow(1, (1, 1), ("a",))
CHANGED = DesiredRow(1, (4, 4), ("a", "b"))
DEATHS = [
    pytest.param(("intend: committed", 1), id="before anything is sent"),
    pytest.param((" at the vendor", 1), id="with an answer on its way"),
    pytest.param(("record: asked", 1), id="before anything is recorded"),
]
PAIRS = [pairs(vendor)[0] for vendor in vendors.names()]


def _changes(world: World) -> dict[int, ContactChange]:
    """Return the changes of the contact by run."""
    return {
        run_id: change
        for (run_id, contact), change in world.database.changes.items()
        if contact == contact_id(1)
    }


async def _killed_and_settled(
    subject: Pair, before: Source, after: Source, dies_at: tuple[str, int]
) -> dict[int, ContactChange]:
    """Return the changes after a run that dies (2), and one that settles it (3)."""
    world = World(subject, 1, OnRemoved.DELETE)
    world.find_first = True
    fill(world, before)
    await world.run()
    await world.settle()
    fill(world, after)
    await world.run(dies_at=dies_at)
    await world.settle()
    await world.run()
    return _changes(world)


@pytest.mark.parametrize("dies_at", DEATHS)
@pytest.mark.parametrize("subject", PAIRS, ids=lambda each: each.name)
def test_an_update_without_an_outcome_is_the_killed_run_s(
    subject: Pair, dies_at: tuple[str, int]
) -> None:
    changes = run(_killed_and_settled(subject, {1: ANN}, {1: CHANGED}, dies_at))
    assert set(changes) == {1, 2}
    changed = changes[2]
    assert changed.effect is Effect.UPDATED
    names = {
        name for name in changed.fields if not name.startswith(("tags.", "lists."))
    }
    assert names <= set(subject.values)
    assert names
    # What the first run had sent is what is known to be replaced.
    for name in names:
        assert changed.fields[name].is_old_known
        assert changed.fields[name].old == changes[1].fields[name].new


@pytest.mark.parametrize("dies_at", DEATHS[1:])
@pytest.mark.parametrize("subject", PAIRS, ids=lambda each: each.name)
def test_a_create_without_an_outcome_is_linked_by_the_killed_run(
    subject: Pair, dies_at: tuple[str, int]
) -> None:
    changes = run(_killed_and_settled(subject, {}, {1: ANN}, dies_at))
    if 2 not in changes:
        # The request never got there, as a look-up found out.
        is_proved = changes[3].effect is Effect.CREATED
        assert is_proved or changes[3].effect is Effect.LINKED
        return
    assert changes[2].effect is Effect.LINKED
    assert not any(each.is_old_known for each in changes[2].fields.values())
    # The vendor showed that a tag call behind it had not arrived: that one is sent now.
    assert 3 not in changes or changes[3].effect is Effect.UPDATED


@pytest.mark.parametrize("dies_at", DEATHS)
@pytest.mark.parametrize(
    "subject",
    [each for each in PAIRS if each.capabilities.delete is not None],
    ids=lambda each: each.name,
)
def test_a_deletion_without_an_outcome_is_the_killed_run_s(
    subject: Pair, dies_at: tuple[str, int]
) -> None:
    changes = run(_killed_and_settled(subject, {1: ANN}, {}, dies_at))
    assert set(changes) == {1, 2}
    assert changes[2].effect is Effect.DELETED
