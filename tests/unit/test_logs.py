"""Log lines: whole, at their level, without a secret, and beside progress bars."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextvars import Context
from datetime import UTC, datetime
from typing import IO, Literal, cast

import orjson
import pytest
import structlog
from rich.console import Console

from syncengine.app.event_log import event_log, level_of, listening
from syncengine.cli import progress
from syncengine.cli.engine import write_event
from syncengine.cli.options import options
from syncengine.cli.streams import WatchedStream
from syncengine.logs import set_up
from syncengine.model.events import Event
from syncengine.model.progress import RunSnapshot
from syncengine.model.reports import NoProgress

_ERASED = re.compile(r"\r|\x1b\[2K")
"""What was shown before it on the line makes room for what comes."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECRET = "s3cr3t+/key=="


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with listening(write_event):
        yield
    structlog.reset_defaults()


def _console(*, tty: bool) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(
        file=written, force_terminal=tty, width=60, height=20, highlight=False
    ), written


def test_without_a_listener_nothing_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def halt() -> None:
        event_log(account="a")(Event.ACCOUNT_HALTED, error="down")

    Context().run(halt)
    assert capsys.readouterr() == ("", "")


def test_a_json_line_stays_one_line() -> None:
    console, written = _console(tty=False)
    set_up("json", console, (), "info")
    event_log(account="a")(
        Event.ACCOUNT_HALTED,
        error="two\nlines, " + "and long ones " * 20,
        contact_id="\x1b[31m[/x]\x7f",
    )
    (line,) = written.getvalue().splitlines()
    told = orjson.loads(line)
    assert (told["event"], told["account"], told["level"]) == (
        "account_halted",
        "a",
        "error",
    )
    assert told["contact_id"] == "\x1b[31m[/x]\x7f"
    assert line.isprintable()


@pytest.mark.parametrize("threshold", ["debug", "info", "warning", "error"])
def test_a_line_is_written_from_its_level_on(threshold: str) -> None:
    console, written = _console(tty=False)
    set_up("json", console, (), threshold)  # type: ignore[arg-type]
    for event in Event:
        event_log()(event)
    told = {orjson.loads(line)["event"] for line in written.getvalue().splitlines()}
    least = {"debug": 10, "info": 20, "warning": 30, "error": 40}[threshold]
    assert told == {event.value for event in Event if level_of(event) >= least}
    assert (len(told) == len(Event)) == (threshold == "debug")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_holds_a_secret(form: str) -> None:
    console, written = _console(tty=False)
    set_up(form, console, [SECRET], "debug")  # type: ignore[arg-type]
    event_log(account=f"a {SECRET}")(
        Event.REQUEST_FAILED,
        error=f"said {SECRET}{SECRET}",
        nested={"list": [SECRET], "authorization": "anything", SECRET: 1},
        broken=ValueError(SECRET),
    )
    said = written.getvalue()
    assert SECRET not in said
    assert "anything" not in said
    assert "[secret]" in said


def _snapshot(done: int, seconds: float = 0.0) -> RunSnapshot:
    at = datetime(2026, 11, 28, tzinfo=UTC)
    return RunSnapshot(at=at, seconds=seconds, done=done, total=3)


def test_bars_and_lines_do_not_tear_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    console, written = _console(tty=True)
    monkeypatch.setattr(progress, "err", console)
    set_up("console", console, (), "warning")
    monkeypatch.setattr(progress, "_BETWEEN_FRAMES", 0.0)
    with progress.LiveView() as view:
        for seconds in (1, 2):
            view.updated("whatsapp_de", _snapshot(done=seconds))
            event_log(account="whatsapp_de")(Event.THROTTLED, seconds=seconds)
    text = _CONTROL.sub("", _ERASED.sub("\n", written.getvalue()))
    shown = [line.rstrip() for line in text.splitlines()]
    told = [line for line in shown if "throttled" in line]
    assert [line.rpartition("seconds=")[2] for line in told] == ["1", "2"]
    assert all(line.startswith("20") and " of 3" not in line for line in told)
    bar = [line for line in shown if " of 3" in line]
    assert bar
    assert all(line.startswith("whatsapp_de") for line in bar)


@pytest.mark.parametrize("form", ["json", "console"])
def test_without_a_terminal_a_line_comes_every_thirty_seconds_of_the_run(
    form: Literal["json", "console"], monkeypatch: pytest.MonkeyPatch
) -> None:
    console, written = _console(tty=False)
    monkeypatch.setattr(progress, "err", console)
    monkeypatch.setattr(options, "log_format", form)
    set_up(form, console, (), "info")
    with progress.shown_progress() as shown:
        assert isinstance(shown, progress.ProgressLines)
        for seconds in (0, 29, 30, 31, 59, 60, 90):
            shown.updated("whatsapp_de", _snapshot(done=2, seconds=seconds))
        shown.updated("charles", _snapshot(done=1, seconds=5))
        shown.finished("whatsapp_de")
    lines = written.getvalue().splitlines()
    assert len(lines) == 3
    if form == "json":
        told = [orjson.loads(line) for line in lines]
        assert [line["seconds"] for line in told] == [30.0, 60.0, 90.0]
        assert {line["event"] for line in told} == {"run_progress"}
        assert {line["destination"] for line in told} == {"whatsapp_de"}
    else:
        assert all(line.startswith("whatsapp_de: 2 of 3 contacts") for line in lines)


def test_no_progress_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "progress", False)
    with progress.shown_progress() as shown:
        assert isinstance(shown, NoProgress)


class _Full(io.StringIO):
    def write(self, _text: str, /) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("tty", [True, False])
def test_a_log_that_cannot_be_written_is_no_error(*, tty: bool) -> None:
    failures: list[OSError] = []
    stream = cast("IO[str]", WatchedStream(_Full(), failures.append))
    set_up("json", Console(file=stream, force_terminal=tty), (), "info")
    event_log()(Event.RUN_STOPPED)
    assert {failure.strerror for failure in failures} == {"No space left on device"}
