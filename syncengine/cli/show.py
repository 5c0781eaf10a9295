"""``syncengine show``."""

from __future__ import annotations

from syncengine import app
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
from syncengine.cli.rendering.shown import print_shown


def show(
    contact: str,
    /,
    *,
    destination: Destinations = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Show one contact: its row, what is known of its copies, what the vendors hold.

    Parameters
    ----------
    contact
        Its id: its value in the source's key column.
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    json
        Print one JSON object for each destination.
    """
    chosen = chosen_format(format_, json=json)
    reports = run_engine(app.show(options.load(), destination, contact))
    print_reports(reports, chosen, print_shown)
    return exits.worst(map(exits.exit_code, reports))
