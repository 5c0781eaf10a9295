"""``syncengine runs``."""

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
from syncengine.cli.rendering.run_list import BATCH_COLUMNS, RUN_COLUMNS
from syncengine.errors import ConfigError, Problem
from syncengine.model.desk import BATCH_NAMES, RUN_NAMES

_MOST = 20
"""Runs that are listed unless more are asked for."""


def runs(
    number: AtLeastOne | None = None,
    /,
    *,
    destination: Destinations = (),
    run: AtLeastOne | None = None,
    batches: Flag = False,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """List the last runs, newest first, or the batches of one run.

    Parameters
    ----------
    number
        List so many runs. Default: 20.
    destination
        Only runs of this destination (the name of its file); may be repeated. Default:
        all, also destinations that have no file any more.
    run
        Only the run with this number.
    batches
        With --run: its batches, with the number of their contacts by outcome.
    json
        Print one JSON array.
    """
    chosen = chosen_format(format_, json=json)
    if run is None:
        if batches:
            what = "goes with --run only: `syncengine runs --run 12 --batches`"
            raise ConfigError([Problem("--batches", what)])
        print_pages(
            app.runs(options.load(), destination, number or _MOST),
            chosen,
            RUN_COLUMNS,
            RUN_NAMES,
            empty="No run has taken place yet.",
        )
        return exits.IN_STEP
    if number is not None or destination:
        what = "names one run: leave out the number of runs and --destination"
        raise ConfigError([Problem("--run", what)])
    _print_one(run, chosen, batches=batches)
    return exits.IN_STEP


def _print_one(run_id: int, chosen: Format, *, batches: bool) -> None:
    config = options.load()
    if batches:
        print_pages(
            app.batches(config, run_id),
            chosen,
            BATCH_COLUMNS,
            BATCH_NAMES,
            empty=f"Run {run_id} has no batches: it found nothing to do.",
        )
        return
    print_pages(app.one_run(config, run_id), chosen, RUN_COLUMNS, RUN_NAMES, empty="")
