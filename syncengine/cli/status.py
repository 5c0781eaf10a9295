"""``syncengine status``."""

from __future__ import annotations

from syncengine.app.project import Project
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Destinations, Flag, options
from syncengine.cli.rendering.layout import print_json
from syncengine.cli.rendering.statuses import print_statuses


def status(*, destination: Destinations = (), json: Flag = False) -> int:
    """Show each destination's last run, who works on it now, and contacts left alone.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    json
        Print one JSON object for each destination.
    """
    reports = run_engine(Project(options.load()).astatus(*destination))
    if json:
        print_json(reports)
    else:
        print_statuses(reports)
    return exits.IN_STEP
