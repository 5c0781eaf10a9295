"""``syncengine rename``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Flag, options
from syncengine.cli.rendering.layout import contacts, print_json, print_line


def rename(old: str, new: str, /, *, json: Flag = False) -> int:
    """Move all that is known of a destination to the destination's new name.

    Parameters
    ----------
    old
        The name that the destination had.
    new
        The name that its file has now. Rename the file first.
    json
        Print one JSON object.
    """
    report = run_engine(app.rename(options.load(), old, new))
    if json:
        print_json([report])
    else:
        number = contacts(report.contacts)
        print_line(f"{old} is {new} from now on, with {number}. Nothing was sent.")
    return 0
