"""``syncengine adopt``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.carry import carry_out
from syncengine.cli.root import AtLeastOne
from syncengine.cli.tables_of_copies import print_adopted
from syncengine.config.project import Config
from syncengine.model.copies import AdoptReport
from syncengine.model.reports import Progress


def adopt(
    *,
    destination: Annotated[
        tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
    ] = (),
    limit: AtLeastOne | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Find out which of the source's contacts an account holds already; creates and changes nothing there.

    Parameters
    ----------
    destination
        Only this one; may be repeated.
    limit
        At most so many contacts.
    json
        One JSON object a destination.
    """

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[AdoptReport]]:
        return engine.adopt(
            config, destination, limit=limit, progress=progress, stop=stop
        )

    return carry_out(work, print_adopted, json=json)
