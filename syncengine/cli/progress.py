"""Progress bars in a terminal."""

from __future__ import annotations

from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from syncengine.cli.terminal import err


class ProgressBars:
    """A bar for each destination, with the number of its requests.

    It is a ``Progress`` of the reports, and a context manager: the bars are shown
    inside of it.
    """

    def __init__(self) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(
                "contacts, {task.fields[requests]} requests",
                markup=False,
            ),
            TimeRemainingColumn(),
            console=err,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        """The bar of each destination that has one."""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, destination: str, total: int) -> None:
        """Show a bar for this number of contacts."""
        if total == 0:
            return  # a bar that cannot move says less than the report
        self._tasks[destination] = self._bars.add_task(
            destination, total=total, requests=0
        )

    def advanced(self, destination: str, contacts: int, requests: int) -> None:
        """Add contacts to the bar, and show the number of all requests so far."""
        if destination in self._tasks:
            self._bars.update(
                self._tasks[destination], advance=contacts, requests=requests
            )

    def finished(self, destination: str) -> None:
        """Stop the clock of the bar."""
        if destination in self._tasks:
            self._bars.stop_task(self._tasks[destination])
