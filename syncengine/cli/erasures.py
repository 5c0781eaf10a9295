"""``syncengine erasures``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.listing import print_pages
from syncengine.cli.options import (
    Destinations,
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.consent_lists import ERASURES
from syncengine.model.desk import ERASURE_NAMES


def erasures(
    *,
    destination: Destinations = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """List the erasures that were asked for, those that somebody has to finish first.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all,
        also destinations that have no file any more.
    json
        Print one JSON array.
    """
    print_pages(
        app.erasures(options.load(), destination),
        chosen_format(format_, json=json),
        ERASURES,
        ERASURE_NAMES,
        empty="Nobody was forgotten.",
    )
    return exits.IN_STEP
