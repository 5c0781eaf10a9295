"""``syncengine status``."""

from __future__ import annotations

from syncengine.app.project import Project
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Destinations,
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.rows import print_reports
from syncengine.cli.rendering.statuses import print_statuses


def status(
    *,
    destination: Destinations = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Show each destination's last run, who works on it now, and contacts left alone.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    json
        Print one JSON object for each destination.
    """
    chosen = chosen_format(format_, json=json)
    reports = run_engine(Project(options.load()).astatus(*destination))
    print_reports(reports, chosen, print_statuses)
    return exits.IN_STEP
