"""The view of runs under way: whole at 80 columns, and no line wider than that."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from syncengine.cli.rendering.live import LiveRow, LiveRows, bar_cells, progress_line
from syncengine.model.limits import Limit
from syncengine.model.progress import (
    RunSnapshot,
    RunWait,
    WaitReason,
    snapshot_from,
)

NIGHT = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
LONG = "crm_north_america_customers_production"


def snapshot(**facts: Any) -> RunSnapshot:
    return RunSnapshot(at=NIGHT, **facts)


LARGE = snapshot(
    seconds=9000.0,
    done=1_034_567,
    total=1_234_567,
    outcomes={"applied": 1_002_345, "rejected": 12_345, "deferred": 1_234},
    requests=2_469_000,
    last_minute=1_198,
    limit=Limit(20, 1.0),
    seconds_left=46_321.0,
    codes={"invalid_phone": 10_211, "http_422": 80, "a": 9, "b": 7, "c": 1},
    waiting=RunWait(WaitReason.THROTTLED, 25.0),
)
ROWS = (
    LiveRow(LONG, LARGE),
    LiveRow("charles", snapshot(seconds=12.0)),
    LiveRow(
        "dm_champ",
        snapshot(seconds=312.0, done=540, total=540, outcomes={"applied": 38}),
        is_over=True,
    ),
    LiveRow(
        "chartmogul",
        snapshot(
            seconds=30.0,
            done=14,
            total=260,
            last_minute=10,
            waiting=RunWait(WaitReason.DATABASE),
        ),
    ),
    LiveRow("whautomate", state="never ran"),
    LiveRow("died", LARGE, state="died", note="No process works on it. " * 9),
)


def shown(*rows: LiveRow, width: int, height: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    with console.capture() as captured:
        console.print(LiveRows(rows, height=height, footer="Ctrl-C ends it."))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 140])
def test_everything_is_there_and_fits(width: int) -> None:
    lines = shown(*ROWS, width=width)
    assert max(map(cell_len, lines)) < width
    text = "\n".join(lines)
    for words in (
        "━",
        "1,034,567 of 1,234,567",
        "12 h 52 min left",
        "1,002,345 applied · 12,345 rejected · 1,234 deferred",
        "18,643 in step",
        "1,198 of 1,200 calls a minute",
        "invalid_phone 10,211 · http_422 80 · a 9 · 2 other codes",
        "waits 25 s: the vendor refused requests for its rate limit",
        "preparing, 12 s",
        "540 of 540",
        "in 5 min 12 s",
        "38 applied · 502 in step · 0 calls",
        "20 calls a minute",
        "waits: the database of the state is away",
        "never ran",
    ):
        assert words in text, f"{words!r} is not in\n{text}"
    assert "crm_north" in lines[0]
    assert "roduction" in lines[0], "its end tells it from others"


def test_a_low_terminal_has_each_first_line_and_what_else_fits() -> None:
    rows = (*ROWS[:3], *(LiveRow(f"more_{n}", LARGE) for n in range(6)))
    lines = shown(*rows, width=80, height=11)
    assert len(lines) <= 11
    assert all(any(row.destination[:6] in line for line in lines) for row in rows)
    assert "waits 25 s" in lines[0], "in the place of the time left"
    lines = shown(*rows, width=80, height=6)
    assert len(lines) == 6
    assert "dm_champ" not in "\n".join(lines), "those that are through come last"
    assert "and 5 more: 4 under way, 1 through" in lines[-2]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (8.4, "8 s left"),
        (196.0, "3 min 20 s left"),
        (3190.0, "53 min left"),
        (4321.0, "1 h 12 min left"),
        (273_600.0, "3 d 4 h left"),
    ],
)
def test_an_estimate_is_as_exact_as_it_can_be(seconds: float, words: str) -> None:
    one = snapshot(done=5, total=10, seconds_left=seconds)
    assert words in shown(LiveRow("x", one), width=80)[0]


def test_without_utf_8_it_is_plain_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=file, width=80, force_terminal=False)
    console.print(LiveRows(ROWS))
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    assert b"====" in file.buffer.getvalue()


@given(
    name=st.text(st.characters(codec="utf-8", categories=("L", "N")), max_size=80),
    done=st.integers(0, 10**9),
    more=st.integers(0, 10**9),
    outcomes=st.dictionaries(
        st.sampled_from(["applied", "rejected", "gone", "deferred"]),
        st.integers(0, 10**9),
    ),
    codes=st.dictionaries(st.text(max_size=60), st.integers(1, 10**6), max_size=5),
    width=st.integers(20, 200),
    height=st.none() | st.integers(2, 6),
)
def test_no_line_is_wider_than_the_terminal(
    name: str,
    done: int,
    more: int,
    outcomes: dict[str, int],
    codes: dict[str, int],
    width: int,
    height: int | None,
) -> None:
    one = snapshot(done=done, total=done + more, outcomes=outcomes, codes=codes)
    lines = shown(LiveRow(name, one), *ROWS, width=width, height=height)
    assert all(cell_len(line) <= width for line in lines)
    assert height is None or len(lines) <= height
    cells = bar_cells(one, width)
    assert all(number >= 0 for number, _ in cells)
    assert sum(number for number, _ in cells) <= width


def test_a_single_refusal_in_a_million_is_seen() -> None:
    one = snapshot(done=10**6, total=10**6, outcomes={"rejected": 1})
    assert bar_cells(one, 40) == [(39, "green"), (1, "red")]


def test_a_line_for_logs_says_the_same() -> None:
    assert progress_line("whatsapp_de", LARGE) == (
        "whatsapp_de: 1,034,567 of 1,234,567 contacts (83 %), 1,002,345 applied, "
        "12,345 rejected, 1,234 deferred, 18,643 in step, 1,198 of 1,200 calls a "
        "minute, invalid_phone 10,211, http_422 80, a 9, 2 other codes, waits 25 s: "
        "the vendor refused requests for its rate limit, about 12 h 52 min left"
    )
    assert progress_line("x", snapshot(seconds=31.0)) == "x: preparing, 31 s"


def test_a_limit_of_contacts_stands_beside_the_calls() -> None:
    """It survives the state, through which ``watch`` reads it."""
    run = snapshot(
        seconds=120.0,
        done=900,
        total=9_000,
        last_minute=12,
        limit=Limit(items=1000, per=60.0, method="POST"),
    )
    stored = snapshot_from(run.public())
    assert stored is not None
    assert stored.limit == run.limit
    text = " ".join(shown(LiveRow("hubspot", stored), width=100))
    assert "12 calls a minute" in text
    assert "limit 1,000 contacts by POST a minute" in text
