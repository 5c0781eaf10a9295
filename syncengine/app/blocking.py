"""Calls of the engine from code that is not asynchronous.

Each call has an event loop of its own. Where one is running already in this thread, as
in Jupyter, the call takes a thread of its own beside it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Work: TypeAlias = Callable[[asyncio.Event], Coroutine[Any, Any, T]]
"""Given an event that is set when it is to stop."""

_POLL = 0.2
"""Seconds between two looks at the caller's ``stop``, which cannot wake a loop."""


def run_blocking(work: Work[T], stop: threading.Event | None = None) -> T:
    """Run a coroutine to its end and return its result.

    It is asked to stop once ``stop`` is set, and on Ctrl-C: what was sent is then
    answered and recorded first. A second Ctrl-C ends it at once.
    """
    stop = stop or threading.Event()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_until_stopped(work, stop))
    return _run_in_thread(work, stop)


async def _until_stopped(work: Work[T], stop: threading.Event) -> T:
    """Do the work, and set its event once the caller's is set."""
    stop_work = asyncio.Event()

    async def watch() -> None:
        # An event of threads cannot be awaited without keeping a thread for it.
        while not stop.is_set():  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        stop_work.set()

    watching = asyncio.create_task(watch(), name="stop asked for by the caller")
    task = asyncio.ensure_future(work(stop_work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # Ctrl-C: asyncio.run cancels its main task the first time, and raises
        # KeyboardInterrupt in the middle of everything the second time.
        stop_work.set()
        await asyncio.gather(task, return_exceptions=True)
        raise
    finally:
        watching.cancel()


def _run_in_thread(work: Work[T], stop: threading.Event) -> T:
    result: Future[T] = Future()
    # The listener of the call and the names in its messages are context variables.
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result.set_result(context.run(asyncio.run, _until_stopped(work, stop)))
        except BaseException as error:  # noqa: BLE001 - raised again by ``result``
            result.set_exception(error)

    # Where the running loop is that of asyncio.run, the first Ctrl-C raises nothing: it
    # cancels the loop's main task, which is to end at its next await. It has none while
    # we block it, so we look whether any task was cancelled. Only a signal's handler
    # can have done that: the loop itself does not run. Counted before the thread
    # starts: an interrupt that comes together with it would else count as an old one.
    before = _cancellations()
    thread = threading.Thread(target=run, name="syncengine")
    try:
        # Inside the block: an interrupt may come while this waits for the thread.
        thread.start()
        interrupted = _wait_or_stop(result, stop, before)
    except KeyboardInterrupt:
        # The interrupt is the caller's: a thread does not get any.
        stop.set()
        raise
    finally:
        if thread.ident is not None:
            thread.join()
    if interrupted:
        raise KeyboardInterrupt
    return result.result()


def _wait_or_stop(result: Future[T], stop: threading.Event, before: int) -> bool:
    """Wait for the result, and ask for a stop on Ctrl-C.

    ``before`` is the number of cancellations before the work began. Returns whether
    Ctrl-C was pressed; some of them raise KeyboardInterrupt instead.
    """
    interrupted = False
    while True:
        done, _ = wait([result], timeout=_POLL)
        if not interrupted and _cancellations() > before:
            interrupted = True
            stop.set()
        if done:
            return interrupted


def _cancellations() -> int:
    """Return how often tasks of the running loop were cancelled."""
    return sum(task.cancelling() for task in asyncio.all_tasks())
