"""Simulated histories from seeds.

Each seed is one history of each vendor, and always the same.

Nights in which processes die, requests are lost, rows change and clocks jump. Then a
clean run must mend everything, and one more must send nothing.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation.wave_log import WaveEvent
from tests.soak.figures import Figures, line_of_waves, say, table
from tests.soak.play import Failure, Slice, played, replayed

_SLICE = 50
"""Seeds handed to a worker at once."""
_SHOWN = 20
"""Failing seeds named at the end."""


def soak(wanted: int, first: int, vendors: Sequence[str], jobs: int) -> bool:
    """Play histories, and report the violations and figures.

    A single history is reported in full. Returns whether nothing was violated.
    """
    if wanted == 1 and len(vendors) == 1:
        return replayed(vendors[0], first)
    began = time.monotonic()
    figures = {vendor: Figures() for vendor in vendors}
    waves: dict[str, Counter[WaveEvent]] = {vendor: Counter() for vendor in vendors}
    failures: list[Failure] = []
    total = wanted * len(vendors)
    slices = _slices(first, first + wanted, vendors)
    for piece, result in played(slices, jobs):
        figures[piece.vendor] += result.figures
        waves[piece.vendor] += result.waves
        failures += result.failures
        for failure in result.failures:
            say(str(failure))
        done = sum(each.histories for each in figures.values())
        _progress(done, total, len(failures), time.monotonic() - began)
    seconds = time.monotonic() - began
    say(table(figures))
    for vendor, counts in waves.items():
        if counts.total():
            say(line_of_waves(vendor, counts))
    say(
        f"{total} histories in {seconds:.0f} s, {total / seconds:.1f} a second "
        f"in {jobs} processes"
    )
    for failure in failures[:_SHOWN]:
        say(f"again: {failure.command}")
    if len(failures) > _SHOWN:
        say(f"and {len(failures) - _SHOWN} more")
    return not failures


def _slices(first: int, end: int, vendors: Sequence[str]) -> list[Slice]:
    """Cut seeds into slices, the vendors in turn: so all get along evenly."""
    return [
        Slice(vendor, start, min(_SLICE, end - start))
        for start in range(first, end, _SLICE)
        for vendor in vendors
    ]


def _progress(done: int, total: int, failed: int, seconds: float) -> None:
    """Show progress: a line that is rewritten in a terminal, else one now and then."""
    text = (
        f"{done} of {total} histories, {done / seconds:.1f} a second, {failed} failed"
    )
    if sys.stdout.isatty():
        say(f"\r\033[K{text}", end="\n" if done == total else "")
        return
    # Elsewhere at every twentieth part.
    part, part_before = done * 20 // total, (done - _SLICE) * 20 // total
    if done == total or part != part_before:
        say(text)
