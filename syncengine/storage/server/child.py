"""Becomes a Postgres program that ends with its parent and is never root.

Run as a script, by path and with the standard library alone: ``child.py PARENT IDENTITY
PROGRAM ARGUMENT...``. IDENTITY is ``same``, ``mapped`` (root, seen as an
ordinary user inside a user namespace) or ``UID:GID``. Without PROGRAM only its exit
code shows whether IDENTITY can be taken on. What must happen between fork and exec
happens here rather than in a ``preexec_fn``, which may deadlock in a process with
threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
"""From Linux's sched.h, as _PR_SET_PDEATHSIG is from prctl.h."""
_PR_SET_PDEATHSIG = 1
_NOBODY = 65534


def _libc_call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _map_root_to_nobody() -> None:
    """Map root to an ordinary user: Postgres refuses to run as root.

    In the namespace the process is not root; outside, its files still belong to the
    caller.
    """
    # Asked for before: inside the namespace, and without a map, they are nobody's.
    uid, gid = os.geteuid(), os.getegid()
    _libc_call("unshare", _CLONE_NEWUSER)
    # The kernel lets a process map its groups only after it gave up setgroups: else it
    # could leave a group that denies it something.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{_NOBODY} {gid} 1", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{_NOBODY} {uid} 1", encoding="ascii")


def _take_on(identity: str) -> None:
    if identity == "mapped":
        _map_root_to_nobody()
    elif identity != "same":
        uid, _, gid = identity.partition(":")
        # The user last: without root's rights the groups could not be changed any more.
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))


def _end_with(parent: int) -> None:
    """Ask for a fast shutdown when the parent dies, however it dies.

    Comes after the change of identity, which makes the kernel forget it.
    """
    if sys.platform == "linux":
        _libc_call("prctl", _PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    # The parent may have died before the request: then no signal comes any more.
    if os.getppid() != parent:
        raise ProcessLookupError("the process that asked for Postgres is gone")


def main() -> None:
    parent, identity, *command = sys.argv[1:]
    try:
        _take_on(identity)
        _end_with(int(parent))
        if command:
            # The caller's own program, without a shell.
            os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        program = command[0] if command else "Postgres"
        sys.exit(f"cannot run {program} as {identity!r}: {error}")


if __name__ == "__main__":
    main()
