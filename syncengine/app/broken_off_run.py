"""The report of a run that could not begin or go on.

Whatever ended it, the report has the counts up to there, and how many contacts are not
tried any more. The report of a run that came to its end is ``app.run_report``'s.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.app.databases import Databases
from syncengine.app.run_progress import RunProgress
from syncengine.app.session import status_of
from syncengine.config.destination import DestinationConfig
from syncengine.errors import CutShort, StorageError, SyncEngineError
from syncengine.model.reports import RunReport
from syncengine.storage.state.standing import number_standing


def broken_off_report(
    destination: DestinationConfig,
    error: SyncEngineError,
    so_far: RunProgress | None,
) -> RunReport:
    """Return the report of a destination whose run could not begin or go on."""
    status = status_of(error)
    if so_far is None:
        return RunReport(destination.name, None, status, error=str(error), cause=error)
    if isinstance(error, CutShort):
        # Requests were sent, so the run did take place: contacts without outcome are
        # deferred. Otherwise nothing was sent, and nobody was deferred by it.
        so_far.break_off()
    return replace(so_far.report(status, str(error)), cause=error)


async def with_standing(databases: Databases, report: RunReport) -> RunReport:
    """Return the report of a destination whose run could not begin.

    It numbers the contacts that are not tried any more.
    """
    if report.standing is not None:
        return report
    try:
        standing = await number_standing(databases.state, report.destination)
    except StorageError:
        # The report says already why the database cannot be asked.
        return report
    return replace(report, standing=standing)
