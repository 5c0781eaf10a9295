"""Use of an embedded server that another process has started.

A visitor locks the folder itself, shared with other visitors. An owner that is about to
stop its server waits for that lock a few seconds, so that a short command, such as
``suppress`` beside a run, is never cut off.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from syncengine.storage.server.lock import Steps, is_used, owner_of

if sys.platform != "win32":
    import fcntl

_PATIENCE = 5.0
"""Seconds that an owner waits for its visitors. One that stays longer starts the server
again itself."""
_POLL = 0.02
"""Seconds between two tries."""


@dataclass(frozen=True, slots=True)
class Visit:
    """The use of another process's server."""

    dsn: str
    door: int
    """The locked descriptor of the folder."""

    def leave(self) -> None:
        """Let the owner stop its server."""
        os.close(self.door)


def visit(folder: Path, dsn: str) -> Visit | None:
    """Return the use of the folder's server; None where none accepts visitors."""
    try:
        door = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    # Refused while an owner that stops its server keeps the door closed.
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(door, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # After the lock: a server that is there now waits for us before it stops.
        if _is_served(folder):
            return Visit(dsn, door)
    os.close(door)
    return None


def _is_served(folder: Path) -> bool:
    """Return whether a living process keeps a server that accepts connections."""
    return is_owned(folder) and is_ready(folder / "data") is not None


def is_owned(folder: Path) -> bool:
    """Return whether a living process keeps a server in the folder."""
    lock = folder / "lock"
    return owner_of(lock) is not None and is_used(lock)


def is_ready(data: Path) -> int | None:
    """Return the process of a server that accepts connections, else None.

    As with ``pg_ctl``, the last line of its pid file decides.
    """
    with contextlib.suppress(OSError, ValueError):
        lines = (
            (data / "postmaster.pid")
            .read_text(encoding="utf-8", errors="replace")
            .splitlines()
        )
        # Line 8 is the server's status, line 1 its process. While the server writes the
        # file, lines may be missing.
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return int(lines[0])
    return None


@contextmanager
def closed(folder: Path) -> Iterator[Steps[None]]:
    """Let no visitor in while the block runs; yields the wait for those who are in."""
    door = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield _see_off(door)
    finally:
        os.close(door)


def _see_off(door: int) -> Steps[None]:
    """Wait until the last visitor has left, or for as long as the patience lasts."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        yield _POLL
