"""Calls of the engine from code that is not asynchronous.

Each call has an event loop of its own. Where one is running already in this thread, as
in Jupyter, the call takes a thread of its own beside it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
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

    thread = threading.Thread(target=run, name="syncengine")
    try:
        # Inside the block: an interrupt may come while this waits for the thread.
        thread.start()
        return result.result()
    except KeyboardInterrupt:
        # The interrupt is the caller's: a thread does not get any.
        stop.set()
        raise
    finally:
        if thread.ident is not None:
            thread.join()
