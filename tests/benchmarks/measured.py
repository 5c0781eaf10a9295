"""Measurements next to their floors, in a table, and a process's own figures."""

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
    """One quantity, measured round by round, and its aim.

    With a floor of the same rounds the aim is the most that the median of the ratios
    may be. Without, it is the most that every value may be.
    """

    what: str
    unit: str
    values: Sequence[float]
    floor: Sequence[float] = ()
    aim: float | None = None

    @property
    def ratios(self) -> list[float]:
        if not self.floor:
            return []
        pairs = zip(self.values, self.floor, strict=True)
        return [ours / least for ours, least in pairs]

    @property
    def met(self) -> bool | None:
        """Return whether the aim was met; None without one."""
        if self.aim is None:
            return None
        if self.floor:
            return statistics.median(self.ratios) <= self.aim
        return max(self.values) <= self.aim

    @property
    def aim_in_words(self) -> str:
        """Return the aim: a ratio where there is a floor, else with its unit."""
        if self.aim is None:
            return ""
        if self.floor:
            return f"{self.aim:.3g}"
        return f"{self.aim:.3g} {self.unit}"


_VERDICTS = {None: "", True: "met", False: "missed"}


def say(progress: str) -> None:
    """Report progress to the person who waits."""
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
                row.aim_in_words,
                _VERDICTS[row.met],
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
    figures = (min(values), statistics.median(values), max(values))
    return " / ".join(_short(value) for value in figures)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def peak() -> float:
    """Return the most memory this process had, in MB.

    Not ``ru_maxrss``, which counts the parent's too.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status["VmHWM"].split()[0]) / 1024


def cpu() -> float:
    """Return the seconds of CPU this process has used, in the kernel and outside."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
