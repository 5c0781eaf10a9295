"""Files that people hand over to be read: none is waited for that might never end."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO

from syncengine.errors import ConfigError, Problem

_WITHOUT_WAITING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags for opening: without them a pipe would be waited for until somebody writes."""
_STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_ENDING = ("/dev/fd/", "/proc/self/fd/", "/dev/null")
"""Beginnings of names of what has an end: what the caller has opened for us, as bash
does for ``<(...)``, and the device that is empty."""


def open_regular(path: Path) -> IO[bytes]:
    """Open a file to read it. Raises ConfigError for whatever is not a regular one.

    A pipe may have nobody who writes to it, and a device no end.
    """
    try:
        handle = os.open(path, _WITHOUT_WAITING)
    except OSError as error:
        raise _unreadable(path, _why_not_opened(path, error)) from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise _unreadable(path, _kind_in_words(mode))


def read_regular(path: Path, most: int = -1) -> bytes:
    """Return so many bytes of a regular file, or all. Raises ConfigError."""
    with open_regular(path) as file:
        return _read(file, path, most)


def read_handed_over(path: Path) -> bytes:
    """Return the bytes of a regular file or of standard input ("-").

    What the caller has opened for us (bash's ``<(...)``) is read to its end as well.
    Raises ConfigError.
    """
    if str(path) in _STANDARD_INPUT:
        return _read(sys.stdin.buffer, path)
    if not str(path).startswith(_ENDING):
        return read_regular(path)
    try:
        handle = os.open(path, _WITHOUT_WAITING)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    os.set_blocking(handle, True)
    with os.fdopen(handle, "rb") as file:
        return _read(file, path)


def _read(file: IO[bytes], path: Path, most: int = -1) -> bytes:
    try:
        return file.read(most)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None


def _why_not_opened(path: Path, error: OSError) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = stat.S_IFREG
    # A socket cannot even be opened, and the system's word for it is "no such device".
    return str(error.strerror) if stat.S_ISREG(mode) else _kind_in_words(mode)


def _kind_in_words(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "it is a folder; name a file"
    if stat.S_ISFIFO(mode):
        return "it is not a regular file but a pipe; name a file"
    return "it is not a regular file"


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError([Problem(str(path), f"cannot be read: {why}")])
