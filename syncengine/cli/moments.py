"""Moments as people type them: a date, a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from syncengine.errors import ConfigError, Problem

_AGO = re.compile(r"(\d{1,6})(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(option: str, text: str, now: datetime | None = None) -> datetime:
    """Return the moment that an option's value means.

    ``36h`` is so long before ``now``; ``2026-11-01`` and ``2026-11-01T02:30`` are in
    the time zone of whoever types them, unless they say another. Raises ConfigError.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            passed = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return (now or datetime.now(UTC)) - passed
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        what = (
            "is a date or a time, such as 2026-11-01 or 2026-11-01T02:30, or how long "
            "ago, such as 90m, 36h or 7d"
        )
        raise ConfigError([Problem(option, what)]) from None
