"""Rows of results as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from syncengine.cli.options import Format, chosen_format
from syncengine.cli.rendering import layout, rows
from syncengine.cli.rendering.rows import TableColumn, print_reports, row_writer
from syncengine.errors import ConfigError

_COLUMNS = [
    TableColumn("contact"),
    TableColumn("requests", side="right"),
    TableColumn("message", is_wide=True),
]
_NAMES = ("contact", "requests", "message", "tags")
_ODD = [
    '=1+1"',
    "+49 151",
    "-7",
    "@x",
    "\tx",
    "\rx",
    "\nx",
    "a\rb",
    "a,b\nc",
    "ü\u202e",
]


def written(form: Format, *pages: list[dict[str, Any]]) -> str:
    """Return what is written of these pages."""
    texts: list[str] = []
    with row_writer(form, _COLUMNS, _NAMES, texts.append) as writer:
        for page in pages:
            writer.write(page)
    return "".join(texts)


def row(contact: str, requests: int = 1) -> dict[str, Any]:
    """Make a row whose message is missing."""
    return {"contact": contact, "requests": requests, "message": None, "tags": ["a"]}


def test_json_is_one_document_and_jsonl_one_row_a_line() -> None:
    pages = [[row(text) for text in _ODD[:4]], [row(text) for text in _ODD[4:]]]
    found = json.loads(written("json", *pages))
    assert [each["contact"] for each in found] == _ODD
    lines = written("jsonl", *pages).splitlines()
    assert [json.loads(line) for line in lines] == found
    assert "\u202e" not in written("json", *pages)


def test_nothing_is_an_empty_list_and_a_line_of_names() -> None:
    assert json.loads(written("json")) == []
    assert json.loads(written("json", [])) == []
    assert written("jsonl", []) == ""
    assert written("csv") == "contact,requests,message,tags\n"


def test_no_cell_of_csv_is_a_formula_and_none_breaks_its_line() -> None:
    text = written("csv", [row(text) for text in _ODD], [row("plain", -5)])
    names, *lines = csv.reader(io.StringIO(text, newline=""))
    assert tuple(names) == _NAMES
    cells = [line[0] for line in lines]
    guarded = [f"'{each}" for each in _ODD[:7]]
    assert cells == [*guarded, *_ODD[7:], "plain"]
    # A number of ours is one for the spreadsheet, too.
    assert lines[-1][1:] == ["-5", "", '["a"]']


@pytest.mark.parametrize(("width", "shown"), [(80, False), (140, True)])
def test_a_table_has_what_the_terminal_has_room_for(
    monkeypatch: pytest.MonkeyPatch, width: int, *, shown: bool
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    monkeypatch.setattr(layout, "out", console)
    monkeypatch.setattr(rows, "out", console)
    monkeypatch.setattr(rows, "_AT_A_TIME", 1)
    written("table", [row("[bold]x[/bold]", 12)], [row("y")])
    lines = stream.getvalue().splitlines()
    assert ("message" in lines[0]) is shown
    assert lines[2].split() == ["[bold]x[/bold]", "12"]
    # The second page goes on under the same columns.
    assert lines[3].split() == ["y", "1"]
    assert lines[3].index("1") == lines[2].index("2")
    assert max(map(len, lines)) <= width


class _Report:
    def __init__(self, **known: Any) -> None:
        self._known = known

    def public(self) -> dict[str, Any]:
        return self._known


def test_reports_are_spread_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    never, one = (
        _Report(destination="a", run=None),
        _Report(destination="b", run={"id": 1, "counts": {"applied": 2}}),
    )
    print_reports([never, one], "csv", lambda _: None)
    assert capsys.readouterr().out.splitlines() == [
        "destination,run,run.id,run.counts.applied",
        "a,,,",
        "b,,1,2",
    ]
    forms: tuple[Format, ...] = ("json", "jsonl")
    for form in forms:
        print_reports([never, one], form, lambda _: None)
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["destination"] for line in lines] == ["a", "b"]


def test_json_is_short_for_a_format_and_contradicts_others() -> None:
    assert chosen_format(None, json=False) == "table"
    assert chosen_format("json", json=True) == chosen_format(None, json=True) == "json"
    with pytest.raises(ConfigError, match="contradicts --format csv"):
        chosen_format("csv", json=True)
