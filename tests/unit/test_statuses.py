"""What the tables say of contacts that a run found gone, and that are left alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from syncengine.cli.rendering.failed import COLUMNS
from syncengine.cli.rendering.run_list import counted_contacts
from syncengine.cli.rendering.runs import print_runs
from syncengine.cli.rendering.statuses import print_statuses
from syncengine.model.reports import RunReport, RunStatus
from syncengine.model.status import LastRun, StatusReport
from syncengine.model.work import RunKind, Standing

_CONTACTS = {"changed": 15, "applied": 2, "rejected": 1}


def test_a_run_names_its_gone_contacts_and_when_to_retry(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert counted_contacts(_CONTACTS) == "2 applied, 1 rejected, 12 gone"
    assert counted_contacts({"changed": 3, "applied": 3}) == "3 applied"
    halted = {"changed": 3, "deferred": 3}
    print_runs([RunReport("charles", 6, RunStatus.HALTED, contacts=halted)])
    said = capsys.readouterr().out
    assert "`syncengine retry 6` tries all of them once that is mended or over" in said
    halted = {"changed": 40, "deferred": 40}
    report = RunReport("charles", 6, RunStatus.HALTED, contacts=halted, acquitted=22)
    print_runs([report])
    said = " ".join(capsys.readouterr().out.split())
    assert "the next run tries again: 18 deferred." in said
    assert "counts against none of them: 22 deferred. The next run tries one" in said
    report = RunReport("charles", 7, RunStatus.DONE, contacts=_CONTACTS)
    print_runs([report])
    said = capsys.readouterr().out
    assert " 13 " in said, "applied and not applied are all of them"
    assert "charles: 1 rejected, 12 gone" in said


@pytest.mark.parametrize(
    ("left_alone", "alike", "told"),
    [
        (3, 3, ["counts against none of them: 3 rejected. The next run tries one"]),
        (3, 0, ["until their rows or the mapping change: 3 rejected."]),
        (
            4,
            3,
            [
                "counts against none of them: 3 rejected. The next run tries one",
                "until their rows or the mapping change: 1 rejected.",
            ],
        ),
    ],
)
def test_each_rejected_contact_is_said_to_be_left_alone_for_one_reason(
    capsys: pytest.CaptureFixture[str], left_alone: int, alike: int, told: list[str]
) -> None:
    counts = {"changed": left_alone, "rejected": left_alone}
    report = RunReport(
        "charles",
        7,
        RunStatus.DONE,
        contacts=counts,
        left_alone=left_alone,
        left_alone_alike=alike,
    )
    print_runs([report])
    said = " ".join(capsys.readouterr().out.split())
    lines = said.count("refused alike") + said.count("left alone until")
    assert lines == len(told)
    assert all(each in said for each in told)
    assert "next run tries again" not in said


@pytest.mark.parametrize(
    ("in_step", "standing", "words"),
    [
        (True, {Standing.GONE: 12, Standing.DEAD_LETTER: 1}, "yes, but for 13"),
        (True, {}, "yes"),
        (False, {Standing.GONE: 12}, "no"),
        (None, {Standing.GONE: 12}, "-"),
    ],
)
def test_in_step_says_how_many_are_left_alone(
    capsys: pytest.CaptureFixture[str],
    *,
    in_step: bool | None,
    standing: dict[Standing, int],
    words: str,
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    run = LastRun(7, RunKind.SYNC, RunStatus.DONE, now, now, _CONTACTS)
    print_statuses(
        [StatusReport("charles", "charles", run, in_step=in_step, standing=standing)]
    )
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if "done" in line)
    assert row.strip().endswith(words)
    assert "12 gone" in said


def test_what_is_refused_alike_has_no_number_of_rejections() -> None:
    times = next(column for column in COLUMNS if column.title == "times")
    assert times.words(0) == "-"
    assert times.words(3) == "3"
