"""A vendor's rate limit, as data."""

from __future__ import annotations

from dataclasses import dataclass

REMEMBERED = 35 * 86400.0
"""Seconds for which it is known at least what was sent, by the minute: a limit may be given a longer window one day."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` requests in any window of ``per`` seconds of the vendor's clock."""

    calls: int
    per: float
    method: str | None = None
    """Only requests of this HTTP method count; None: all do."""
