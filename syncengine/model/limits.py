"""A vendor's rate limit, as data."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_PACED = 600.0
"""Seconds. Requests under limits with longer windows are not spread evenly: that would
slow down every short run."""
REMEMBERED = 35 * 86400.0
"""Seconds for which the requests sent are remembered, by the minute: a limit may be
given a longer window later."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of ``calls`` requests in any window of ``per`` seconds.

    The window is that of the vendor's clock.
    """

    calls: int
    per: float
    method: str | None = None
    """Only requests of this HTTP method count; None: all do."""
