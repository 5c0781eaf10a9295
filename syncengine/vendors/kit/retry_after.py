"""Read the ``Retry-After`` header (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that the vendor asks for, in seconds; None when there is none.

    A header in no known form counts as none. A date counts from the answer's own
    ``Date``: adapters have no clock, and the vendor's would not be ours.
    """
    asked = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked):
        seconds = float(asked)
        return seconds if math.isfinite(seconds) else None
    until, now = _date(asked), _date(headers.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _date(written: str) -> dt.datetime | None:
    try:
        date = parsedate_to_datetime(written.strip())
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=dt.UTC)
