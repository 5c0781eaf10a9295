"""Exit codes: one for each status, and the worst of several destinations."""

from __future__ import annotations

import pytest

from syncengine.cli.exits import exit_code, worst
from syncengine.model.copies import AdoptReport, MergeReport, ShowReport, VerifyReport
from syncengine.model.erasure import Erased, Receipt
from syncengine.model.reports import Noteworthy, RunReport, RunStatus

CODES = {
    "done": 0,
    "incomplete": 1,
    "halted": 1,
    "stopped": 1,
    "rejected": 1,
    "refused": 2,
    "held": 3,
    "unreadable": 0,
    "running": 1,
    "died": 1,
}


@pytest.mark.parametrize("status", list(RunStatus))
def test_every_status_has_its_code(status: RunStatus) -> None:
    reports = (
        RunReport("a", None, status),
        AdoptReport("a", status),
        VerifyReport("a", status),
        MergeReport("a", status),
        ShowReport("a", "1", "synced", look_up=status),
    )
    assert [exit_code(report) for report in reports] == [CODES[status.value]] * 5


def test_what_a_person_has_to_look_at_is_not_in_step() -> None:
    note = Noteworthy("1", "ambiguous", "ambiguous_match", "two match")
    assert exit_code(AdoptReport("a", RunStatus.DONE, contacts=(note,))) == 1
    assert exit_code(VerifyReport("a", RunStatus.DONE, drifted=1)) == 1
    assert exit_code(VerifyReport("a", RunStatus.DONE, error="unknown there")) == 1
    settled = VerifyReport(
        "a", RunStatus.DONE, drifted=3, repaired=1, opted_out=1, left={"gone": 1}
    )
    assert exit_code(settled) == 0


@pytest.mark.parametrize(
    ("status", "code"), [("done", 0), ("scheduled", 0), ("impossible", 1), ("open", 1)]
)
def test_receipts(status: str, code: int) -> None:
    assert exit_code(Receipt("a", "1", Erased(status), "")) == code


def test_the_worst_comes_first() -> None:
    assert [worst(each) for each in ((), (0, 1), (1, 3), (3, 2), (0, 0))] == [
        0,
        1,
        3,
        2,
        0,
    ]
