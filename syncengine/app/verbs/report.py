"""The report of one run, as a page (``syncengine report``)."""

from __future__ import annotations

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.desk.report import render_report
from syncengine.errors import ConfigError, Problem
from syncengine.storage.state.report import read_record
from syncengine.storage.state.run_list import last_run_id
from syncengine.storage.state.runs import no_run_in_words
from syncengine.version import __version__


async def report(config: Config, run_id: int, *, with_values: bool) -> str:
    """Return the report of a run as HTML that needs nothing beside itself.

    Only reads the state; the run may be under way. Values of contacts are in it only
    where they are asked for. Raises ConfigError for an unknown run, StorageError.
    """
    config = await settled(config)
    async with open_databases(config, ()) as databases:
        record = await read_record(databases.state, run_id, with_values=with_values)
        if record is None:
            what = no_run_in_words(run_id, await last_run_id(databases.state))
            raise ConfigError([Problem(f"report {run_id}", what)])
    return render_report(record, version=__version__, with_values=with_values)
