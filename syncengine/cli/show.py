"""``syncengine show``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Destinations, Flag, options
from syncengine.cli.rendering.layout import print_json
from syncengine.cli.rendering.shown import print_shown


def show(contact: str, /, *, destination: Destinations = (), json: Flag = False) -> int:
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
    reports = run_engine(app.show(options.load(), destination, contact))
    if json:
        print_json(reports)
    else:
        print_shown(reports)
    return exits.worst(map(exits.exit_code, reports))
