"""Record the requests that a twin was sent. Pure: the time is an argument.

Tests and benchmarks read here how many requests a run has cost, and whether it kept to
the limits. Nothing personal is recorded: some vendors have phones and e-mail addresses
in their paths, and ``impersonal`` takes them out.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from syncengine.model.http import Json
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit

_KEPT_ENTRIES = 10_000
"""Requests kept one by one; the counts cover all."""
_PERSONAL = re.compile(
    r"""(?xi)
      (?<=phone:)[^/]+              # what follows "phone:" in an identifier
    | (?<=phone%3a)[^/]+
    | [^/:]*(?:@|%40)[^/]*          # an e-mail address
    | (?:\+|%2b)\d[^/]*             # a phone with its country code
    """
)
_ONE_MINUTE = TwinLimit(calls=1, per=60.0)
"""The window that is reported where no limit is in force."""


@dataclass(slots=True)
class Entry:
    """One request."""

    at: float
    """Time of its arrival, in seconds since 1970."""
    method: str
    path: str
    """Without the phones and addresses that some vendors know contacts by."""
    route: str
    """The method and the path's pattern, such as ``PUT /contact/{id}``."""
    status: int | None = None
    """None while it is being answered, 0 when the connection was dropped instead."""
    fault: str | None = None
    """The kind of fault that it met, if any."""
    contacts: int = 0
    """The number of contacts of a batch; 0: the request is none."""


def impersonal(path: str) -> str:
    """Return a path without the phone numbers and e-mail addresses in it.

    They may be percent-encoded or not.
    """
    return _PERSONAL.sub("[...]", path)


class Journal:
    """Counts every request and keeps the last ten thousand."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every request."""
        self._total = 0
        self._routes: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._minutes: Counter[int] = Counter()
        # Eight bytes each: a benchmark sends millions.
        self._times = array("d")
        self._log: deque[Entry] = deque(maxlen=_KEPT_ENTRIES)

    @property
    def total(self) -> int:
        return self._total

    @property
    def log(self) -> Iterable[Entry]:
        """The latest requests, oldest first."""
        return tuple(self._log)

    def arrived(self, entry: Entry) -> None:
        """Record a request on its arrival."""
        self._total += 1
        self._routes[entry.route] += 1
        self._minutes[int(entry.at // 60)] += 1
        self._times.append(entry.at)
        self._log.append(entry)

    def answered(self, entry: Entry, status: int) -> None:
        """Record the answer to a request; status 0: its connection was dropped."""
        entry.status = status
        self._statuses["dropped" if status == 0 else str(status)] += 1

    def since(self, at: float) -> list[Entry]:
        """Return the kept requests that arrived after a moment, oldest first."""
        return [entry for entry in self._log if entry.at > at]

    def report(self, limiter: Limiter, per: float | None = None) -> dict[str, Json]:
        """Return what was sent, in numbers.

        ``refused`` counts the answers 429. ``worst_window`` has an entry for each limit
        in force, with its fullest window; where none is in force, for one minute. With
        ``per`` seconds it has one more, for sliding windows of that length, and
        ``per_window`` counts the requests of each such stretch of time.
        """
        limits = list(limiter.limits) or [_ONE_MINUTE]
        if per:
            limits.append(TwinLimit(calls=1, per=per))
        report: dict[str, Json] = {
            "total": self._total,
            "by_route": dict(self._routes),
            "by_status": dict(self._statuses),
            "refused": self._statuses["429"],
            "per_minute": _by_time(self._minutes, 60.0, "minute"),
            "worst_window": [_fullest_window(limiter, limit) for limit in limits],
            "log": list(self._log),
        }
        if per:
            windows = Counter(int(at // per) for at in self._times)
            report["per_window"] = _by_time(windows, per, "start")
        return report


def _fullest_window(limiter: Limiter, limit: TwinLimit) -> dict[str, Json]:
    """Return a limit with the number of requests in its fullest window (``worst``)."""
    # A window that is no limit in force allows no particular number of calls.
    calls = limit.calls if limit in limiter.limits else None
    worst = limiter.worst(limit).calls
    return {**asdict(limit), "calls": calls, "worst": worst}


def _by_time(
    requests_by_window: Mapping[int, int], per: float, start: str
) -> list[dict[str, Json]]:
    """Return the requests of each window, under its start (named ``start``)."""
    return [
        {start: _iso(number * per), "requests": requests}
        for number, requests in sorted(requests_by_window.items())
    ]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
