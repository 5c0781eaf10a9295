"""Blocking calls: results, errors, stops and Ctrl-C, with and without a running loop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from syncengine.app.blocking import run_blocking

_PATIENCE = 60.0
"""Seconds after which an end that has to come counts as not coming."""
_NAME: ContextVar[str] = ContextVar("name", default="none")


async def _thread_and_name(_stop: asyncio.Event) -> tuple[str, str]:
    return threading.current_thread().name, _NAME.get()


async def _fail(_stop: asyncio.Event) -> None:
    raise ValueError("no")


async def _until_stopped(stop: asyncio.Event) -> str:
    await stop.wait()
    return "stopped"


def test_without_a_loop_it_runs_in_this_thread() -> None:
    assert run_blocking(_thread_and_name) == ("MainThread", "none")
    with pytest.raises(ValueError, match="no"):
        run_blocking(_fail)


@pytest.mark.asyncio
async def test_beside_a_running_loop_it_has_a_thread_and_the_callers_context() -> None:
    _NAME.set("caller")
    assert run_blocking(_thread_and_name) == ("syncengine", "caller")
    with pytest.raises(ValueError, match="no"):
        run_blocking(_fail)
    assert not [each for each in threading.enumerate() if each.name == "syncengine"]


def test_a_stop_comes_through() -> None:
    stop = threading.Event()
    stop.set()
    assert run_blocking(_until_stopped, stop) == "stopped"


@pytest.mark.asyncio
async def test_a_stop_comes_through_beside_a_running_loop() -> None:
    stop = threading.Event()
    stop.set()
    assert run_blocking(_until_stopped, stop) == "stopped"


_SCRIPT = """
import asyncio
from syncengine.app.blocking import run_blocking

async def work(stop):
    print("begun", flush=True)
    await stop.wait()
    await asyncio.sleep(0)
    print("ended cleanly", flush=True)

def in_a_script():
    run_blocking(work)

async def in_a_notebook():
    run_blocking(work)

async def in_a_task():
    await asyncio.create_task(in_a_notebook())

try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    "call",
    [
        "in_a_script()",
        "asyncio.new_event_loop().run_until_complete(in_a_notebook())",
        "asyncio.run(in_a_notebook())",
        "asyncio.run(in_a_task())",
    ],
)
def test_ctrl_c_ends_it_cleanly_and_is_raised(call: str) -> None:
    command = [sys.executable, "-c", _SCRIPT.format(call=call)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        try:
            said, _ = process.communicate(timeout=_PATIENCE)
        finally:
            process.kill()
    assert said == "ended cleanly\ninterrupted\n"


def test_a_ctrl_c_that_comes_while_the_thread_starts_is_not_overlooked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading, "Thread", Interrupted)

    async def in_a_notebook() -> None:
        run_blocking(_until_stopped)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(in_a_notebook())
