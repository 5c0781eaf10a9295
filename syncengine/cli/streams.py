"""The three standard streams, which may be closed, full, or without a reader."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import IO, Any

_STREAMS = (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w"))
"""Name, file descriptor and mode of each standard stream."""
closed: set[str] = set()
"""The standard streams that the caller had closed."""


def prepare_streams() -> None:
    """Give each closed standard stream the null device, and have the others wait.

    Python sets a stream that the caller closed (``>&-``) to None, and the next file or
    socket that is opened would get its number: what is printed would then end up in
    there. A pipe that does not wait, as some supervisors hand over, would lose what is
    printed while its reader is slow.
    """
    for name, number, mode in _STREAMS:
        if getattr(sys, name) is not None:
            os.set_blocking(number, True)
            continue
        closed.add(name)
        # The lowest free number is taken: that of the closed stream, unless a file was
        # opened under it meanwhile.
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - a number, for good
        setattr(sys, name, stream)


class WatchedStream:
    """A text stream whose failures are reported once and end nothing.

    A disk that is full or a reader that is gone must not stop a run that is sending.
    """

    def __init__(self, stream: IO[str], failed: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._failed = failed

    def write(self, text: str) -> int:
        """Write, or report why not."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or report why not."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def discard(number: int) -> None:
    """Redirect a file descriptor to the null device.

    Python's buffered output for it goes there as well.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def is_reader_gone(error: OSError) -> bool:
    """Return whether the reader is gone, as behind ``| head -1``.

    That is no reason for a message.
    """
    return error.errno == errno.EPIPE
