"""A Postgres server of one's own that can be killed and come back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from syncengine.storage.server.embedded import embedded_sync


class KillablePostgres:
    """Die with the data on disk, as a crashed machine leaves it.

    Only the disk's own cache survives.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.dsn = ""
        self.start()

    def start(self) -> None:
        """Come up, with what was committed."""
        self.dsn = self._stack.enter_context(embedded_sync(self._folder, durable=False))

    def kill(self) -> None:
        """SIGKILL of the postmaster; its children follow by themselves."""
        pid = (
            (self._folder / "data" / "postmaster.pid")
            .read_text(encoding="utf-8")
            .split()[0]
        )
        os.kill(int(pid), signal.SIGKILL)
        self._stack.close()


@contextmanager
def killable_postgres(folder: Path) -> Iterator[KillablePostgres]:
    """Up while the block runs, unless killed."""
    with ExitStack() as stack:
        yield KillablePostgres(folder, stack)
