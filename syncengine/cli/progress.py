"""Progress of runs while they are under way: a view in a terminal, else a line.

Both are a ``Progress`` of the reports, and context managers: they show what happens
inside of the block.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Self

from rich.console import Group
from rich.live import Live

from syncengine.app.event_log import EventRecord
from syncengine.cli.engine import write_event
from syncengine.cli.options import options
from syncengine.cli.rendering.live import LiveRow, LiveRows, progress_line
from syncengine.cli.terminal import err
from syncengine.model.events import Event
from syncengine.model.progress import RunSnapshot
from syncengine.model.reports import NoProgress, Progress

_BETWEEN_LINES = 30.0
"""Seconds of a run between two lines about it."""
_BETWEEN_FRAMES = 0.25
"""Seconds between two redraws, at least: a thousand destinations redraw no more often
than one."""


def shown_progress() -> AbstractContextManager[Progress]:
    """Return what shows the progress of this call on stderr."""
    if not options.progress:
        return nullcontext(NoProgress())
    if err.is_terminal and not err.is_dumb_terminal:
        return LiveView()
    return ProgressLines()


class _Quiet:
    """A progress of which snapshots alone are shown."""

    def started(self, destination: str, total: int) -> None: ...

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...


class LiveView(_Quiet):
    """One view of all destinations, which stays where it is at the end."""

    def __init__(self) -> None:
        self._live = Live(console=err, auto_refresh=False, vertical_overflow="visible")
        self._snapshots: dict[str, RunSnapshot] = {}
        self._over: set[str] = set()
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        # All of it, however high the terminal is: it can be scrolled back to. An empty
        # line keeps it apart from the result.
        self._live.update(Group(LiveRows(self._rows()), ""), refresh=True)
        self._live.stop()

    def updated(self, destination: str, snapshot: RunSnapshot) -> None:
        """Show the progress of a destination."""
        self._snapshots[destination] = snapshot
        self._redraw()

    def finished(self, destination: str) -> None:
        """Show that a destination is through."""
        self._over.add(destination)
        self._redraw()

    def _redraw(self) -> None:
        now = time.monotonic()
        # Every destination reports each second: a hundred of them would draw all the
        # time.
        if now - self._drawn_at < _BETWEEN_FRAMES:
            return
        self._drawn_at = now
        # A line is left for what is printed next, such as a warning.
        height = max(1, err.height - 1)
        self._live.update(LiveRows(self._rows(), height=height), refresh=True)

    def _rows(self) -> list[LiveRow]:
        return [
            LiveRow(destination, snapshot, is_over=destination in self._over)
            for destination, snapshot in self._snapshots.items()
        ]


class ProgressLines(_Quiet):
    """A line about each destination every thirty seconds, without a terminal.

    Where logs are JSON it is the event ``run_progress``, so that every line is JSON.
    """

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        """Seconds of the run at which the next line is due, by destination."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def updated(self, destination: str, snapshot: RunSnapshot) -> None:
        """Print the progress of a destination if it is time."""
        # By the clock of the run, which goes on in tests without anybody waiting.
        due = self._due.setdefault(destination, _BETWEEN_LINES)
        if snapshot.seconds < due:
            return
        self._due[destination] = snapshot.seconds + _BETWEEN_LINES
        if options.log_format == "json":
            facts = {"destination": destination, **snapshot.public()}
            write_event(EventRecord(Event.RUN_PROGRESS, logging.INFO, facts))
        else:
            err.print(progress_line(destination, snapshot), soft_wrap=True)

    def finished(self, destination: str) -> None:
        """Print nothing more about a destination."""
        self._due.pop(destination, None)
