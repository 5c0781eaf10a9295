"""``syncengine adopt``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from syncengine import app
from syncengine.cli.execution import execute
from syncengine.cli.options import AtLeastOne, Destinations, Flag, FormatOption
from syncengine.cli.rendering.adopted import print_adopted
from syncengine.config.project import Config
from syncengine.model.copies import AdoptReport
from syncengine.model.reports import Progress


def adopt(
    *,
    destination: Destinations = (),
    limit: AtLeastOne | None = None,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Link the source's contacts to those that exist at the vendor; changes none there.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    limit
        Look up at most this many contacts.
    json
        Print one JSON object for each destination.
    """

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[AdoptReport]]:
        return app.adopt(config, destination, limit=limit, progress=progress, stop=stop)

    return execute(work, print_adopted, json=json, format_=format_)
