"""One owner at a time for the folder of an embedded server.

The server inherits the locked descriptor. So the lock is free only when the last
process of the former server is gone, however its owner ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TypeAlias, TypeVar

from syncengine.errors import StorageError

if sys.platform != "win32":
    import fcntl

T = TypeVar("T")
Steps: TypeAlias = Generator[float, None, T]
"""Work that must wait now and then: yields the seconds to wait, returns its result."""

_POLL = 0.02
"""Seconds between two tries."""
_PATIENCE_WITH_OWNER = 2.0
"""Seconds to wait for an owner that is alive: it may be stopping its server."""
_PATIENCE_WITH_LEFTOVER = 60.0
"""Seconds to wait for a server that was asked to stop: it writes out what it has."""
_ORPHANED_FOR = 1.0
"""Seconds without a living owner after which a server is orphaned."""


class InUse(StorageError):
    """Another process is using the folder."""


def take_lock(lock: Path, postmaster_pid: Path) -> Steps[int]:
    """Return the locked descriptor, for ``release_lock``.

    Raises InUse when another process is using the folder. Waits for the server of an
    owner that died; where the system has no death signal, it is asked to stop.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield from _obtain(descriptor, lock, postmaster_pid)
        # For the message of those that are refused, and to tell an orphaned server: the
        # lock itself does not show who has it.
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _obtain(descriptor: int, lock: Path, postmaster_pid: Path) -> Steps[None]:
    """Wait for the lock. Raises InUse when the patience is at its end."""
    began = orphaned_since = time.monotonic()
    patience = _PATIENCE_WITH_OWNER
    was_asked_to_stop = False
    while not _locked(descriptor):
        owner = _number(lock)
        now = time.monotonic()
        if owner is None or _alive(owner):
            orphaned_since = now
        # A new owner writes its number right after locking. Until then the file has the
        # number of a former owner that is gone: one second tells it from an orphaned
        # server.
        elif not was_asked_to_stop and now - orphaned_since > _ORPHANED_FOR:
            _ask_to_stop(postmaster_pid)
            was_asked_to_stop = True
            patience = _PATIENCE_WITH_LEFTOVER
        if now - began > patience:
            raise InUse(
                f"The embedded Postgres in {lock.parent} is in use by process "
                f"{owner or '(unknown)'}. Wait until that process ends, or set "
                "database: to a server that several can share"
            )
        yield _POLL


def release_lock(descriptor: int, *, stopped: bool) -> None:
    """Give the folder back.

    With ``stopped``, no process of the server is left that could still be using it.
    """
    if stopped:
        os.truncate(descriptor, 0)
        # Closing alone would not do: a forked child of ours may have a copy of the
        # descriptor, and the lock is free only when all copies are closed.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def owner_of(lock: Path) -> int | None:
    """Return the process that owns the folder; None where it is gone."""
    owner = _number(lock)
    if owner is None or not _alive(owner):
        return None
    return owner


def is_used(lock: Path) -> bool:
    """Return whether the server of some process keeps the lock."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(descriptor)
    finally:
        # Gives back a lock that was obtained by trying.
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Try to lock; return whether this process has the lock now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _number(path: Path) -> int | None:
    """Return the process number in the first line of a file."""
    try:
        return int(path.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is alive, and another user's
        return True
    return True


def _ask_to_stop(postmaster_pid: Path) -> None:
    """Ask for a fast shutdown of a server whose owner is gone (SIGINT, as pg_ctl)."""
    server = _number(postmaster_pid)
    if server is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(server, signal.SIGINT)
