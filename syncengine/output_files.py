"""Files that syncengine writes: whole or not at all, and over nothing of others.

``FreshFile`` is how any file gets its name once it is complete. ``OutputFile`` is what
a verb writes where a person told it to: it replaces what the same verb wrote before,
and refuses whatever else is there.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from syncengine.errors import ConfigError, Problem

OWNER_ONLY = 0o600
"""Rights of a file that nobody but its owner may read."""
_EVERYBODY = 0o666
"""Rights of a file without personal data, before the umask takes some away."""
_STANDARD_OUTPUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stderr")
"""Beginnings of the names of what this process has open already."""
_LONGEST_BEGINNING = 4096


@dataclass(frozen=True, slots=True)
class OutputKind:
    """Outputs of verbs, and how a file of each begins."""

    name: str
    """With its article, as in "a report"."""
    beginning: re.Pattern[bytes]

    def wrote(self, content: bytes) -> bool:
        """Return whether a file that begins so is one of these, or empty."""
        return not content or self.beginning.match(content) is not None


def is_stream(path: Path) -> bool:
    """Return whether standard output was given in place of a file, as with "-"."""
    return str(path) in _STANDARD_OUTPUT


def usual_rights() -> int:
    """Return the rights with which this user creates files."""
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return _EVERYBODY & ~mask


def unwritable(path: Path, error: OSError) -> ConfigError:
    """Return the refusal for a file that the system does not let us write."""
    return _refusal(path, f"cannot be written: {error.strerror}")


class FreshFile:
    """A file under a passing name, beside the one that it is to become.

    As a context it deletes what was not finished. All of it raises OSError.
    """

    def __init__(self, path: Path) -> None:
        # A link stays, and what it leads to is replaced.
        self._path = Path(os.path.realpath(path))
        handle, name = tempfile.mkstemp(prefix=".syncengine-", dir=self._path.parent)
        self._passing = Path(name)
        self.stream: IO[bytes] = os.fdopen(handle, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stream.close()
        finally:
            # Once it was finished nothing is left under this name.
            self._passing.unlink(missing_ok=True)

    def finish(self, *, rights: int = OWNER_ONLY, replaces: bool = True) -> None:
        """Give the file its name.

        Without ``replaces`` a file that is there by now stays: FileExistsError.
        """
        self.stream.flush()
        # Without this a power cut could leave an empty file under the final name.
        os.fsync(self.stream.fileno())
        self._passing.chmod(rights)
        if replaces:
            self._passing.replace(self._path)
        else:
            self._path.hardlink_to(self._passing)


class OutputFile:
    """A file that a verb writes for a person; all of it raises ConfigError.

    As a context it leaves the former file in place unless it was finished. Standard
    output, pipes that somebody reads and devices such as /dev/null are written to as
    they are.
    """

    def __init__(self, path: Path, kind: OutputKind, *, owner_only: bool) -> None:
        refuse_other_file(path, kind)
        self._path = path
        self._kind = kind
        self._rights = OWNER_ONLY if owner_only else usual_rights()
        self._fresh: FreshFile | None = None
        try:
            if is_stream(path):
                self._stream: IO[bytes] = sys.stdout.buffer
            elif _is_written_through(path):
                self._stream = _opened(path)
            else:
                self._fresh = FreshFile(path)
                self._stream = self._fresh.stream
        except OSError as error:
            raise _unopened(path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._fresh is not None:
                self._fresh.__exit__(kind, error, trace)
            elif not is_stream(self._path):
                self._stream.close()
        except OSError as failed:
            # The disk was full at the last bytes. An earlier error is not replaced by it.
            if error is None:
                raise unwritable(self._path, failed) from None

    def write(self, content: bytes) -> None:
        """Write some more of the content."""
        try:
            self._stream.write(content)
        except OSError as error:
            raise unwritable(self._path, error) from None

    def finish(self) -> None:
        """Write what is left, and give the file its name."""
        try:
            if self._fresh is None:
                self._stream.flush()
                return
            # Something else may have got this name meanwhile.
            refuse_other_file(self._path, self._kind)
            self._fresh.finish(rights=self._rights)
        except OSError as error:
            raise unwritable(self._path, error) from None


def write_output(
    path: Path, content: bytes, kind: OutputKind, *, owner_only: bool
) -> None:
    """Write a file, or standard output for "-". Raises ConfigError."""
    with OutputFile(path, kind, owner_only=owner_only) as file:
        file.write(content)
        file.finish()


def refuse_other_file(path: Path, kind: OutputKind) -> None:
    """Raise ConfigError where writing would replace what is of another kind.

    A verb asks before its work as well, so that nobody waits for nothing.
    """
    if is_stream(path):
        return
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _refuse_missing_folder(path)
        return
    except OSError as error:
        raise unwritable(path, error) from None
    if stat.S_ISDIR(mode):
        what = f"cannot be written: it is a folder, and not {kind.name}; name a file"
        raise _refusal(path, what)
    if stat.S_ISREG(mode):
        _refuse_other_content(path, kind)
    elif not _is_written_through(path):
        what = "cannot be written: it is neither a file nor a pipe; name a file"
        raise _refusal(path, what)


def _refuse_missing_folder(path: Path) -> None:
    # Of a link that leads nowhere, the folder where its file would be.
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        what = f'cannot be written: there is no folder "{folder}"; make it first'
        raise _refusal(path, what)


def _refuse_other_content(path: Path, kind: OutputKind) -> None:
    if _is_descriptor(path):
        return
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BEGINNING)
    except OSError as error:
        what = (
            f"is there already, and cannot be looked at ({error.strerror}): it is not "
            "written over; name another file"
        )
        raise _refusal(path, what) from None
    if not kind.wrote(content):
        what = (
            f"is there already, and is not {kind.name}: it is not written over; name "
            "another file, or move this one away"
        )
        raise _refusal(path, what)


def _is_written_through(path: Path) -> bool:
    """Return whether a path is a pipe, a device, or open already."""
    if _is_descriptor(path):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _is_descriptor(path: Path) -> bool:
    return str(path).startswith(_DESCRIPTORS)


def _opened(path: Path) -> IO[bytes]:
    """Return a pipe or device to write to. Raises OSError, without waiting."""
    # Else a pipe would wait for its reader for ever.
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(path, flags)
    os.set_blocking(handle, True)
    return os.fdopen(handle, "wb")


def _unopened(path: Path, error: OSError) -> ConfigError:
    if error.errno == errno.ENXIO:
        what = "cannot be written: it is a pipe that nobody reads; name a file"
        return _refusal(path, what)
    return unwritable(path, error)


def _refusal(path: Path, what: str) -> ConfigError:
    return ConfigError([Problem(str(path), what)])
