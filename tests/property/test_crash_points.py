"""The process dies wherever it waits; one clean run later all is as if it had not."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from syncengine import vendors
from tests.simulation.history import Bases, History, Night, play
from tests.simulation.pair import pairs
from tests.simulation.scenes import SCENES
from tests.simulation.twists import Twist, Twisted

EVERY_POINT = ("left", "newcomers")
"""Scenes that are played once for each of their points; the others for some, drawn with a fixed seed."""
DRAWN = 16
"""Points drawn from each other scene, spread over the vendor's variants."""

THEN = ((), *((Twisted(twist, contact),) for twist, contact in product(Twist, (1, 2))))
"""What happens to the source before somebody runs it again."""

_BASES: Bases = {}


@pytest.mark.parametrize("scene", EVERY_POINT)
@pytest.mark.parametrize("vendor", vendors.names())
def test_a_death_at_any_point_of_a_small_scene_is_mended_by_one_run(vendor: str, scene: str) -> None:
    pair = pairs(vendor)[0].name
    for point in range(1, points(pair, scene) + 1):
        assert_mended(pair, scene, point, seed=point)


@pytest.mark.parametrize("scene", [name for name in SCENES if name not in EVERY_POINT])
@pytest.mark.parametrize("vendor", vendors.names())
def test_a_death_at_points_drawn_from_a_scene_is_mended_by_one_run(vendor: str, scene: str) -> None:
    random = Random(f"{vendor} {scene}")
    for turn in range(DRAWN):
        pair = pairs(vendor)[turn % len(pairs(vendor))].name
        assert_mended(pair, scene, random.randint(1, points(pair, scene)), seed=turn)


def points(pair: str, scene: str) -> int:
    """How often the process waits in this scene when nothing goes wrong."""
    told = play(History(pair, scene, 0, (Night(),)), _BASES)
    assert told.wrong == ()
    return len(told.ran[0].points)


def assert_mended(pair: str, scene: str, point: int, *, seed: int) -> None:
    history = History(pair, scene, seed, (Night(point, then=THEN[seed % len(THEN)]),))
    told = play(history, _BASES)
    assert told.wrong == (), f"{history} died at {told.ran[0].points[-1]!r}"
