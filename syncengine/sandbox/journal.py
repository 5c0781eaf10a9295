"""What a twin was sent. Pure: the time is an argument."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from syncengine.model.http import Json
from syncengine.sandbox.limiter import Limit, Limiter

_KEPT = 10_000
_MINUTE = Limit(calls=1, per=60.0)


@dataclass(slots=True)
class Entry:
    """One request; ``status`` is None while it is being answered, 0 when the connection was dropped instead."""

    at: float
    method: str
    path: str
    route: str
    status: int | None = None
    fault: str | None = None


class Journal:
    """Counts every request and keeps the last ten thousand."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._total = 0
        self._routes: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._minutes: Counter[int] = Counter()
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
        self._log.append(entry)

    def answered(self, entry: Entry, status: int) -> None:
        entry.status = status
        self._statuses["dropped" if status == 0 else str(status)] += 1

    def report(self, limiter: Limiter) -> dict[str, Json]:
        """``refused`` counts the answers 429; ``worst_window`` is each limit's fullest, else a minute's."""
        return {
            "total": self._total,
            "by_route": dict(self._routes),
            "by_status": dict(self._statuses),
            "refused": self._statuses["429"],
            "per_minute": [
                {"minute": datetime.fromtimestamp(minute * 60, UTC).isoformat(), "requests": requests}
                for minute, requests in sorted(self._minutes.items())
            ],
            "worst_window": [
                {**asdict(limit), "calls": limit.calls if limit in limiter.limits else None, "worst": worst.calls}
                for limit in limiter.limits or (_MINUTE,)
                for worst in (limiter.worst(limit),)
            ],
            "log": [asdict(entry) for entry in self._log],
        }
