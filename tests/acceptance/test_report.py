"""``syncengine report``: a page for the browser, for paper, and for whoever gets it.

A real browser looks at it, where there is one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from syncengine.desk.report import render_report
from tests.support.desk_records import short_record, with_changed_contacts
from tests.support.desk_state import fill
from tests.support.people_project import RESPOND_IO, people

if TYPE_CHECKING:
    from tests.support.browser import Chromium

_VALUE = "Ada 3"
"""A value that a contact was given in the filled state."""


@pytest.mark.asyncio
async def test_a_report_is_written_for_everybody_or_with_values_for_its_owner(
    database: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(database)
    state = await fill(connection, 600)
    await connection.close()
    mask = os.umask(0o022)
    os.umask(mask)
    folder = tmp_path / "project"
    async with people(database, folder, {"respond_io": RESPOND_IO}) as here:
        plain, full = tmp_path / "plain.html", tmp_path / "full.html"
        number = str(state.big_run)
        code, said = await here.command("report", number, "--out", str(plain))
        assert code == 0, said
        assert f"Report of run {number} written to" in said
        page = plain.read_text(encoding="utf-8")
        assert "180 contacts not in step yet" in page.replace("\n", " ")
        assert "firstName" in page
        assert _VALUE not in page
        assert plain.stat().st_mode & 0o777 == 0o666 & ~mask
        code, said = await here.command(
            "report", number, "--show-values", "--out", str(full)
        )
        assert code == 0, said
        assert "personal data" in said
        assert _VALUE in full.read_text(encoding="utf-8")
        assert full.stat().st_mode & 0o777 == 0o600
        code, said = await here.command("report", "999", "--out", "-")
        assert code == 2
        assert "there is no run 999" in said


def test_a_browser_finds_nothing_wrong_with_the_report(
    chromium: Chromium, tmp_path: Path
) -> None:
    record = with_changed_contacts(short_record())
    file = tmp_path / "report.html"
    file.write_text(
        render_report(record, version="1.0", with_values=True), encoding="utf-8"
    )
    seen = chromium.look_at(file.as_uri(), thoroughly=True)
    assert seen.problems == []
    assert "398 contacts not in step yet" in seen.text
    assert chromium.pdf_of(file.as_uri()).startswith(b"%PDF-")


def test_the_browser_would_find_something(chromium: Chromium, tmp_path: Path) -> None:
    file = tmp_path / "bad.html"
    file.write_text(
        "<html lang=en><title>Bad</title><p style='color:#ccc;background:#fff'>pale</p>"
        "<img src='http://vendor.example/x.png'><div style='width:2000px'>wide</div>",
        encoding="utf-8",
    )
    problems = " ".join(chromium.look_at(file.as_uri()).problems)
    for expected in ("color-contrast", "image-alt", "request to http", "wider than"):
        assert expected in problems
