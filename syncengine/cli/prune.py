"""``syncengine prune``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from syncengine import app
from syncengine.cli.execution import execute
from syncengine.cli.options import Flag, FormatOption
from syncengine.cli.rendering.pruned import print_pruned
from syncengine.config.project import Config
from syncengine.model.reports import Progress, PruneReport


def prune(
    *, older_than: str | None = None, format_: FormatOption = None, json: Flag = False
) -> int:
    """Delete old runs from the state; other runs may be under way meanwhile.

    What runs changed at contacts is deleted once it is older than the setting
    keep_changes says.

    Parameters
    ----------
    older_than
        Delete runs that ended longer ago than this, such as 90d. Default: the setting
        keep_outcomes.
    json
        Print one JSON object.
    """

    async def work(
        config: Config, _progress: Progress, stop: asyncio.Event
    ) -> Sequence[PruneReport]:
        return [await app.prune(config, older_than=older_than, stop=stop)]

    return execute(work, print_pruned, json=json, format_=format_)
