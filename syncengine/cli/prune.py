"""``syncengine prune``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.carry import carry_out
from syncengine.cli.tables import print_pruned
from syncengine.config.project import Config
from syncengine.model.reports import Progress, PruneReport


def prune(
    *,
    older_than: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Delete old runs with their batches and outcomes; runs may be under way meanwhile.

    Parameters
    ----------
    older_than
        Runs that ended longer ago than this, such as 90d; default: the setting keep_outcomes.
    json
        One JSON object.
    """

    async def work(
        config: Config, _progress: Progress, stop: asyncio.Event
    ) -> Sequence[PruneReport]:
        return [await engine.prune(config, older_than=older_than, stop=stop)]

    return carry_out(work, print_pruned, json=json)
