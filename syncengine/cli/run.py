"""``syncengine run`` and ``syncengine retry``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.carry import carry_out
from syncengine.cli.root import AtLeastOne
from syncengine.cli.tables import print_runs
from syncengine.config import Config
from syncengine.model.reports import Progress, RunReport


def run(
    *,
    destination: Annotated[tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")] = (),
    backfill: Annotated[bool, Parameter(negative="")] = False,
    resync: Annotated[bool, Parameter(negative="")] = False,
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
    limit
        At most so many contacts.
    contact
        Only this contact (send yourself first); may be repeated.
    accept
        A brake, or a remembered setting that changed, to let pass this once; may be repeated.
    json
        One JSON object a destination.
    """
    request = engine.Request(backfill=backfill, resync=resync, limit=limit, contacts=contact, accept=frozenset(accept))
    return _run(destination, request, json=json)


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
    return _run((), engine.Request(retry_of=run_id, batch=batch, accept=frozenset(accept)), json=json)


def _run(destinations: Sequence[str], request: engine.Request, *, json: bool) -> int:
    def work(config: Config, progress: Progress, stop: asyncio.Event) -> Awaitable[Sequence[RunReport]]:
        return engine.run(config, destinations, request, progress=progress, stop=stop)

    return carry_out(work, print_runs, json=json)
