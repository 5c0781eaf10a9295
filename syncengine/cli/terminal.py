"""The consoles: standard output and standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import IO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from syncengine.cli.streams import WatchedStream, discard, is_reader_gone
from syncengine.model.texts import printable

_NEVER_CUT = 10_000
"""Number of columns of a pipe or a file, whose readers want whole lines."""


class SafeConsole(Console):
    """Console that prints texts without control characters.

    Writing to it never raises: ``failure`` says why it printed nothing any more.
    """

    def __init__(self, *, stderr: bool = False, cuts_lines: bool = False) -> None:
        self.failure: OSError | None = None
        """Error that kept something from being written; None where all was, or where
        the reader is gone."""
        stream = sys.stderr if stderr else sys.stdout
        if isinstance(stream, TextIOWrapper):
            # A name may hold characters that the terminal's encoding does not have.
            stream.reconfigure(errors="backslashreplace")
        width: int | None = _NEVER_CUT
        if cuts_lines or stream.isatty():
            # As wide as the terminal, which rich finds out.
            width = None
        super().__init__(
            stderr=stderr, highlight=False, emoji=False, markup=False, width=width
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments to print, without control characters of their own.

        All output passes here, so that no name and no vendor's word can bring an escape
        sequence that steers the terminal. Segments that rich itself makes to steer it
        stay.
        """
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text, lines=True), segment.style)

    @property
    def file(self) -> IO[str]:
        """Return the current standard stream, watched for failures."""
        return cast("IO[str]", WatchedStream(super().file, self._fail))

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def _fail(self, error: OSError) -> None:
        """Print nothing any more.

        What the command does goes on, and its exit code counts.
        """
        # A reader that went away, as in `| head -1`, is no failure.
        if not is_reader_gone(error):
            self.failure = error
        self.quiet = True
        discard(2 if self.stderr else 1)


out = SafeConsole()
err = SafeConsole(stderr=True)
help_pages = SafeConsole(cuts_lines=True)
"""Stdout, for texts that are laid out for the width of a page."""


def write_out(text: str) -> None:
    """Write text to standard output as it is, without laying it out.

    In a terminal, control characters other than line breaks become blanks.
    """
    if out.is_terminal:
        text = printable(text, lines=True)
    out.file.write(text)
