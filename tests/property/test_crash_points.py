"""The process dies wherever it waits; one clean run later all is as if it had not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random

import pytest

from tests.simulation.history import History, play
from tests.simulation.pair import pairs
from tests.simulation.scenes import SCENES
from tests.simulation.world import World

EVERY_POINT = ("left", "newcomers")
"""Scenes that are played once for each of their points; the others for some, drawn with a fixed seed."""
DRAWN = 16
"""Points drawn from each other scene, spread over the vendor's variants."""

_BASES: dict[tuple[str, str], World] = {}


def _variants() -> Mapping[str, Sequence[str]]:
    """The names of each vendor's pairs, as it comes and in its variants."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for pair in pairs():
        found[pair.subject.module.name].append(pair.name)
    return found


VARIANTS = _variants()


@pytest.mark.parametrize("scene", EVERY_POINT)
@pytest.mark.parametrize("vendor", VARIANTS)
def test_a_death_at_any_point_of_a_small_scene_is_mended_by_one_run(vendor: str, scene: str) -> None:
    for point in range(1, points(vendor, scene) + 1):
        assert_mended(History(vendor, scene, seed=point, deaths=(point,)))


@pytest.mark.parametrize("scene", [name for name in SCENES if name not in EVERY_POINT])
@pytest.mark.parametrize("vendor", VARIANTS)
def test_a_death_at_points_drawn_from_a_scene_is_mended_by_one_run(vendor: str, scene: str) -> None:
    random = Random(f"{vendor} {scene}")
    for turn in range(DRAWN):
        pair = VARIANTS[vendor][turn % len(VARIANTS[vendor])]
        point = random.randint(1, points(pair, scene))
        assert_mended(History(pair, scene, seed=turn, deaths=(point,)))


def points(pair: str, scene: str) -> int:
    """How often the process waits in this scene when nothing goes wrong."""
    told = play(History(pair, scene, seed=0, deaths=(0,)), _BASES)
    assert told.wrong == ()
    return len(told.ran[0].points)


def assert_mended(history: History) -> None:
    told = play(history, _BASES)
    assert told.wrong == (), f"{history} died at {told.ran[0].points[-1]!r}"
