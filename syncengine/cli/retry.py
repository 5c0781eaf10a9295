"""``syncengine retry``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from syncengine import app
from syncengine.cli.execution import execute
from syncengine.cli.options import Destinations, Flag, Names
from syncengine.cli.rendering.runs import print_runs
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.reports import Progress, RunReport


def retry(
    run_id: int | None = None,
    /,
    *,
    dead: Flag = False,
    destination: Destinations = (),
    code: str | None = None,
    batch: int | None = None,
    accept: Names = (),
    json: Flag = False,
) -> int:
    """Try again, with fresh values, what failed in an earlier run, or all dead letters.

    Parameters
    ----------
    run_id
        The earlier run's number, as its report shows it.
    dead
        Instead of a run's contacts, all dead letters: contacts that the vendor refused
        three times and that are left alone since.
    destination
        With --dead: only those of this destination; may be repeated.
    code
        With --dead: only those refused with this code.
    batch
        Only this batch of the earlier run.
    accept
        A brake or a changed setting, by the name that the refusal gives: let it pass in
        this run. May be repeated.
    json
        Print one JSON object for each destination.
    """
    problem = _misuse(run_id, batch, code, destination, dead=dead)
    if problem is not None:
        raise ConfigError([problem])
    request = app.RunRequest(
        retry_of=run_id,
        batch=batch,
        dead=dead,
        code=code,
        accept=frozenset(accept),
    )

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[RunReport]]:
        return app.run(config, destination, request, progress=progress, stop=stop)

    return execute(work, print_runs, json=json)


def _misuse(
    run_id: int | None,
    batch: int | None,
    code: str | None,
    destination: Sequence[str],
    *,
    dead: bool,
) -> Problem | None:
    """Return what is wrong with a combination of options, if anything is."""
    if dead:
        if run_id is None and batch is None:
            return None
        return Problem(
            "retry --dead",
            "tries dead letters of all runs: leave out the run's number and --batch",
        )
    if code is not None or destination:
        return Problem(
            "retry", "-d and --code choose among dead letters: say --dead too"
        )
    if run_id is None:
        return Problem(
            "retry",
            "name the run (`syncengine retry 12`), or say --dead for all dead letters",
        )
    return None
