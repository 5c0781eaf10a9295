"""The report of a run as a page: what it says, how large it gets, what it never says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.desk import charts
from syncengine.desk.report import render_report
from syncengine.desk.timeline import slots
from syncengine.desk.words import duration, verdict
from syncengine.model.reports import RunStatus
from syncengine.model.run_record import ChangeCounts, ChangedName, MinuteFacts
from tests.support.desk_records import (
    HOSTILE,
    STARTED,
    night_record,
    run_facts,
    with_changed_contacts,
)

_LARGEST = 150_000


@pytest.mark.parametrize(
    ("status", "label", "begins"),
    [
        (RunStatus.DONE, "In step", "In step: 9,602 contacts brought up to date."),
        (RunStatus.INCOMPLETE, "Not in step", "398 contacts not in step yet"),
        (RunStatus.HALTED, "Halted", "The account was halted after 9,602 of 10,000"),
        (RunStatus.STOPPED, "Stopped", "Somebody stopped the run after 9,602"),
        (RunStatus.DIED, "Died", "The process of this run ended without a word."),
        (RunStatus.REFUSED, "Refused", "Nothing was sent."),
    ],
)
def test_the_headline_says_what_happened(
    status: RunStatus, label: str, begins: str
) -> None:
    said = verdict(run_facts(status))
    assert (said.label, said.headline[: len(begins)]) == (label, begins)
    assert said.next_step


def test_a_run_without_a_process_has_died_and_one_with_a_process_has_not() -> None:
    progress = {"done": 740, "total": 2000, "outcomes": {}}
    run = run_facts(RunStatus.RUNNING, ended_at=None, totals={}, progress=progress)
    assert verdict(run).label == "Died"
    said = verdict(replace(run, holder="host (process 7)"))
    assert said.label == "Under way"
    assert "740 of 2,000 contacts" in said.headline


def test_a_night_of_ten_thousand_changes_stays_small_and_asks_nobody_for_anything() -> (
    None
):
    page = render_report(night_record(minutes=480), version="1.0", with_values=False)
    assert len(page.encode()) < _LARGEST
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert " style=" not in page
    assert "no values of contacts" in page


def test_names_stay_text_whatever_they_hold() -> None:
    record = night_record(run_facts(destination=HOSTILE, error=HOSTILE))
    changes = ChangeCounts(1, {"updated": 1}, (ChangedName(HOSTILE, 1),))
    page = render_report(
        replace(record, changes=changes), version="1.0", with_values=False
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_it_says_which_contacts_the_list_of_failures_has() -> None:
    record = night_record()
    page = render_report(record, version="1.0", with_values=False)
    assert "lists all of them, " in page
    silent = replace(record.failures[0], outcome="suppressed", code="opted_out")
    record = replace(record, failures=(*record.failures, silent))
    page = render_report(record, version="1.0", with_values=False)
    assert "lists all of them but the suppressed ones" in page


def test_values_are_there_only_with_a_warning() -> None:
    record = with_changed_contacts(night_record())
    page = render_report(record, version="1.0", with_values=True)
    for value in ("+4915100001", "+4915100002", "Köln", "not known"):
        assert value in page
    assert "This page holds personal data" in page


def test_charts_are_the_same_each_time_and_leave_colours_to_the_page() -> None:
    timeline = slots(night_record().minutes, 180)
    first = charts.pace_chart(timeline, 200.0)
    assert first == charts.pace_chart(timeline, 200.0)
    assert first != charts.pace_chart(timeline, None)
    wide, narrow = first
    assert 'class="c-limit"' in wide
    assert "<title" in narrow
    assert "#" not in wide.replace("#x", "")
    assert "font" not in wide
    stacked, _ = charts.outcome_chart(timeline)
    for outcome in ("applied", "rejected", "deferred"):
        assert f'class="c-{outcome}"' in stacked


def test_without_matplotlib_the_numbers_are_there_and_how_to_get_charts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(charts, "can_draw", lambda: False)
    page = render_report(night_record(), version="1.0", with_values=False)
    assert "pip install matplotlib" in page
    assert "<svg" not in page
    assert '<details class="sheet" open>' in page


@given(
    st.dictionaries(st.integers(0, 20_000), st.integers(0, 300), min_size=1),
    st.integers(2, 60),
)
def test_slots_keep_every_request_and_are_few_and_equally_long(
    requests: dict[int, int], most: int
) -> None:
    minutes = [
        MinuteFacts(STARTED + timedelta(minutes=minute), requests[minute])
        for minute in sorted(requests)
    ]
    joined = slots(minutes, most)
    assert len(joined) <= most
    assert sum(slot.requests for slot in joined) == sum(requests.values())
    assert max(slot.busiest for slot in joined) == max(requests.values())
    assert sum(slot.minutes for slot in joined) == max(requests) - min(requests) + 1
    assert len({slot.minutes for slot in joined[:-1]}) <= 1


def test_durations_are_said_as_people_say_them() -> None:
    said = [duration(seconds) for seconds in (0.4, 61, 3600, 90_000)]
    assert said == ["0 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]
