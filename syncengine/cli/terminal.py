"""The two consoles, progress bars, and running a coroutine under signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from io import TextIOWrapper
from typing import IO, Any, Self, TypeVar, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment

from syncengine.cli.streams import WatchedStream, discard, is_reader_gone
from syncengine.model.texts import printable

T = TypeVar("T")

_NEVER_CUT = 10_000
"""Number of columns of a pipe or a file, whose readers want whole lines."""


class _Console(Console):
    """Console that prints texts without control characters.

    Its stream may fail.
    """

    def __init__(self, *, stderr: bool = False, cuts_lines: bool = False) -> None:
        self.failure: OSError | None = None
        """Error that kept something from being written; None where all was, or where
        the reader is gone."""
        stream = sys.stderr if stderr else sys.stdout
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a name may hold what the terminal's encoding does not
        width = None if cuts_lines or stream.isatty() else _NEVER_CUT
        super().__init__(
            stderr=stderr, highlight=False, emoji=False, markup=False, width=width
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments to print, without control characters of their own.

        All output passes here: a name or a vendor's word brings no escape sequence.
        """
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text, lines=True), segment.style)

    @property
    def file(self) -> IO[str]:
        """Return the current standard stream, watched."""
        return cast("IO[str]", WatchedStream(super().file, self._failed))

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def _failed(self, error: OSError) -> None:
        """Print nothing any more.

        What the command does goes on, and its exit code counts.
        """
        if not is_reader_gone(error):
            self.failure = error
        self.quiet = True
        discard(2 if self.stderr else 1)


out = _Console()
err = _Console(stderr=True)
help_pages = _Console(cuts_lines=True)
"""Stdout, for texts that are laid out for the width of a page."""


class Bars:
    """Progress in a terminal: each destination with a bar and its requests."""

    def __init__(self) -> None:
        self._progress = Progress(
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

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, destination: str, total: int) -> None:
        if not total:
            return  # a bar that cannot move says less than the report
        self._tasks[destination] = self._progress.add_task(
            destination, total=total, requests=0
        )

    def advanced(self, destination: str, contacts: int, requests: int) -> None:
        if destination in self._tasks:
            self._progress.update(
                self._tasks[destination], advance=contacts, requests=requests
            )

    def finished(self, destination: str) -> None:
        if destination in self._tasks:
            self._progress.stop_task(self._tasks[destination])


class Stopped:
    """Signal that asked the command to stop, if any did."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def exit_code(self) -> int | None:
        return None if self.signal is None else 128 + self.signal


_FIRST = (
    "Stopping: what is under way is finished and written down. Once more stops at once."
)
_SECOND = "Stopped at once: what became of the last requests is open, and the next run settles it."
_GRACE = 26.0
"""Seconds from the first signal until the command is stopped as by a second one: what
sent it may kill after thirty."""
_LAST = 2.0
"""Seconds for that. What holds it up then, such as a database that has gone deaf, ends
with the process."""


def run_stoppable(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, T]], stopped: Stopped
) -> T | None:
    """Run a coroutine.

    The first SIGINT, SIGTERM or SIGHUP asks it to stop, the second cancels it (then
    None is returned). SIGHUP is left alone where it is ignored, as under ``nohup``.
    """
    end = threading.Timer(
        _LAST, lambda: os._exit(stopped.exit_code or 1)
    )  # as safe as any kill
    end.daemon = True

    async def main() -> T | None:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        task = asyncio.ensure_future(work(event))

        def cut_short() -> None:
            task.cancel()
            if end.ident is None:
                end.start()
                _say(_SECOND)

        def on(number: int) -> None:
            if stopped.signal is None:
                stopped.signal = number
                event.set()
                loop.call_later(_GRACE, cut_short)
                _say(_FIRST)
            elif number != signal.SIGHUP:
                # A terminal that is closed sends SIGHUP more than once, and systemd may
                # send it after SIGTERM: nobody is in a hurry.
                cut_short()

        for number in _heard():
            loop.add_signal_handler(number, on, number)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    try:
        return asyncio.run(main())
    finally:
        end.cancel()


def _heard() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a command."""
    always = (signal.SIGINT, signal.SIGTERM)
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return always if ignored else (*always, signal.SIGHUP)


def _say(text: str) -> None:
    err.print(text, soft_wrap=True)
