"""Refusal groups:

contacts refused alike become dead letters, and come back. The process may die wherever
it waits meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from random import Random

import pytest

from syncengine import vendors
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Status
from syncengine.sandbox.twins.screen import Screen
from tests.simulation.life import Point
from tests.simulation.oracle import safety, violations
from tests.simulation.pair import DesiredRow, Flaw, contact_id, pairs
from tests.simulation.scenes import fill
from tests.simulation.world import RunResult, World
from tests.support.virtual_time import run

REFUSED = {number: DesiredRow(number, flaw=Flaw.REFUSED) for number in range(1, 6)}
TAKEN = {number: DesiredRow(number) for number in range(6, 9)}
DRAWN = 6
"""Points drawn for each vendor, with a fixed seed."""


async def _refused(vendor: str) -> World:
    """Return a world in which some are refused alike, and are dead letters."""
    world = World(pairs(vendor)[0].with_wave_size(1), 1, OnRemoved.IGNORE)
    fill(world, {**REFUSED, **TAKEN})
    await _night(world)
    assert _standing(world) == {contact_id(number): 0 for number in REFUSED}
    return world


async def _night(world: World, dies_at: Point = 0) -> RunResult:
    ran = await world.run(dies_at=dies_at)
    await world.settle()
    return ran


def _standing(world: World) -> dict[str, int]:
    """The dead letters, each with what is counted against it."""
    return {
        contact: row.rejections
        for (_, contact), row in sorted(world.database.states.items())
        if row.status is Status.DEAD
    }


def _mend(world: World) -> None:
    """Let the vendor take everything from now on."""
    # mypy keeps methods from being assigned.
    setattr(world, "refused_in", lambda _: frozenset())  # noqa: B010


@dataclass(frozen=True)
class VendorSetting:
    """A change that a person makes at the vendor's screen, and its undoing."""

    do: Callable[[Screen], None]
    undo: Callable[[Screen], None]
    desired: DesiredRow
    """The row of every contact from then on, but for its key."""
    meets_all: bool = False
    """True if contacts that are there are refused as well, and not only new ones."""


VENDOR_SETTINGS = {
    "a field is required of new contacts": VendorSetting(
        do=lambda screen: screen.require("city"),
        undo=lambda screen: screen.require("city", required=False),
        desired=DesiredRow(0),
    ),
    "a field is required": VendorSetting(
        do=lambda screen: screen.require("city", in_updates=True),
        undo=lambda screen: screen.require("city", required=False),
        desired=DesiredRow(0, (2, 2)),
        meets_all=True,
    ),
    "a list is gone": VendorSetting(
        do=lambda screen: screen.undefine_list("list-x"),
        undo=lambda screen: screen.define("list", "list-x"),
        desired=DesiredRow(0, tags=("x",)),
        meets_all=True,
    ),
    "a field is gone": VendorSetting(
        do=lambda screen: screen.undefine_field("custom_fields.crm_id"),
        undo=lambda screen: screen.define("field", "crm_id"),
        desired=DesiredRow(0, (2, 2)),
        meets_all=True,
    ),
}
AT = [
    *product(
        vendors.names(), ("a field is required of new contacts", "a field is required")
    ),
    ("dm_champ", "a list is gone"),
    ("respond_io_v2", "a field is gone"),
]


@pytest.mark.parametrize(("vendor", "name"), AT)
def test_a_setting_changed_at_the_vendor_counts_against_nobody_and_can_be_undone(
    vendor: str, name: str
) -> None:
    act, numbers = VENDOR_SETTINGS[name], range(1, 6)

    async def history() -> None:
        world = World(pairs(vendor)[0].with_wave_size(1), 1, OnRemoved.IGNORE)
        if act.meets_all:
            fill(world, {number: DesiredRow(number) for number in numbers})
            await _night(world)
        act.do(world.twin.screen(world.clock()))
        fill(world, {number: replace(act.desired, key=number) for number in numbers})
        first = await _night(world)
        assert first.outcomes == {contact_id(number): "rejected" for number in numbers}
        stands = {contact_id(number): 0 for number in numbers}
        for _ in range(3):
            ran = await _night(world)
            assert ran.is_quiet
            assert 0 < ran.of_probes == ran.requests
            assert ran.requests * len(numbers) <= first.requests, "for one contact"
            assert _standing(world) == stands
        act.undo(world.twin.screen(world.clock()))
        await _night(world)
        assert violations(world) == []
        assert _standing(world) == {}
        assert (await _night(world)).requests == 0

    run(history())


@pytest.mark.parametrize("vendor", vendors.names())
def test_night_after_night_one_of_them_is_tried_each_in_turn(vendor: str) -> None:
    async def history() -> None:
        world = await _refused(vendor)
        tried = []
        for _ in REFUSED:
            ran = await _night(world)
            assert ran.is_quiet, "nothing is sent but the probe"
            assert 0 < ran.of_probes == ran.requests
            newest = max(row.tried_in or 0 for row in world.database.states.values())
            tried += [
                contact
                for (_, contact), row in world.database.states.items()
                if row.tried_in == newest
            ]
            assert _standing(world) == {contact_id(number): 0 for number in REFUSED}
        assert sorted(tried) == [contact_id(number) for number in REFUSED]
        assert list(safety(world)) == []

    run(history())


@pytest.mark.parametrize("vendor", vendors.names())
def test_a_death_while_they_are_brought_back_leaves_nobody_behind(vendor: str) -> None:
    async def history(point: Point) -> int:
        world = await _refused(vendor)
        _mend(world)
        ran = await _night(world, point)
        if point:
            await _night(world)
            await _night(world)
        assert _standing(world) == {}, f"died at {ran.points[-1]!r}"
        assert {row.status for row in world.database.states.values()} == {Status.SYNCED}
        assert violations_of_all(world) == []
        assert (await _night(world)).requests == 0
        return len(ran.points)

    points = run(history(0))
    random = Random(vendor)
    for point in sorted(random.sample(range(1, points + 1), DRAWN)):
        run(history(point))


@pytest.mark.parametrize("vendor", vendors.names())
def test_a_death_at_the_probe_keeps_the_group(vendor: str) -> None:
    async def history(point: Point) -> int:
        world = await _refused(vendor)
        ran = await _night(world, point)
        # An upsert that may have been carried out is sent once more.
        for _ in range(2):
            await _night(world)
        assert _standing(world) == {contact_id(number): 0 for number in REFUSED}, (
            f"died at {ran.points[-1]!r}"
        )
        assert (await _night(world)).is_quiet
        return len(ran.points)

    points = run(history(0))
    random = Random(vendor)
    for point in sorted(random.sample(range(1, points + 1), DRAWN)):
        run(history(point))


def violations_of_all(world: World) -> list[str]:
    """Return the violations where no row's flaw is an excuse."""
    world.desired_rows = {
        contact: DesiredRow(desired.key, desired.values)
        for contact, desired in world.desired_rows.items()
    }
    return violations(world)
