"""Running a coroutine that signals can stop.

The first signal asks the work to stop: it finishes its requests and records them. The
second one, or 26 seconds, cancels it. Where even that does not end the process within
two more seconds, it ends itself, before a supervisor kills it (after 30, usually).
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from syncengine.cli.terminal import err

T = TypeVar("T")

_STOPPING = (
    "Stopping: requests under way are finished and recorded. Once more stops at once."
)
_STOPPED = (
    "Stopped at once: the outcome of the last requests is unknown, and the next run "
    "settles it."
)
_GRACE = 26.0
"""Seconds from the first signal until the command is stopped as by a second one.

Supervisors commonly kill a process thirty seconds after they asked it to stop.
"""
_LAST = 2.0
"""Seconds from then until the process ends, whatever still holds it up.

It may be a database that no longer answers. Ending is as safe as being killed.
"""


class ReceivedSignal:
    """Remembers the signal that asked the command to stop, if any did."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code by a shell's convention; None without a signal."""
        return None if self.number is None else 128 + self.number


def run_stoppable(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, T]],
    received: ReceivedSignal,
    *,
    announces_stop: bool = True,
) -> T | None:
    """Run a coroutine and return its result; None where it was cancelled.

    The first SIGINT, SIGTERM or SIGHUP sets the event it is given, which asks it to
    stop. The second signal cancels it. Unless ``announces_stop``, nothing is said about
    requests: there are none.
    """
    last_resort = threading.Timer(_LAST, _end_process, (received,))
    last_resort.daemon = True

    say = _say if announces_stop else _say_nothing

    async def main() -> T | None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        task = asyncio.ensure_future(work(stop))

        def stop_at_once() -> None:
            task.cancel()
            was_started = last_resort.ident is not None
            if not was_started:
                last_resort.start()
                say(_STOPPED)

        def handle(number: int) -> None:
            if received.number is None:
                received.number = number
                stop.set()
                loop.call_later(_GRACE, stop_at_once)
                say(_STOPPING)
            elif number != signal.SIGHUP:
                # A terminal that is closed sends SIGHUP more than once, and systemd may
                # send it after SIGTERM: neither means that anybody is in a hurry.
                stop_at_once()

        for number in _stopping_signals():
            loop.add_signal_handler(number, handle, number)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    try:
        return asyncio.run(main())
    finally:
        # Not before: closing the loop may wait for a thread that is stuck as well.
        last_resort.cancel()


def _end_process(received: ReceivedSignal) -> None:
    # A plain exit would wait for whatever is stuck; this one does not.
    os._exit(received.exit_code or 1)


def _stopping_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a command.

    SIGHUP is left alone where it is ignored, as under ``nohup``.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _say(text: str) -> None:
    err.print(text, soft_wrap=True)


def _say_nothing(text: str) -> None:
    del text
