"""Counts of long windows (``ports.QuotaStore``).

Requests, or the items that they carry, are reserved per minute, by the database's
clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.model.limits import REMEMBERED
from syncengine.storage.connect import Pool
from syncengine.storage.patience import patient
from syncengine.storage.state.access import read_state
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.statements import statements

_SQL = statements("quota")
_SOON = 0.01
"""Shortest wait in seconds: with none, the caller would ask again at once."""


async def used_requests(
    pool: Pool, account: str, quota: str, window: float
) -> tuple[tuple[float, int], ...]:
    """Return the requests that count in a window that ends now; writes nothing.

    They are pairs: so many seconds ago, so many requests. Raises StorageError.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["used"], account, quota, window)
    return tuple((row["age"], row["requests"]) for row in rows)


class QuotaCounts(FencedStore):
    """The quotas of one account."""

    def __init__(self, fence: Fence) -> None:
        super().__init__(fence)
        self._caught_up: set[str] = set()
        """Names of quotas for which requests of earlier runs were counted."""

    @patient
    async def reserve(
        self,
        quota: str,
        windows: Sequence[tuple[int, float]],
        wanted: int,
        least: int = 1,
    ) -> tuple[int, float]:
        """Reserve up to ``wanted`` requests in every window, ``least`` or none at all.

        ``windows`` are pairs: the requests that are allowed in so many seconds. Returns
        the number of requests that were reserved and, if that is 0, the seconds after
        which to ask again.
        """
        account = self._fence.account
        granted = wanted
        frees_in = 0.0
        # Committed before any of the requests is sent. After a crash they count as
        # sent, which is safe; and so do those that are reserved a second time, since
        # the answer to the first commit was lost.
        async with self._fence.writing(sending=True) as connection:
            # The lease does not suffice here: this run reserves for many requests at
            # once, and each reservation counts those before it.
            await connection.execute(_SQL["lock"], account, quota)
            if quota not in self._caught_up:
                await connection.execute(_SQL["catch_up"], account, quota, REMEMBERED)
            for calls, per in windows:
                # There is room for the fewest wanted once less than this is spent.
                bound = calls - least + 1
                row = await connection.fetchrow(
                    _SQL["spent"], account, quota, per, bound
                )
                assert row is not None
                calls_left = calls - row["spent"]
                granted = min(granted, calls_left)
                if calls_left < least:
                    frees_in = max(frees_in, row["frees_in"] or 0.0, _SOON)
            # Fewer would be of no use to a request that carries more, and would be
            # lost with their block.
            if granted >= least:
                await connection.execute(_SQL["reserve"], account, quota, granted)
                # Minutes are kept for two minutes more than the longest window needs,
                # since a count may fall into the window with a whole minute.
                longest = max(per for _, per in windows)
                kept_for = max(longest + 120.0, REMEMBERED)
                await connection.execute(_SQL["forget"], account, quota, kept_for)
        # Only after the commit: else the requests of former runs would not count.
        self._caught_up.add(quota)
        if granted >= least:
            return granted, 0.0
        return 0, frees_in
