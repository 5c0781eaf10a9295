"""Changes of alert states, and who is told about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syncengine.app.alerting import targets_of
from syncengine.config.models import AlertTargetModel
from syncengine.model.alerts import (
    OK,
    AlertKind,
    AlertMessage,
    AlertState,
    Concern,
)
from syncengine.model.reports import RunStatus
from syncengine.model.work import Standing
from syncengine.planning.alerts import (
    EndedRun,
    after_count,
    after_run,
    after_time,
)

_NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
_RUN = AlertState("crm", Concern.RUN, since=_NOW)
_COUNT = AlertState("crm", Concern.STANDING, since=_NOW)
_STALE = AlertState("crm", Concern.STALE, since=_NOW)
_DAY = timedelta(hours=26)


def _run(status: RunStatus, **facts: object) -> EndedRun:
    return replace(EndedRun("crm", 7, status), **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run", "kind", "words"),
    [
        (
            _run(RunStatus.INCOMPLETE, contacts={"rejected": 3, "deferred": 0}),
            AlertKind.PARTLY_FAILED,
            "(3 rejected)",
        ),
        (
            _run(RunStatus.HALTED, error="the key was refused"),
            AlertKind.HALTED,
            "run 7 was halted. the key was refused.",
        ),
        (
            _run(RunStatus.STOPPED, contacts={"deferred": 133, "unknown": 8}),
            AlertKind.PARTLY_FAILED,
            "was stopped before it was through (133 deferred, 8 unknown)",
        ),
        (
            _run(RunStatus.HALTED, is_whole=False),
            AlertKind.HALTED,
            "run 7 was halted",
        ),
        (_run(RunStatus.REFUSED), AlertKind.FAILED, "nothing was sent"),
        (_run(RunStatus.REFUSED, is_braked=True), AlertKind.BRAKED, "brakes allow"),
        (_run(RunStatus.DIED), AlertKind.FAILED, "ended without a word"),
    ],
)
def test_a_run_that_did_not_end_well_is_one_message(
    run: EndedRun, kind: AlertKind, words: str
) -> None:
    change = after_run(_RUN, run, _NOW)
    assert change.message is not None
    assert change.message.kind is kind
    assert words in change.message.text
    assert change.message.text.startswith("crm: ")
    assert (change.state.state, change.state.run_id) == (kind.value, 7)
    again = after_run(replace(change.state, since=_NOW), run, _NOW)
    assert again.message is None
    assert again.state.since == _NOW


@pytest.mark.parametrize(
    "run",
    [
        _run(RunStatus.HELD),
        # Somebody stopped it when everything was through.
        _run(RunStatus.STOPPED, contacts={"applied": 3, "deferred": 0}),
        # A retry, of nothing maybe.
        _run(RunStatus.DONE, is_whole=False),
    ],
)
def test_a_run_that_says_nothing_changes_nothing(run: EndedRun) -> None:
    halted = replace(_RUN, state="halted")
    assert after_run(halted, run, _NOW).state is halted
    assert after_run(_RUN, run, _NOW).state is _RUN


def test_a_success_after_an_alert_is_a_recovery_and_only_then() -> None:
    well = after_run(_RUN, _run(RunStatus.DONE), _NOW)
    assert well.message is None
    assert well.state.succeeded_at == _NOW
    halted = replace(_RUN, state="halted")
    recovered = after_run(halted, _run(RunStatus.DONE), _NOW)
    assert recovered.message is not None
    assert recovered.message.kind is AlertKind.RECOVERED
    assert recovered.message.over is AlertKind.HALTED
    assert recovered.state.state == OK


@given(st.lists(st.sampled_from(RunStatus), max_size=20))
def test_every_change_is_one_message_and_every_recovery_follows_an_alert(
    statuses: list[RunStatus],
) -> None:
    state, told = _RUN, []
    changes = 0
    for status in statuses:
        change = after_run(state, _run(status), _NOW)
        changes += change.state.state != state.state
        state = change.state
        if change.message is not None:
            told.append(change.message)
    assert len(told) == changes
    standing: AlertKind | None = None
    for message in told:
        if message.kind is AlertKind.RECOVERED:
            assert message.over is standing
            standing = None
        else:
            assert message.kind is not standing
            standing = message.kind
    assert (standing.value if standing else OK) == state.state


def _standing(number: int) -> dict[Standing, int]:
    # Who opted out or is suppressed was meant to be left alone.
    return {Standing.DEAD_LETTER: number, Standing.OPTED_OUT: 5000}


def test_standing_contacts_are_counted_from_the_smallest_number_seen() -> None:
    state = _COUNT
    numbers = [50, 40, 140, 141, 200, 241, 242, 141, 140, 30, 131]
    told: list[tuple[int, str]] = []
    for number in numbers:
        change = after_count(state, _standing(number), 100, 7)
        if change.message is not None:
            told.append((number, change.message.kind.value))
        state = change.state
    assert told == [
        (141, "standing"),
        # Nobody mended them, and more than a hundred were added.
        (242, "standing"),
        (140, "recovered"),
        (131, "standing"),
    ]


def test_time_without_a_success_counts_from_the_first_look_and_then_from_successes() -> (
    None
):
    late = _NOW + _DAY + timedelta(minutes=1)
    assert after_time(_STALE, None, _DAY, _NOW + _DAY).message is None
    stale = after_time(_STALE, None, _DAY, late)
    assert stale.message is not None
    assert stale.message.kind is AlertKind.STALE
    assert "2026-11-02T03:00" in stale.message.text
    # Its own ``since`` is the moment of the alert now, and is no success.
    alerted = replace(stale.state, since=late)
    assert after_time(alerted, None, _DAY, late + _DAY / 2).message is None
    over = after_time(alerted, late, _DAY, late + _DAY / 2)
    assert over.message is not None
    assert over.message.over is AlertKind.STALE
    assert after_time(alerted, _NOW, _DAY, late).message is None


def test_nothing_is_stale_unless_that_was_asked_for() -> None:
    assert after_time(_STALE, _NOW, None, _NOW + 100 * _DAY).message is None


def test_a_kind_of_a_newer_release_is_read_but_not_configured() -> None:
    assert AlertKind("sleepy").value == "sleepy"
    assert not AlertKind("sleepy").is_known
    with pytest.raises(ValidationError, match=r"must be 'failed', .* or 'recovered'"):
        _target(on=["sleepy"])


def _target(**keys: object) -> AlertTargetModel:
    return AlertTargetModel.model_validate({"webhook": "https://x.example", **keys})


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, {"halted", "recovered"}),
        ({"on": ["halted"]}, {"halted"}),
        ({"on": ["stale", "recovered"]}, set()),
        ({"on": ["halted", "recovered"]}, {"halted", "recovered"}),
        ({"destinations": ["crm"]}, {"halted", "recovered"}),
        ({"destinations": ["other"]}, set()),
    ],
)
def test_a_target_gets_what_it_asked_for(
    keys: dict[str, object], wanted: set[str]
) -> None:
    halted = AlertMessage("crm", AlertKind.HALTED, "")
    recovered = AlertMessage("crm", AlertKind.RECOVERED, "", over=AlertKind.HALTED)
    targets = {"ops": _target(**keys)}
    got = {
        message.kind.value
        for message in (halted, recovered)
        if targets_of(message, targets)
    }
    assert got == wanted
