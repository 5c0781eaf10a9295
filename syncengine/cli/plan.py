"""``syncengine plan``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.root import AtLeastOne, options
from syncengine.cli.tables import print_json, print_plans


def plan(
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
    """Show what a run would send, and how long it would take; sends nothing.

    Parameters
    ----------
    destination
        Only this one; may be repeated.
    backfill
        Compare every contact field by field.
    resync
        Forecast of a run that believes nothing that is known of the contacts but their ids.
    removed
        Forecast of a run that applies on_removed to contacts that left the source earlier.
    limit
        At most so many contacts.
    contact
        Only this contact; may be repeated.
    accept
        A brake to let pass; may be repeated.
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
    reports = asyncio.run(engine.plan(options.load(), destination, request))
    if json:
        print_json(reports)
    else:
        print_plans(reports)
    return 2 if any(report.error or report.brake for report in reports) else 0
