"""Histories played in worker processes, and one reported in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.simulation.drawing import draw_history
from tests.simulation.history import History, HistoryResult, play
from tests.simulation.wave_log import WaveEvent
from tests.soak.figures import Figures, say, waves_of


@dataclass(frozen=True)
class Slice:
    """A range of seeds of one vendor."""

    vendor: str
    first: int
    seeds: int


@dataclass(frozen=True)
class Failure:
    """A seed whose history has violations."""

    vendor: str
    seed: int
    violations: tuple[str, ...]

    @property
    def command(self) -> str:
        return f"./run soak --vendor {self.vendor} --first {self.seed} --seeds 1"

    def __str__(self) -> str:
        return "\n    ".join(
            (f"{self.vendor}, seed {self.seed}:", *self.violations, self.command)
        )


@dataclass
class Played:
    """What came of a slice."""

    figures: Figures = field(default_factory=Figures)
    waves: Counter[WaveEvent] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


def played(slices: Sequence[Slice], jobs: int) -> Iterator[tuple[Slice, Played]]:
    """Play every slice, ``jobs`` at a time; yield each as soon as it is done."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        under_way = {pool.submit(_play, piece): piece for piece in slices}
        for done in as_completed(under_way):
            yield under_way[done], done.result()


def _play(piece: Slice) -> Played:
    played = Played()
    for seed in range(piece.first, piece.first + piece.seeds):
        try:
            result = play(draw_history(piece.vendor, seed))
        except Exception as error:  # noqa: BLE001 - see below
            # One more thing that must not happen. The other seeds go on.
            result = HistoryResult((f"it broke: {error!r}",))
        played.figures += Figures.of(result)
        played.waves += waves_of(result)
        if result.violations:
            failure = Failure(piece.vendor, seed, result.violations)
            played.failures.append(failure)
    return played


def replayed(vendor: str, seed: int) -> bool:
    """Play one history and report it in full; return whether nothing was violated."""
    history = draw_history(vendor, seed)
    result = play(history)
    say("\n".join(account(history, result)))
    if result.violations:
        say(f"\n{Failure(vendor, seed, result.violations)}")
    else:
        say("\nnothing was violated")
    return not result.violations


def account(history: History, result: HistoryResult) -> Iterator[str]:
    """Yield a history as it was drawn, and what happened in it, run by run."""
    look = "looks up first" if history.find_first else "spares look-ups"
    yield (
        f"{history.pair}: {history.scene}, {history.destinations} destinations, {look}"
    )
    for number, night in enumerate(history.nights, 1):
        yield f"night {number}: {night}"
    for number, ran in enumerate(result.runs, 1):
        if ran.died:
            end = "died"
        elif ran.stopped:
            end = f"stopped: {ran.stopped}"
        else:
            end = "came to its end"
        yield f"\nrun {number}, {ran.requests} requests {dict(ran.fates)}, {end}"
        for place, point in enumerate(ran.points, 1):
            yield f"  {place:4} {point}"
        for contact, outcome in ran.outcomes.items():
            yield f"  {contact} ended {outcome}: {ran.messages.get(contact, '')}"
