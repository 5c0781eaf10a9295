"""The report of ``prune``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.cli.rendering.layout import duration, print_line
from syncengine.model.reports import PruneReport

_DAY = 86_400
"""Seconds of a day."""


def print_pruned(reports: Sequence[PruneReport]) -> None:
    """Print what was deleted."""
    for report in reports:
        days = f"{report.older_than / _DAY:g} days"
        if not _deleted_anything(report):
            print_line(
                f"Nothing was deleted: no run is older than {days}. "
                "The newest run of each destination is always kept."
            )
            continue
        print_line(
            f"Deleted what is older than {days}: {report.runs} runs with "
            f"{report.batches} batches and {report.outcomes} outcomes, "
            f"{report.changes} changes older than keep_changes says, and "
            f"{report.quota_minutes} minutes of request counts. "
            f"It took {duration(report.seconds)}."
        )


def _deleted_anything(report: PruneReport) -> bool:
    of_runs = report.runs + report.batches + report.outcomes
    return of_runs + report.changes + report.quota_minutes > 0
