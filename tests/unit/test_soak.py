"""Messages of ``./run soak --seeds`` about histories, whatever their outcome."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulation.history import History, HistoryResult, Stop
from tests.simulation.row_changes import RowChange, SourceEdit
from tests.simulation.wave_log import WaveEvent
from tests.simulation.world import RunResult
from tests.soak import __main__ as command
from tests.soak import play
from tests.soak.figures import Figures, line_of_waves, table, waves_of

RAN = RunResult(
    (), died=True, requests=3, fates={"fine": 2, "late": 1}, outcomes={}, stopped=None
)


def _plays(
    monkeypatch: pytest.MonkeyPatch, result: Callable[[History], HistoryResult]
) -> None:
    monkeypatch.setattr(play, "play", result)


def test_a_failing_seed_is_named_with_the_command_that_plays_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _plays(
        monkeypatch,
        lambda history: HistoryResult(
            ("somebody is there twice",) if history.seed == 8 else ()
        ),
    )
    played = play._play(play.Slice("charles", 7, 3))
    (failure,) = played.failures
    assert (played.figures.histories, played.figures.violated) == (3, 1)
    monkeypatch.setattr(sys, "argv", shlex.split(failure.command)[1:])
    assert command.main() == 1
    assert "somebody is there twice" in capsys.readouterr().out


def test_a_history_that_breaks_is_a_failure_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(history: History) -> HistoryResult:
        if history.seed == 7:
            raise ZeroDivisionError
        return HistoryResult(())

    _plays(monkeypatch, breaks)
    played = play._play(play.Slice("charles", 7, 2))
    assert [(failure.seed, failure.violations) for failure in played.failures] == [
        (7, ("it broke: ZeroDivisionError()",))
    ]
    assert played.figures.histories == 2


def test_figures_are_counted_and_summed_for_every_vendor() -> None:
    result = HistoryResult((), (RAN, RAN), (Stop(), SourceEdit(RowChange.LEAVES, 1)))
    one = Figures.of(result)
    assert one == Figures(
        histories=1, runs=2, requests=6, deaths=2, faults=2, edits=1, events=1
    )
    last = table({"charles": one, "dm_champ": one + one}).splitlines()[-1]
    assert last.split() == ["all", "3", "6", "18", "6", "6", "3", "3", "0"]


def test_what_happened_to_requests_about_several_contacts_is_counted() -> None:
    ran = replace(RAN, waves={WaveEvent.FULL: 2, WaveEvent.DIED_SENT: 1})
    counts = waves_of(HistoryResult((), (ran, ran, RAN)))
    assert counts == {WaveEvent.FULL: 4, WaveEvent.DIED_SENT: 2}
    line = line_of_waves("hubspot", counts)
    assert "full 4, partial 0, " in line
    assert "died: sent 2, " in line


def test_worker_processes_play_the_same_histories() -> None:
    ((piece, played),) = play.played([play.Slice("charles", 7, 2)], jobs=1)
    assert (piece.first, played.figures.histories, played.failures) == (7, 2, [])
    assert played == play._play(piece)
