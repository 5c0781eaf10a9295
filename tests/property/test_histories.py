"""Histories drawn from seeds, at every vendor.

Whatever goes wrong, one clean run later all is as it should be. ``./run soak`` plays
many more. A seed that fails here is reported in full by the command in its message.
"""

from __future__ import annotations

from collections import Counter

import pytest

from syncengine import vendors
from tests.simulation.drawing import draw_history
from tests.simulation.history import Bases, play
from tests.simulation.pair import pairs
from tests.simulation.wave_log import WaveEvent
from tests.soak.figures import waves_of
from tests.soak.play import Failure

CHUNKS, SEEDS = 4, 75
"""So many chunks of so many seeds at each vendor."""


OFTEN = {event for event in WaveEvent if not event.startswith("died")}
"""What happens to requests about several contacts in every chunk."""
PHASES = set(WaveEvent) - OFTEN
"""The phases of such requests in which processes die."""


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("vendor", vendors.names())
def test_nothing_is_violated_and_a_clean_run_mends_everything(
    vendor: str, chunk: int
) -> None:
    waves: Counter[WaveEvent] = Counter()
    for seed in range(chunk * SEEDS, (chunk + 1) * SEEDS):
        result = play(draw_history(vendor, seed))
        assert not result.violations, str(Failure(vendor, seed, result.violations))
        waves += waves_of(result)
    # A simulation in which no request is about several contacts would prove nothing.
    if any(pair.has_waves for pair in pairs(vendor)):
        assert OFTEN.difference(waves) == set()
        assert len(PHASES.intersection(waves)) > len(PHASES) // 2


def test_a_seed_is_one_history_and_always_the_same() -> None:
    vendor, anew = vendors.names()[0], Bases()
    # As texts: two errors that say the same are not equal.
    played = [
        repr(play(draw_history(vendor, seed), bases))
        for bases in (None, anew)
        for seed in (7, 8)
    ]
    assert played[0] == played[2] != played[1] == played[3]
