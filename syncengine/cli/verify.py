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
from syncengine.config import Config
from syncengine.model.copies import VerifyReport
from syncengine.model.reports import Progress


def verify(
    *,
    destination: Annotated[tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")] = (),
    sample: AtLeastOne | None = None,
    repair: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Read contacts back from the vendors, and tell where they are not as the last sync left them.

    Parameters
    ----------
    destination
        Only this one; may be repeated.
    sample
        Only so many contacts, drawn by chance.
    repair
        Let the next run mend what drifted.
    json
        One JSON object a destination.
    """

    def work(config: Config, progress: Progress, stop: asyncio.Event) -> Awaitable[Sequence[VerifyReport]]:
        return engine.verify(config, destination, sample=sample, repair=repair, progress=progress, stop=stop)

    return carry_out(work, print_verified, json=json)
