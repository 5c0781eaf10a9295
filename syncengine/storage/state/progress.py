"""Progress of a run, as the run writes it itself while it is under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson

from syncengine.model.progress import MOST_CODES, RunMinute, RunSnapshot
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("progress")


class ProgressStore:
    """Writes the progress of one run. It never waits for a database that is away."""

    def __init__(self, fence: Fence, run_id: int) -> None:
        self._fence = fence
        self._run_id = run_id

    async def write(
        self, snapshot: RunSnapshot, minutes: Sequence[RunMinute]
    ) -> datetime | None:
        """Write the progress and what happened in these minutes.

        Returns the database's time; None where the run is over. Raises StorageError,
        LeaseLost.
        """
        # Not ``sending``: nothing is announced, and what happened may be written as
        # long as no other run took over.
        async with self._fence.writing() as connection:
            stored = orjson.dumps(snapshot.public()).decode()
            now: datetime | None = await connection.fetchval(
                _SQL["write"], self._run_id, stored
            )
            if now is not None and minutes:
                await connection.execute(
                    _SQL["write_minutes"],
                    self._run_id,
                    [each.begins_at for each in minutes],
                    [each.requests for each in minutes],
                    [each.throttled for each in minutes],
                    [orjson.dumps(each.outcomes).decode() for each in minutes],
                    [_most_frequent(each.codes) for each in minutes],
                )
        return now


def _most_frequent(codes: Mapping[str, int]) -> str:
    return orjson.dumps(dict(Counter(codes).most_common(MOST_CODES))).decode()
