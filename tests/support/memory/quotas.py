"""Counts of long windows in memory (``ports.QuotaStore``).

The counterpart of ``storage.state.quota`` and its SQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tests.support.memory.database import Hop, at_once


class Quotas:
    """The quotas of one account. ``clock`` is the database's own, in seconds."""

    def __init__(self, clock: Callable[[], float], hop: Hop = at_once) -> None:
        self._clock = clock
        self._hop = hop
        self._reserved: Counter[tuple[str, int]] = Counter()
        self.asked = 0
        """Number of calls so far."""

    def reserved(self, quota: str) -> list[int]:
        """Return the numbers that were reserved, by the minute."""
        return [count for (name, _), count in self._reserved.items() if name == quota]

    async def reserve(
        self,
        quota: str,
        windows: Sequence[tuple[int, float]],
        wanted: int,
        least: int = 1,
    ) -> tuple[int, float]:
        self.asked += 1
        await self._hop("reserve quota: asked")
        now, granted, frees_in = self._clock(), wanted, 0.0
        for calls, per in windows:
            counts = sorted(
                (minute * 60.0, count)
                for (name, minute), count in self._reserved.items()
                if name == quota and minute * 60.0 > now - per - 60.0
            )
            left = calls - sum(count for _, count in counts)
            granted = min(granted, left)
            if left < least:
                bound = calls - least + 1
                frees_in = max(frees_in, _frees(counts, bound) + per + 60.0 - now, 0.01)
        if granted >= least:
            self._reserved[quota, int(now // 60.0)] += granted
        await self._hop("reserve quota: committed")
        return (granted, 0.0) if granted >= least else (0, frees_in)


def _frees(counts: Sequence[tuple[float, int]], calls: int) -> float:
    """Return the minute after whose end fewer than ``calls`` count any more."""
    left = sum(count for _, count in counts)
    for minute, count in counts:
        left -= count
        if left < calls:
            return minute
    return counts[-1][0]
