"""How long requests take under a vendor's limits."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.model.limits import Limit


def seconds(requests: int, limits: Sequence[Limit]) -> float:
    """The least time for so many requests: sent evenly under a limit, the first goes out at once."""
    return max(
        (max(0, requests - 1) * limit.per / limit.calls for limit in limits if limit.method is None), default=0.0
    )
