"""Every verb that prints results prints them in every form."""

from __future__ import annotations

import inspect

import pytest

from syncengine.cli import verbs  # noqa: F401 - registers them
from syncengine.cli.migrate import AppliedMigrations
from syncengine.cli.rendering import layout
from syncengine.cli.rendering.checks import print_checks
from syncengine.cli.rendering.rows import print_reports
from syncengine.cli.root import app
from syncengine.errors import ConfigError
from syncengine.model.reports import Check, CheckReport

_WRITERS = {"add", "completion", "demo", "init", "metrics", "new-vendor", "report"}
"""Verbs that write files or scripts, and print no results."""
_SERVERS = {"sandbox", "serve"}


def _options(verb: str) -> set[str]:
    return set(inspect.signature(app[verb].default_command or print).parameters)


def test_every_verb_that_prints_results_has_every_form() -> None:
    found = {verb for verb in app if not verb.startswith("-")}
    printing = found - _WRITERS - _SERVERS - {"schema"}
    assert len(printing) > 20
    lacking = {verb for verb in printing if not {"json", "format_"} <= _options(verb)}
    assert lacking == set()
    assert {verb for verb in found - printing if "json" in _options(verb)} == set()


@pytest.mark.parametrize("verb", ["check", "migrate"])
def test_a_form_that_contradicts_json_is_refused_before_anything_is_done(
    verb: str,
) -> None:
    function = app[verb].default_command
    assert function is not None
    with pytest.raises(ConfigError, match="contradicts --format csv"):
        function(format_="csv", json=True)


def test_checks_and_migrations_are_rows_of_csv(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = CheckReport((Check("source", True, "=1"), Check("state", False, "away")))
    print_reports(report.checks, "csv", print_checks)
    print_reports([AppliedMigrations(("0001_a", "0002_b"))], "csv", layout.print_json)
    assert capsys.readouterr().out.splitlines() == [
        "area,ok,message",
        "source,true,'=1",
        "state,false,away",
        "applied",
        '"[""0001_a"",""0002_b""]"',
    ]


_FITTING = Check("crm: source", True, "fine")
_STOPS = Check("crm: credentials", False, "refused")
_GOES_ON = Check("crm: fields", False, "no such property", stops_run=False)


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        (
            (_STOPS, _STOPS),
            "2 checks failed (BAD above): a run would send nothing there",
        ),
        ((_GOES_ON,), "1 check failed (BAD above): a run would go on, and the vendor"),
        ((_GOES_ON, _STOPS), "do not fit; elsewhere it would send nothing. Correct"),
    ],
)
def test_failed_checks_say_what_a_run_would_do(
    capsys: pytest.CaptureFixture[str], failed: tuple[Check, ...], told: str
) -> None:
    print_checks((_FITTING, *failed))
    assert told in " ".join(capsys.readouterr().out.split())
