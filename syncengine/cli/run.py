"""``syncengine run`` and ``syncengine retry``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.carry import carry_out
from syncengine.cli.root import AtLeastOne
from syncengine.cli.tables import print_runs
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.reports import Progress, RunReport


def run(
    *,
    destination: Annotated[
        tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
    ] = (),
    backfill: Annotated[bool, Parameter(negative="")] = False,
    resync: Annotated[bool, Parameter(negative="")] = False,
    removed: Annotated[bool, Parameter(negative="")] = False,
    limit: AtLeastOne | None = None,
    contact: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    accept: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Bring the vendors' copies in step with the source.

    Parameters
    ----------
    destination
        Only this one; may be repeated.
    backfill
        Compare every contact field by field, not just those whose row changed.
    resync
        After a restore: believe nothing that is known of the contacts but their ids. They are
        read back where the vendor shows them, and sent whole where it does not.
    removed
        Only contacts that left the source in earlier runs: apply on_removed as it is now to them.
    limit
        At most so many contacts.
    contact
        Only this contact (send yourself first); may be repeated.
    accept
        A brake, or a remembered setting that changed, to let pass this once; may be repeated.
    json
        One JSON object a destination.
    """
    request = engine.RunRequest(
        backfill=backfill,
        resync=resync,
        removed=removed,
        limit=limit,
        contacts=contact,
        accept=frozenset(accept),
    )
    return _run(destination, request, json=json)


def retry(
    run_id: int | None = None,
    /,
    *,
    dead: Annotated[bool, Parameter(negative="")] = False,
    destination: Annotated[
        tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
    ] = (),
    code: str | None = None,
    batch: int | None = None,
    accept: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Try again, with fresh values: what did not make it in a former run, or all dead letters.

    Parameters
    ----------
    run_id
        The former run's number.
    dead
        Instead of a run's contacts, all that are left alone since they were refused.
    destination
        With --dead: only those of this destination; may be repeated.
    code
        With --dead: only those that were refused with this code.
    batch
        Only this batch of the former run.
    accept
        A brake, or a remembered setting that changed, to let pass this once; may be repeated.
    json
        One JSON object a destination.
    """
    problems = list(_misused(run_id, batch, code, destination, dead=dead))
    if problems:
        raise ConfigError(problems)
    request = engine.RunRequest(
        retry_of=run_id,
        batch=batch,
        dead=dead,
        code=code,
        accept=frozenset(accept),
    )
    return _run(destination, request, json=json)


def _misused(
    run_id: int | None,
    batch: int | None,
    code: str | None,
    destination: Sequence[str],
    *,
    dead: bool,
) -> Iterator[Problem]:
    if dead and (run_id is not None or batch is not None):
        what = "tries dead letters of all runs: leave out the run's number and --batch"
        yield Problem("retry --dead", what)
    elif not dead and (code is not None or destination):
        what = "-d and --code choose among dead letters: say --dead too"
        yield Problem("retry", what)
    elif not dead and run_id is None:
        what = (
            "name the run (`syncengine retry 12`), or say --dead for all dead letters"
        )
        yield Problem("retry", what)


def _run(destinations: Sequence[str], request: engine.RunRequest, *, json: bool) -> int:
    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[RunReport]]:
        return engine.run(config, destinations, request, progress=progress, stop=stop)

    return carry_out(work, print_runs, json=json)
