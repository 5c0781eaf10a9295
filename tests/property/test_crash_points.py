"""The process dies wherever it waits; one clean run later all is as if it had not."""

from __future__ import annotations

from functools import cache
from itertools import product
from random import Random

import pytest

from syncengine import vendors
from tests.simulation.history import History, Night, play
from tests.simulation.pair import pairs
from tests.simulation.row_changes import MILD, SourceEdit
from tests.simulation.scenes import SCENES

EVERY_POINT = ("left", "newcomers")
"""Small scenes: they are played once for each of their points."""
DRAWN = 8
"""Points drawn from each scene, with a fixed seed, over the vendor's variants."""

THEN = (
    (),
    *((SourceEdit(change, contact),) for change, contact in product(MILD, (1, 2))),
)
"""Changes of the source before the next run."""


SCENES_OF = [(vendor, scene) for vendor in vendors.names() for scene in SCENES]


@pytest.mark.parametrize(("vendor", "scene"), SCENES_OF)
def test_a_death_wherever_the_process_waits_is_mended_by_one_run(
    vendor: str, scene: str
) -> None:
    if scene in EVERY_POINT:
        pair = pairs(vendor)[0].name
        for point in range(1, points(pair, scene) + 1):
            assert_mended(pair, scene, point, seed=point)
    random = Random(f"{vendor} {scene}")
    for number in range(DRAWN):
        pair = random.choice(pairs(vendor)).name
        assert_mended(pair, scene, random.randint(1, points(pair, scene)), seed=number)


@cache
def points(pair: str, scene: str) -> int:
    """Return how often the process waits in this scene when nothing goes wrong."""
    result = play(History(pair, scene, 0, (Night(),)))
    assert result.violations == ()
    return len(result.runs[0].points)


def assert_mended(pair: str, scene: str, point: int, *, seed: int) -> None:
    history = History(
        pair, scene, seed, (Night(point, afterwards=THEN[seed % len(THEN)]),)
    )
    result = play(history)
    assert result.violations == (), f"{history} died at {result.runs[0].points[-1]!r}"
