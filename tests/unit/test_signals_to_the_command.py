"""Signals end a command whose work does not listen to them.

Also where the output is read by nobody.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PATIENCE = 60.0
"""Seconds after which something that has to happen counts as not happening."""
_DEAF = """
import asyncio, sys
from syncengine.cli.exits import exit_code
from syncengine.cli import signals

async def work(stop):
    print("there", flush=True)
    while {heeds} or not stop.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if not {heeds}:
                raise

{settings}
stopped = signals.ReceivedSignal()
signals.run_stoppable(work, stopped)
sys.exit(stopped.exit_code)
"""


@contextmanager
def _working(
    settings: str = "", *, deaf: bool, errors: str = os.devnull
) -> Iterator[subprocess.Popen[str]]:
    """Start a command whose work has begun.

    What is ``deaf`` reacts neither to a stop nor to a cancellation.
    """
    code = _DEAF.format(heeds=deaf, settings=settings)
    with (
        Path(errors).open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_second_signal_ends_what_does_not_even_hear_a_cancellation(
    number: signal.Signals, code: int
) -> None:
    with _working("signals._LAST = 0.1", deaf=True) as process:
        process.send_signal(number)
        while process.poll() is None:
            process.send_signal(number)  # two that come at once are one
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        assert process.returncode == code


def test_a_first_signal_ends_it_too_when_its_time_is_over() -> None:
    with _working("signals._GRACE = signals._LAST = 0.1", deaf=True) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE) == 143


@pytest.mark.parametrize(
    ("first", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)]
)
def test_hanging_up_is_never_the_second_signal(
    first: signal.Signals, code: int
) -> None:
    settings = (
        "signals._LAST = 0.1; signals._say = lambda text: print(text, flush=True)"
    )
    with _working(settings, deaf=True) as process:
        assert process.stdout is not None
        process.send_signal(first)
        assert process.stdout.readline().startswith("Stopping:")
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE) == code


def test_hanging_up_is_ignored_under_nohup() -> None:
    command = [sys.executable, "-c", _DEAF.format(heeds=False, settings="")]
    with subprocess.Popen(
        ["nohup", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            assert process.wait(_PATIENCE) == 143, (
                "the one that was not ignored stopped it"
            )
        finally:
            process.kill()


def test_a_signal_is_heard_although_nothing_can_be_said_about_it() -> None:
    with _working(deaf=False, errors="/dev/full") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE) == 143
