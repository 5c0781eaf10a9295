"""Settling what was sent before takes over no copy where nothing more is to be sent."""

from __future__ import annotations

import pytest

from syncengine.model.mapping import OnRemoved
from tests.simulation.oracle import vendor_contacts
from tests.simulation.pair import DesiredRow, Pair, contact_id, pair
from tests.simulation.scenes import fill
from tests.simulation.world import World
from tests.support.virtual_time import run

ANN = DesiredRow(1, (1, 1), ("a",))
PAIRS = ("respond_io", "respond_io_v2", "dm_champ", "chartmogul", "whautomate")


@pytest.mark.parametrize("name", PAIRS)
def test_a_contact_that_is_refused_takes_nothing_over(name: str) -> None:
    run(_refused(pair(name)))


async def _refused(subject: Pair) -> None:
    world = World(subject, 1, OnRemoved.IGNORE)
    fill(world, {1: ANN})
    await world.run()
    (copy,) = vendor_contacts(world)
    fill(world, {})
    await world.run()

    fill(world, {2: ANN})
    await world.run(dies_at=("intend: committed", 1))
    assert contact_id(2) not in world.external_ids()
    fill(world, {2: ANN})
    rows = world.tables["one"].rows
    assert subject.key is not None
    rows[contact_id(2)] = {**rows[contact_id(2)], subject.key: None}
    await world.settle()
    ran = await world.run()

    assert ran.outcomes[contact_id(2)] == "rejected"
    assert world.external_ids() == {contact_id(1): copy.external_id}
    fill(world, {1: ANN})
    await world.run()
    assert [remote.external_id for remote in vendor_contacts(world)] == [
        copy.external_id
    ]
