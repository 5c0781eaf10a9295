"""``syncengine why``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    ContactId,
    Destinations,
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.reasons import print_reasons
from syncengine.cli.rendering.rows import print_reports


def why(
    contact: ContactId,
    /,
    *,
    destination: Destinations = (),
    show_values: Flag = False,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Explain one contact: what was sent, what the vendor said, what comes next.

    Parameters
    ----------
    contact
        Its id: its value in the source's key column.
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    show_values
        Print the values of fields too, which are personal data.
    json
        Print one JSON object for each destination.
    """
    chosen = chosen_format(format_, json=json)
    reports = run_engine(
        app.why(options.load(), destination, contact, show_values=show_values)
    )
    print_reports(reports, chosen, print_reasons)
    return exits.IN_STEP
