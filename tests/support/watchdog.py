"""Ends a test process whose test does not even end after its time-out.

The time-out of a test is an exception in the main thread. Whoever waits for a thread or
a child while the exception passes hangs again, and then nothing would end it.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 900.0
"""Seconds that a test may take, with all of its fixtures and after its time-out."""
EXIT_CODE = 70
_LOOK_AGAIN = 5.0


class Watchdog:
    """A thread that looks at the running test from time to time."""

    def __init__(self, patience: float, look_again: float) -> None:
        self._patience = patience
        self._look_again = look_again
        self._running: tuple[str, float] | None = None
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, test: str) -> Iterator[None]:
        """End this process if the block takes longer than the patience."""
        self._running = (test, time.monotonic())
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="watchdog", daemon=True
            )
            self._thread.start()
        try:
            yield
        finally:
            self._running = None

    def _watch(self) -> None:
        while True:
            time.sleep(self._look_again)
            running = self._running
            if running and time.monotonic() - running[1] > self._patience:
                _give_up(running[0], self._patience)


def _give_up(test: str, seconds: float) -> None:
    """End the process, and say where each thread of it stands."""
    # The descriptor itself: sys.stderr may be captured, or replaced.
    said = f"\n{test} has not ended after {seconds:.0f} s; its process is ended:\n"
    os.write(2, said.encode())
    faulthandler.dump_traceback(file=2, all_threads=True)
    os._exit(EXIT_CODE)


WATCHDOG = Watchdog(PATIENCE, _LOOK_AGAIN)
