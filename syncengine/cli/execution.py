"""Execution of verbs that take their time.

They show progress in a terminal, can be stopped by signals, and end with reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from syncengine.cli import exits
from syncengine.cli.engine import logging_events
from syncengine.cli.options import Format, chosen_format, options
from syncengine.cli.progress import shown_progress
from syncengine.cli.rendering.rows import print_reports as print_in_form
from syncengine.cli.signals import ReceivedSignal, run_stoppable
from syncengine.config.project import Config
from syncengine.model.copies import AdoptReport, VerifyReport
from syncengine.model.reports import Progress, PruneReport, RunReport

# Constrained, not bound: all reports of one call are of the same class.
R = TypeVar("R", AdoptReport, PruneReport, RunReport, VerifyReport)


def execute(
    work: Callable[[Config, Progress, asyncio.Event], Awaitable[Sequence[R]]],
    print_reports: Callable[[Sequence[R]], None],
    *,
    json: bool,
    format_: Format | None = None,
) -> int:
    """Do the work, print its reports in this form, and return the exit code.

    The work is given the configuration, the progress to report to, and an event that is
    set when it is to stop. Raises ConfigError, RunRefused.
    """
    chosen = chosen_format(format_, json=json)
    config = options.load()
    received = ReceivedSignal()

    async def work_with_progress(stop: asyncio.Event) -> Sequence[R]:
        with shown_progress() as progress:
            return await work(config, progress, stop)

    # The reports are printed within the block: at its end it may wait for a collector.
    with logging_events():
        reports = run_stoppable(work_with_progress, received)
        if reports is None:
            return received.exit_code or 1
        print_in_form(reports, chosen, print_reports)
    codes = [exits.exit_code(report) for report in reports]
    code = exits.worst(codes)
    # A refusal (2) or another run's lease (3) had nothing to do with the signal.
    if received.exit_code is not None and code in (exits.IN_STEP, exits.FELL_SHORT):
        return received.exit_code
    return code
