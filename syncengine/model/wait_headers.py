"""Read the waits that vendors write into headers: seconds from now, or a moment.

``Retry-After`` and the many ``X-RateLimit-Reset`` headers say when requests are
accepted again. Some vendors write seconds (``30``), some a moment: as a date, or in
seconds or milliseconds since 1970. The size of a number tells which it is.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)
_A_MOMENT = 1e8
"""Smallest number of seconds since 1970: as a wait it would be years."""
_IN_MILLISECONDS = 1e11
"""Smallest number of milliseconds since 1970."""


def seconds_from_now(written: str, headers: Mapping[str, str]) -> float | None:
    """Return the seconds from the answer's own ``Date`` on, 0 for a moment in the past.

    ``written`` is the header's value, ``headers`` are all of the answer's. None for
    what cannot be read. Our clock is not the vendor's: a moment in an answer without a
    date says nothing.
    """
    text = written.strip()
    until: float | None
    if NUMBER.fullmatch(text):
        until = float(text)
        if until < _A_MOMENT:
            return until
        if until >= _IN_MILLISECONDS:
            until /= 1000
    else:
        until = _moment(text)
    now = _moment(headers.get("date", ""))
    if now is None or until is None:
        return None
    seconds = until - now
    if not math.isfinite(seconds):
        return None
    return max(0.0, seconds)


def _moment(written: str) -> float | None:
    """Return a date as seconds since 1970; None for what is none.

    Dates come by ISO 8601 or as HTTP writes them (RFC 9110). One without a zone is
    taken as UTC.
    """
    for parse in (dt.datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(written.strip())
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=dt.UTC)
            return moment.timestamp()
        except (ValueError, OverflowError, TypeError):
            continue
    return None
