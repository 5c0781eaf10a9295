"""``syncengine rename``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.layout import contacts, print_line
from syncengine.cli.rendering.rows import print_reports
from syncengine.model.reports import RenameReport


def rename(
    old: str,
    new: str,
    /,
    *,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
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
    chosen = chosen_format(format_, json=json)
    report = run_engine(app.rename(options.load(), old, new))
    print_reports([report], chosen, _print_renamed)
    return 0


def _print_renamed(reports: Sequence[RenameReport]) -> None:
    for each in reports:
        line = f"{each.old} is {each.new} from now on, with {contacts(each.contacts)}."
        print_line(f"{line} Nothing was sent.")
