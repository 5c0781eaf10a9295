"""The process dies wherever it waits; one clean run later all is as if it had not."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from syncengine import vendors
from tests.simulation.history import History, Night, play
from tests.simulation.pair import pairs
from tests.simulation.scenes import fitting
from tests.simulation.twists import Twist, Twisted

EVERY_POINT = ("left", "newcomers")
"""Small scenes: they are played once for each of their points."""
DRAWN = 8
"""Points drawn from each scene, with a fixed seed, spread over the vendor's variants."""

KEY_MOVES = "handed on"
"""A scene that no run can bring in step where a contact keeps the match key it was made with."""

THEN = ((), *((Twisted(twist, contact),) for twist, contact in product(Twist, (1, 2))))
"""What happens to the source before somebody runs it again."""


SCENES_OF = [(vendor, scene) for vendor in vendors.names() for scene in fitting(pairs(vendor)[0])]


@pytest.mark.parametrize(("vendor", "scene"), SCENES_OF)
def test_a_death_wherever_the_process_waits_is_mended_by_one_run(vendor: str, scene: str) -> None:
    if scene in EVERY_POINT:
        pair = pairs(vendor)[0].name
        for point in range(1, points(pair, scene) + 1):
            assert_mended(pair, scene, point, seed=point)
    if scene == KEY_MOVES and not pairs(vendor)[0].key_changes:
        pytest.skip("a contact keeps the match key it was made with")
    random = Random(f"{vendor} {scene}")
    fit = [each.name for each in pairs(vendor) if scene in fitting(each)]
    for turn in range(DRAWN):
        pair = random.choice(fit)
        assert_mended(pair, scene, random.randint(1, points(pair, scene)), seed=turn)


def points(pair: str, scene: str) -> int:
    """How often the process waits in this scene when nothing goes wrong."""
    told = play(History(pair, scene, 0, (Night(),)))
    assert told.wrong == ()
    return len(told.ran[0].points)


def assert_mended(pair: str, scene: str, point: int, *, seed: int) -> None:
    history = History(pair, scene, seed, (Night(point, then=THEN[seed % len(THEN)]),))
    told = play(history)
    assert told.wrong == (), f"{history} died at {told.ran[0].points[-1]!r}"
