"""``syncengine retry``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from syncengine.app.project import Project
from syncengine.cli.execution import execute
from syncengine.cli.moments import moment
from syncengine.cli.options import AtLeastOne, Destinations, Flag, FormatOption, Names
from syncengine.cli.rendering.runs import print_runs
from syncengine.config.project import Config
from syncengine.model.reports import Progress, RunReport


def retry(
    run_id: AtLeastOne | None = None,
    /,
    *,
    dead: Flag = False,
    destination: Destinations = (),
    code: str | None = None,
    since: str | None = None,
    batch: AtLeastOne | None = None,
    accept: Names = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Try again, with fresh values, what failed in an earlier run, or all dead letters.

    Parameters
    ----------
    run_id
        The earlier run's number, as its report shows it.
    dead
        Instead of a run's contacts, all dead letters: contacts that were rejected
        three times with the same row, and that runs leave alone since.
    destination
        With --dead: only those of this destination; may be repeated.
    code
        With --dead: only those rejected with this code.
    since
        With --dead: only those that were last tried, and rejected, in a run since then:
        a date or time (2026-11-01), or how long ago (36h).
    batch
        Only this batch of the earlier run.
    accept
        A brake or a changed setting, by the name that the refusal gives: let it pass in
        this run. May be repeated.
    json
        Print one JSON object for each destination.
    """
    last_tried_since = None if since is None else moment("--since", since)

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[RunReport]]:
        return Project(config).aretry(
            run_id,
            batch=batch,
            dead=dead,
            code=code,
            since=last_tried_since,
            destinations=destination,
            accept=accept,
            progress=progress,
            stop=stop,
        )

    return execute(work, print_runs, json=json, format_=format_)
