"""``syncengine verify``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.carry import carry_out
from syncengine.cli.root import AtLeastOne
from syncengine.cli.tables_of_copies import print_verified
from syncengine.config.project import Config
from syncengine.model.copies import VerifyReport
from syncengine.model.reports import Progress


def verify(
    *,
    destination: Annotated[
        tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
    ] = (),
    sample: AtLeastOne | None = None,
    contact: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    repair: Annotated[bool, Parameter(negative="")] = False,
    field: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    recreate: Annotated[bool, Parameter(negative="")] = False,
    accept: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Read contacts back from the vendors, and tell where they are not as the last sync left them.

    Parameters
    ----------
    destination
        Only this one; may be repeated.
    sample
        Only so many contacts, drawn by chance.
    contact
        Only this contact; may be repeated.
    repair
        Let the next run mend what drifted, but for opt-outs, and contacts that are gone there.
    field
        With --repair: only this field ("tags": only the tags); may be repeated.
    recreate
        With --repair: create again the contacts that were deleted there.
    accept
        With --repair: a brake to let pass this once; may be repeated.
    json
        One JSON object a destination.
    """

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[VerifyReport]]:
        return engine.verify(
            config,
            destination,
            sample=sample,
            contacts=contact,
            repair=repair,
            fields=field,
            recreate=recreate,
            accept=accept,
            progress=progress,
            stop=stop,
        )

    return carry_out(work, print_verified, json=json)
