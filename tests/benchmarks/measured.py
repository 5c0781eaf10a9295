"""What was measured, next to its floor: rows of a table, and what a process has to say of itself."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """One thing measured round by round, and its aim.

    With a floor of the same rounds the aim is the most that the median of the ratios may be; without, the most that
    every value may be.
    """

    what: str
    unit: str
    values: Sequence[float]
    floor: Sequence[float] = ()
    aim: float | None = None

    @property
    def ratios(self) -> list[float]:
        return (
            [ours / least for ours, least in zip(self.values, self.floor, strict=True)]
            if self.floor
            else []
        )

    @property
    def met(self) -> bool | None:
        """Return whether the aim was met; None without one."""
        if self.aim is None:
            return None
        return (
            statistics.median(self.ratios) if self.floor else max(self.values)
        ) <= self.aim


def say(progress: str) -> None:
    """Tell how far it is."""
    print(progress, flush=True)  # noqa: T201 - a benchmark talks to a person


def show(title: str, rows: Sequence[Measured]) -> None:
    """Print the table: each as minimum, median and maximum of its rounds."""
    table(
        title,
        ("", "unit", "measured", "floor", "times the floor", "aim", ""),
        [
            (
                row.what,
                row.unit,
                _spread(row.values),
                _spread(row.floor),
                _spread(row.ratios),
                ""
                if row.aim is None
                else f"{row.aim:.3g}" + ("" if row.floor else f" {row.unit}"),
                {None: "", True: "met", False: "missed"}[row.met],
            )
            for row in rows
        ],
    )


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as it needs to be, also where it goes to a file."""
    drawn = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        drawn.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    Console(width=max(Console().width, 150)).print(drawn)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return " / ".join(
        _short(value) for value in (min(values), statistics.median(values), max(values))
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def peak() -> float:
    """The most memory this process had, in MB. Not ``ru_maxrss``, which counts the parent's too."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    )
    return int(status["VmHWM"].split()[0]) / 1024


def cpu() -> float:
    """The seconds of CPU this process has used, in the kernel and outside."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
