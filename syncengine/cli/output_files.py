"""Files that verbs write for people: whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from syncengine.errors import ConfigError, Problem

OWNER_ONLY = 0o600
"""Rights of a file that nobody but its owner may read."""
_EVERYBODY = 0o666
"""Rights of a file without personal data, before the umask takes some away."""


def is_stream(path: Path) -> bool:
    """Return whether "-" was given in place of a file: standard output."""
    return str(path) == "-"


def write_output(path: Path, content: bytes, *, owner_only: bool) -> None:
    """Write a file, or standard output for "-".

    With ``owner_only`` nobody else may read the file. Raises ConfigError where it
    cannot be written.
    """
    if not is_stream(path):
        with whole_file(path, OWNER_ONLY if owner_only else _usual_rights()) as file:
            file.write(content)
        return
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise ConfigError([Problem(str(path), what)]) from None


@contextmanager
def whole_file(path: Path, rights: int) -> Iterator[IO[bytes]]:
    """Write a file, which gets its name once this block has ended well.

    Raises ConfigError where it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe must not be replaced by a file.
            with path.open("wb") as stream:
                yield stream
            return
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as file:
            try:
                yield file
                file.flush()
                # Without this a power cut could leave an empty file under the final
                # name.
                os.fsync(file.fileno())
                Path(file.name).chmod(rights)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise ConfigError([Problem(str(path), what)]) from None


def _usual_rights() -> int:
    """Return the rights with which this user creates files."""
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return _EVERYBODY & ~mask
