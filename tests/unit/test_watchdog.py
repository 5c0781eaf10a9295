"""A test that does not even end after its time-out ends with its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.watchdog import EXIT_CODE

_ROOT = Path(__file__).resolve().parents[2]
_HANGS = """
import threading
from tests.support.watchdog import Watchdog

watchdog = Watchdog(0.1, 0.01)
with watchdog.watching("test_quick"):
    pass
with watchdog.watching("test_that_hangs"):
    waiting = threading.Thread(target=threading.Event().wait)
    waiting.start()
    try:
        raise RuntimeError("the time-out")
    finally:
        waiting.join()
"""


def test_a_process_that_hangs_after_a_time_out_is_ended_with_its_stacks() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _HANGS],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == EXIT_CODE, ended.stderr
    assert "test_that_hangs has not ended after" in ended.stderr
    assert "test_quick" not in ended.stderr
    assert "in join" in ended.stderr
