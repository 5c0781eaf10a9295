"""The figures of a soak, and the table it is printed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields

from tests.simulation.history import HistoryResult
from tests.simulation.network import Fate
from tests.simulation.row_changes import SourceEdit


def say(text: str = "", end: str = "\n") -> None:
    """To the person who asked."""
    print(text, end=end, flush=True)  # noqa: T201


@dataclass(frozen=True)
class Figures:
    """Of one vendor's histories."""

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
    """Histories in which something was."""

    @classmethod
    def of(cls, result: HistoryResult) -> Figures:
        """One history's."""
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
        return Figures(
            *(
                ours + theirs
                for ours, theirs in zip(astuple(self), astuple(other), strict=True)
            )
        )


def table(figures: Mapping[str, Figures]) -> str:
    """Vendors below each other, and their sum."""
    names = [field.name for field in fields(Figures)]
    rows = {**figures, "all": sum(figures.values(), Figures())}
    width = max(len(name) for name in rows)
    lines = [" ".join([" " * width, *(f"{name:>10}" for name in names)])]
    for vendor, counted in rows.items():
        lines.append(
            " ".join(
                [f"{vendor:{width}}", *(f"{number:10}" for number in astuple(counted))]
            )
        )
    return "\n".join(lines)
