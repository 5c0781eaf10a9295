"""Every benchmark runs on very few contacts, and prints its table.

The numbers mean nothing at that size.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.benchmarks.__main__ import BENCHMARKS
from tests.support.databases import Databases
from tests.support.repository import ROOT

TINY = {
    "unchanged": (
        ["--contacts", "200", "--rounds", "1"],
        ["A run over 200 unchanged contacts", "peak memory"],
    ),
    "backfill": (
        ["--contacts", "20", "--rounds", "1"],
        [
            "20 contacts, 25 columns, to charles: 1 requests each",
            "2 contacts, 25 columns, to respond_io: 3 requests",
        ],
    ),
    "bulk": (
        [
            "--contacts",
            "20",
            "--paced",
            "60",
            "--batch",
            "5",
            "--calls",
            "4",
            "--per",
            "0.2",
            "--latency",
            "0.01",
        ],
        [
            "A backfill of 20 contacts to hubspot, 5 a request",
            "one of 2 to respond_io",
            "4 requests in any 0.2 s, answers after 10 ms",
            "contacts a request",
        ],
    ),
    "forecast": (
        ["--contacts", "3", "--vendor", "charles"],
        ["Runs over up to 3 new contacts", "charles", "3 / 3", "5 a second"],
    ),
    "pacing": (
        ["--contacts", "10", "--calls", "5", "--per", "0.2"],
        ["5 requests in any 0.2 s", "syncengine", "a token bucket", "a log of sends"],
    ),
    "undo": (
        ["--contacts", "20"],
        ["The undo of a run of 20 changed contacts at charles", "20 / 20 / 20"],
    ),
    "desk": (
        ["--contacts", "600", "--rounds", "1"],
        ["Pages over 600 contacts", "one contact and its history", "the floor"],
    ),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_prints_its_table(databases: Databases, name: str) -> None:
    options, expected = TINY[name]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", name, *options],
        cwd=ROOT,
        env=os.environ | {"SYNCENGINE_DATABASE_URL": databases._server},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert [words for words in expected if words not in told] == []


def test_a_benchmark_that_is_not_there_is_refused() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "speed"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "unrecognized arguments: speed" in done.stderr
