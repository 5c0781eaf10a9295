"""``syncengine failures``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.listing import print_pages
from syncengine.cli.options import (
    AtLeastOne,
    Destinations,
    Flag,
    Format,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.failed import COLUMNS, NextSteps
from syncengine.errors import ConfigError, Problem
from syncengine.model.desk import FAILURE_NAMES


def failures(
    run_id: AtLeastOne | None = None,
    /,
    *,
    destination: Destinations = (),
    code: str | None = None,
    format_: FormatOption = None,
    csv: Flag = False,
    json: Flag = False,
) -> int:
    """List the contacts that fell short, and what to do about each.

    Parameters
    ----------
    run_id
        Those of the run with this number. Default: those of each destination's last run
        about all contacts, and of the runs since, that no later one brought in step, and
        those that stand since earlier runs.
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    code
        Only those refused with this code, such as http_422.
    csv
        Short for --format csv.
    json
        Print one JSON array.
    """
    chosen = _chosen(format_, csv=csv, json=json)
    steps = NextSteps()
    number = print_pages(
        app.failures(options.load(), destination, run_id, code),
        chosen,
        COLUMNS,
        FAILURE_NAMES,
        empty=_none(run_id, code),
        seen=steps.note,
    )
    if number and chosen == "table":
        steps.print()
    return exits.IN_STEP


def _chosen(format_: Format | None, *, csv: bool, json: bool) -> Format:
    """Return the form. Raises ConfigError for options that contradict each other."""
    if not csv:
        return chosen_format(format_, json=json)
    if json or format_ not in (None, "csv"):
        what = "contradicts the other option for the form: give one of them"
        raise ConfigError([Problem("--csv", what)])
    return "csv"


def _none(run_id: int | None, code: str | None) -> str:
    """Return how it is said that there are none."""
    refused = "" if code is None else f" with the code {code}"
    if run_id is not None:
        return f"No contact fell short{refused} in run {run_id}."
    since = "in the last run about all contacts, or since"
    return f"No contact fell short{refused} {since}, and none stands."
