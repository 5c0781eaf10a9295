"""The requests that a twin was sent. Pure: the time is an argument."""

from __future__ import annotations

import re
from array import array
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from syncengine.model.http import Json
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit

_KEPT = 10_000
_PERSONAL = re.compile(
    r"(?i)(?<=phone:)[^/]+|(?<=phone%3a)[^/]+|[^/:]*(?:@|%40)[^/]*|(?:\+|%2b)\d[^/]*"
)
_MINUTE = TwinLimit(calls=1, per=60.0)


@dataclass(slots=True)
class Entry:
    """One request; ``status`` is None while it is being answered, 0 when the connection was dropped instead."""

    at: float
    method: str
    path: str
    """Without the phones and addresses that some vendors know contacts by."""
    route: str
    status: int | None = None
    fault: str | None = None


def impersonal(path: str) -> str:
    """A path without the phone numbers and e-mail addresses in it, percent-encoded or not."""
    return _PERSONAL.sub("[...]", path)


class Journal:
    """Counts every request and keeps the last ten thousand."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._total = 0
        self._routes: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._minutes: Counter[int] = Counter()
        self._times = array("d")
        self._log: deque[Entry] = deque(maxlen=_KEPT)

    @property
    def total(self) -> int:
        return self._total

    @property
    def log(self) -> Iterable[Entry]:
        """The latest requests, oldest first."""
        return tuple(self._log)

    def arrived(self, entry: Entry) -> None:
        self._total += 1
        self._routes[entry.route] += 1
        self._minutes[int(entry.at // 60)] += 1
        self._times.append(entry.at)
        self._log.append(entry)

    def answered(self, entry: Entry, status: int) -> None:
        entry.status = status
        self._statuses["dropped" if status == 0 else str(status)] += 1

    def since(self, at: float) -> list[Entry]:
        """The kept requests that arrived after a moment, oldest first."""
        return [entry for entry in self._log if entry.at > at]

    def report(self, limiter: Limiter, per: float | None = None) -> dict[str, Json]:
        """``refused`` counts the answers 429; ``worst_window`` is each limit's fullest, else a minute's.

        With ``per`` seconds it also tells ``per_window``, and the fullest sliding window of that length.
        """
        told: dict[str, Json] = {
            "total": self._total,
            "by_route": dict(self._routes),
            "by_status": dict(self._statuses),
            "refused": self._statuses["429"],
            "per_minute": [
                {"minute": _iso(minute * 60), "requests": requests}
                for minute, requests in sorted(self._minutes.items())
            ],
            "worst_window": [
                {
                    **asdict(limit),
                    "calls": limit.calls if limit in limiter.limits else None,
                    "worst": worst.calls,
                }
                for limit in (
                    *(limiter.limits or (_MINUTE,)),
                    *([TwinLimit(1, per)] if per else []),
                )
                for worst in (limiter.worst(limit),)
            ],
            "log": list(self._log),
        }
        if per:
            windows = Counter(int(at // per) for at in self._times)
            told["per_window"] = [
                {"start": _iso(number * per), "requests": requests}
                for number, requests in sorted(windows.items())
            ]
        return told


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
