"""Counts of long windows (``ports.QuotaStore``).

Requests are reserved per minute, by the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.model.limits import REMEMBERED
from syncengine.storage.patience import DatabasePatience, patient
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("quota")
_SOON = 0.01


class QuotaCounts:
    """The quotas of one account."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._caught_up: set[str] = set()

    @property
    def patience(self) -> DatabasePatience:
        return self._fence.patience

    @patient
    async def reserve(
        self, quota: str, windows: Sequence[tuple[int, float]], wanted: int
    ) -> tuple[int, float]:
        account = self._fence.account
        granted, frees_in = wanted, 0.0
        async with self._fence.writing(sending=True) as connection:
            await connection.execute(_SQL["lock"], account, quota)
            if quota not in self._caught_up:
                await connection.execute(_SQL["catch_up"], account, quota, REMEMBERED)
            for calls, per in windows:
                row = await connection.fetchrow(
                    _SQL["spent"], account, quota, per, calls
                )
                assert row is not None
                left = calls - row["spent"]
                granted = min(granted, left)
                if left <= 0:
                    frees_in = max(frees_in, row["frees_in"] or 0.0, _SOON)
            if granted > 0:
                await connection.execute(_SQL["reserve"], account, quota, granted)
                longest = max(per for _, per in windows)
                await connection.execute(
                    _SQL["forget"], account, quota, max(longest + 120.0, REMEMBERED)
                )
        self._caught_up.add(quota)
        return (granted, 0.0) if granted > 0 else (0, frees_in)
