"""The figures of a soak, and the table it is printed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields

from tests.simulation.history import HistoryResult
from tests.simulation.network import Fate
from tests.simulation.row_changes import SourceEdit
from tests.simulation.wave_log import WaveEvent


def say(text: str = "", end: str = "\n") -> None:
    """Print to the person who asked."""
    print(text, end=end, flush=True)  # noqa: T201


@dataclass(frozen=True)
class Figures:
    """The figures of one vendor's histories."""

    histories: int = 0
    runs: int = 0
    requests: int = 0
    deaths: int = 0
    faults: int = 0
    """Requests that something happened to."""
    edits: int = 0
    """Changes of source rows, in mid-run or between runs."""
    events: int = 0
    """Outages, standstills, jumps of the clock, second runs, signals."""
    violated: int = 0
    """Histories with a violation."""

    @classmethod
    def of(cls, result: HistoryResult) -> Figures:
        """Count one history."""
        edits = sum(isinstance(event, SourceEdit) for event in result.events)
        return cls(
            histories=1,
            runs=len(result.runs),
            requests=sum(sum(ran.fates.values()) for ran in result.runs),
            deaths=sum(ran.died for ran in result.runs),
            faults=sum(
                number
                for ran in result.runs
                for fate, number in ran.fates.items()
                if fate != Fate.FINE
            ),
            edits=edits,
            events=len(result.events) - edits,
            violated=bool(result.violations),
        )

    def __add__(self, other: Figures) -> Figures:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Figures(*(ours + theirs for ours, theirs in pairs))


def table(figures: Mapping[str, Figures]) -> str:
    """Return a table: one line a vendor, and their sum."""
    names = [field.name for field in fields(Figures)]
    rows = {**figures, "all": sum(figures.values(), Figures())}
    width = max(len(name) for name in rows)
    lines = [" ".join([" " * width, *(f"{name:>10}" for name in names)])]
    for vendor, counted in rows.items():
        numbers = [f"{number:10}" for number in astuple(counted)]
        lines.append(" ".join([f"{vendor:{width}}", *numbers]))
    return "\n".join(lines)


def waves_of(result: HistoryResult) -> Counter[WaveEvent]:
    """Count what happened to requests about several contacts in a history."""
    counts: Counter[WaveEvent] = Counter()
    for ran in result.runs:
        counts.update(ran.waves)
    return counts


def line_of_waves(vendor: str, counts: Mapping[WaveEvent, int]) -> str:
    """Return what happened to a vendor's requests about several contacts, in words."""
    counted = [f"{event} {counts.get(event, 0)}" for event in WaveEvent]
    return f"{vendor}, requests about several contacts: {', '.join(counted)}"
