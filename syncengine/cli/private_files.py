"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from syncengine.errors import ConfigError, Problem


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file, which stands under its name once this block has ended well.

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
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise ConfigError([Problem(str(path), what)]) from None
