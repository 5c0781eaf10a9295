"""Tables in a narrow terminal: nothing in them is cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from syncengine.cli.rendering import layout, plans
from syncengine.cli.terminal import out
from syncengine.model.plans import PlanReport
from syncengine.model.work import Standing

LONG = "newsletter_for_customers_of_the_northern_and_of_the_southern_branch"


def printed(monkeypatch: pytest.MonkeyPatch, *reports: PlanReport) -> str:
    """Return what ``plan`` prints at 80 columns."""
    stream = io.StringIO()
    monkeypatch.setattr(layout, "out", Console(file=stream, width=80, highlight=False))
    plans.print_plans(reports)
    return stream.getvalue()


def report(destination: str) -> PlanReport:
    """Make the report of a large plan."""
    return PlanReport(
        destination,
        contacts=1234567,
        actions={"create": 1000000},
        unsupported=12,
        rejected={"no_match_key": 3},
        suppressed={"opted_out": 2},
        standing={Standing.DEAD_LETTER: 168, Standing.OPTED_OUT: 4},
        look_ups=1000000,
        requests=2234567,
        requests_least=1000000,
        requests_most=3234567,
        seconds=670371.0,
        seconds_least=300000.0,
        seconds_most=970371.0,
    )


def test_large_numbers_and_long_names_stay_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = printed(monkeypatch, report("whatsapp_de"), report(LONG))
    assert "…" not in text
    (row,) = [
        line.split() for line in text.splitlines() if line.startswith("whatsapp_de ")
    ]
    assert row == [
        "whatsapp_de",
        "1234567",
        "17",
        "1000000",
        "2234567",
        "186",
        "h",
        "12",
        "min",
    ]
    folded = text[text.index("186 h") :].partition("whatsapp_de: ")[0].splitlines()[1:]
    assert "".join(line[:30].split(" ")[0] for line in folded) == LONG
    told = (
        "this assumes that the look-ups find no contact. If all are there and in step: "
        "1000000 requests in 83 h 20 min; "
    )
    for line in (
        f"whatsapp_de: {told}if all are there and differ: 3234567 in 269 h 32 min.",
        "whatsapp_de: rejected: 3 no_match_key",
        "whatsapp_de: suppressed: 2 opted_out",
        (
            "whatsapp_de: 12 contacts unsupported: the vendor cannot take a part of the "
            "change, which the run names"
        ),
        (
            "whatsapp_de: left alone by later runs: 168 dead letters, 4 opted out. "
            "`syncengine why ID` says until when"
        ),
        "Nothing was sent.",
    ):
        assert line in text.splitlines()


def test_a_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    out.print("a :warning: b", markup=False, soft_wrap=True)
    assert capsys.readouterr().out == "a :warning: b\n"
