"""``syncengine run`` and ``syncengine retry``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli import exits
from syncengine.cli.root import AtLeastOne, app, options
from syncengine.cli.tables import print_json, print_runs
from syncengine.cli.terminal import Bars, Stopped, err, run_stoppable
from syncengine.model.reports import RunReport, Silent


@app.command
def run(
    *,
    destination: Annotated[tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")] = (),
    backfill: Annotated[bool, Parameter(negative="")] = False,
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
    limit
        At most so many contacts.
    contact
        Only this contact (send yourself first); may be repeated.
    accept
        A brake, or a remembered setting that changed, to let pass this once; may be repeated.
    json
        One JSON object a destination.
    """
    request = engine.Request(backfill=backfill, limit=limit, contacts=contact, accept=frozenset(accept))
    return carry_out(destination, request, json=json)


@app.command
def retry(
    run_id: int,
    /,
    *,
    batch: int | None = None,
    accept: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run again exactly the contacts that did not make it in a former run, with fresh values.

    Parameters
    ----------
    run_id
        The former run's number.
    batch
        Only this batch of it.
    accept
        A brake, or a remembered setting that changed, to let pass this once; may be repeated.
    json
        One JSON object a destination.
    """
    return carry_out((), engine.Request(retry_of=run_id, batch=batch, accept=frozenset(accept)), json=json)


def carry_out(destinations: Sequence[str], request: engine.Request, *, json: bool) -> int:
    """Run, show the reports, and tell the exit code."""
    config = options.load()
    stopped = Stopped()

    async def work(stop: asyncio.Event) -> list[RunReport]:
        if not options.progress or not err.is_terminal:
            return await engine.run(config, destinations, request, progress=Silent(), stop=stop)
        with Bars() as bars:
            return await engine.run(config, destinations, request, progress=bars, stop=stop)

    reports = run_stoppable(work, stopped)
    if reports is None:
        return stopped.exit_code or 1
    if json:
        print_json(reports)
    else:
        print_runs(reports)
    code = exits.worst(report.exit_code for report in reports)
    return stopped.exit_code if stopped.exit_code is not None and code in (0, 1) else code
