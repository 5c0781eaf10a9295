"""The programs of an embedded server as child processes.

Also the user they run as, and their messages when they failed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from syncengine.errors import StorageError

if sys.platform != "win32":
    import pwd

_CHILD = Path(__file__).with_name("child.py")
_LOG_LINES = 8
"""Number of last lines of the log that a message quotes."""
_UNPRIVILEGED = ("postgres", "nobody")
"""Accounts that Postgres can run as where this process is root."""
_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
)
"""Environment variables that the programs get."""


def child_environment() -> dict[str, str]:
    """Return the part of our environment that a program of Postgres needs.

    No vendor's token and no database's password is in it.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Its messages, which we quote, are in English then.
    environment["LC_ALL"] = "C"
    return environment


def identity() -> str:
    """Return the identity under which Postgres can run here (see ``child.py``).

    Postgres refuses to run as root.
    """
    if os.geteuid() != 0:
        return "same"
    # Whether user namespaces are allowed can only be found out by trying.
    probe = subprocess.run(  # noqa: S603 - our own script
        _command("mapped", ()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=child_environment(),
    )
    if probe.returncode == 0:
        return "mapped"
    return _unprivileged_user()


def own_users() -> frozenset[int]:
    """Return the uids that our files may belong to.

    These are our own, and as root those that Postgres runs as.
    """
    mine = {os.geteuid()}
    if os.geteuid() == 0:
        for name in _UNPRIVILEGED:
            with contextlib.suppress(KeyError):
                mine.add(pwd.getpwnam(name).pw_uid)
    return frozenset(mine)


def _unprivileged_user() -> str:
    """Return an account for Postgres where user namespaces are refused.

    Containers often refuse them.
    """
    for name in _UNPRIVILEGED:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return f"{account.pw_uid}:{account.pw_gid}"
    raise StorageError(
        "Postgres cannot run as root, and this machine has neither user namespaces nor "
        "an account 'nobody'. Start syncengine as an ordinary user, or set database: "
        "to the URL of a server"
    )


def hand_over(folder: Path, to: str) -> None:
    """Make the identity the owner of the folder and all in it, as root.

    ``to`` is what ``identity`` returned: ``same``, ``mapped``, or ``UID:GID``. A run as
    another user may have left files there.
    """
    if os.geteuid() != 0:
        return
    if to == "mapped":
        # Seen from outside of the namespace, the server's files are root's.
        uid, gid = 0, os.getegid()
    else:
        uid, gid = map(int, to.split(":"))
    if folder.lstat().st_uid == uid:
        return
    for path in folder.rglob("*"):
        os.chown(path, uid, gid, follow_symlinks=False)
    # The folder last: should the process die before, the next one does all of it again.
    os.chown(folder, uid, gid, follow_symlinks=False)


def spawn(
    program: Sequence[str | Path], *, to: str, log: Path, keep: int
) -> subprocess.Popen[bytes]:
    """Start a program that ends when this *thread* does.

    The kernel's death signal follows threads. The program gets a session of its own, so
    that the Ctrl-C meant for us does not stop it first, and the descriptor ``keep``.
    """
    with log.open("ab") as output:
        # The script is our own, and becomes the program.
        return subprocess.Popen(  # noqa: S603
            _command(to, program),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            pass_fds=(keep,),
            start_new_session=True,
        )


def _command(to: str, program: Sequence[str | Path]) -> list[str]:
    """Return the command line of ``child.py``, which becomes the program."""
    # -I and -S: nothing of the user's (PYTHONPATH, site packages) runs in the child,
    # which is root until it has changed its identity.
    return [
        sys.executable,
        "-I",
        "-S",
        str(_CHILD),
        str(os.getpid()),
        to,
        *map(str, program),
    ]


def failure(what: str, *, to: str, program: Path, log: Path) -> StorageError:
    """Return what went wrong, in the words of the server's log."""
    hint = ""
    if to not in ("same", "mapped"):
        hint = (
            f" It ran as user {to}, who must be able to reach {log.parent} and "
            f"{program}."
        )
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    quoted = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
    if not quoted:
        quoted = "  (nothing)"
    return StorageError(f"{what}.{hint} Its log, {log}, ends with:\n{quoted}")
