"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from syncengine.cli.output_files import OWNER_ONLY, whole_file


def private_file(path: Path) -> AbstractContextManager[IO[bytes]]:
    """Write a file, which gets its name once this block has ended well.

    Raises ConfigError where it cannot be written.
    """
    return whole_file(path, OWNER_ONLY)
