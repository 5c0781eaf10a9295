"""``syncengine migrate``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Flag, options
from syncengine.cli.rendering.layout import print_json_object, print_line


def migrate(*, json: Flag = False) -> int:
    """Create the database schema that keeps the state, or bring it up to date.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    applied = run_engine(app.migrate(options.load()))
    if json:
        print_json_object({"applied": applied})
        return 0
    for name in applied:
        print_line(f"applied {name}")
    if not applied:
        print_line("the state schema is up to date")
    return 0
