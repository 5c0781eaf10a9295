"""Execution of verbs that take their time.

Progress in a terminal, signals that stop them, reports, exit code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from syncengine.cli import exits
from syncengine.cli.root import options
from syncengine.cli.tables import print_json
from syncengine.cli.terminal import Bars, Stopped, err, run_stoppable
from syncengine.config.project import Config
from syncengine.model.copies import AdoptReport, VerifyReport
from syncengine.model.reports import NoProgress, Progress, PruneReport, RunReport

R = TypeVar("R", AdoptReport, PruneReport, RunReport, VerifyReport)


def carry_out(
    work: Callable[[Config, Progress, asyncio.Event], Awaitable[Sequence[R]]],
    show: Callable[[Sequence[R]], None],
    *,
    json: bool,
) -> int:
    """Do the work, show its reports, and return the exit code.

    Raises ConfigError, RunRefused.
    """
    config = options.load()
    stopped = Stopped()

    async def watched(stop: asyncio.Event) -> Sequence[R]:
        if not options.progress or not err.is_terminal:
            return await work(config, NoProgress(), stop)
        with Bars() as bars:
            return await work(config, bars, stop)

    reports = run_stoppable(watched, stopped)
    if reports is None:
        return stopped.exit_code or 1
    if json:
        print_json(reports)
    else:
        show(reports)
    code = exits.worst(map(exits.exit_code, reports))
    return (
        stopped.exit_code if stopped.exit_code is not None and code in (0, 1) else code
    )
