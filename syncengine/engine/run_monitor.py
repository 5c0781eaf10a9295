"""Monitor of a run under way: what it has done so far, how fast, and until when.

It only counts. ``app.live_run`` asks it every few seconds, and shows and stores what it
says.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from syncengine.engine.pacing import Pacing
from syncengine.engine.tally import Tally
from syncengine.model.limits import Limit
from syncengine.model.progress import (
    MOST_CODES,
    RunMinute,
    RunSnapshot,
    RunWait,
    WaitReason,
)
from syncengine.planning.run_pace import (
    WINDOW,
    PaceSample,
    binding_limit,
    seconds_left,
)

_MINUTE = 60.0
_BETWEEN_SAMPLES = 2.0
"""Seconds between two samples of the pace, at least."""


class RunMonitor:
    """Counts of one run, by the event loop's clock and by the database's."""

    def __init__(
        self,
        pacing: Pacing,
        tally: Tally,
        is_database_away: Callable[[], bool] = lambda: False,
        *,
        counts_as: str = "",
    ) -> None:
        """Take the account's pacing and the run's tally, and count from now on.

        ``counts_as`` is what becomes of every contact in a run that has no outcomes,
        such as ``compared``.
        """
        self.done = 0
        """Contacts that are through."""
        self.total: int | None = None
        """Contacts of the run; None while they are still being found."""
        self.expected_requests: int | None = None
        """Requests of the whole run by its forecast; None where there is none."""
        self._pacing = pacing
        self._tally = tally
        self._is_database_away = is_database_away
        self._counts_as = counts_as
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        # This machine's clock has to do until the database's time is known.
        self._database_ahead = time.time() - self._began
        self._requests_before = pacing.requests
        self._throttled_before = pacing.throttled
        self._by_second: Counter[int] = Counter()
        """Requests of the last sixty seconds, by second of the loop's time."""
        self._methods: set[str] = set()
        self._samples: deque[PaceSample] = deque()
        self._minutes: dict[int, RunMinute] = {}
        """Minutes that are not over, or not stored yet, by their number."""
        self._stored_ends: Counter[str] = Counter()
        self._stored_codes: Counter[str] = Counter()
        self._stored_throttled = pacing.throttled

    def started(self, total: int) -> None:
        """Note the number of the run's contacts; sending begins."""
        self.total = total
        # Samples of the search for contacts, in which none was sent, would slow the
        # pace.
        self._samples.clear()
        self._sample()

    def advanced(self, contacts: int) -> None:
        """Note that so many more contacts are through."""
        self.done += contacts

    def requested(self, method: str) -> None:
        """Note a request of this moment (``Pacing.on_request``)."""
        now = self._loop.time()
        self._by_second[int(now)] += 1
        self._methods.add(method)
        self._minute_of(now).requests += 1

    def set_database_time(self, at: datetime) -> None:
        """Note the time of the database's clock now."""
        self._database_ahead = at.timestamp() - self._loop.time()

    def until_next_minute(self) -> float:
        """Return the seconds until the database's clock begins another minute."""
        return _MINUTE - self._database_time(self._loop.time()) % _MINUTE

    def snapshot(self) -> RunSnapshot:
        """Return the progress of the run at this moment."""
        now = self._loop.time()
        self._sample()
        self._close_counts()
        wait = self._waits()
        return RunSnapshot(
            at=datetime.fromtimestamp(self._database_time(now), UTC),
            seconds=now - self._began,
            done=self._done,
            total=self.total,
            outcomes=self._outcomes(),
            requests=self.requests,
            throttled=self._pacing.throttled - self._throttled_before,
            last_minute=self._last_minute(now),
            limit=self._binding_limit(),
            waiting=wait,
            seconds_left=self._seconds_left(wait),
            codes=dict(self._tally.codes.most_common(MOST_CODES)),
        )

    def minutes(self) -> Sequence[RunMinute]:
        """Return what happened in each minute that may not be stored yet."""
        self._close_counts()
        return list(self._minutes.values())

    def stored(self, minutes: Sequence[RunMinute]) -> None:
        """Forget those of the stored minutes that are over."""
        present = self._minute_number(self._loop.time())
        for each in minutes:
            # The present minute goes on: it is stored again, with all of its counts.
            if each.minute < present:
                self._minutes.pop(each.minute, None)

    @property
    def requests(self) -> int:
        """Return the number of requests that the run has sent."""
        return self._pacing.requests - self._requests_before

    @property
    def _done(self) -> int:
        """Return the contacts that are through, at most all of them.

        A contact that is created again, or waits since a former run, comes in addition.
        """
        return self.done if self.total is None else min(self.done, self.total)

    def _outcomes(self) -> dict[str, int]:
        if self._counts_as:
            return {self._counts_as: self._done}
        return self._tally.by_outcome()

    def _waits(self) -> RunWait | None:
        if self._is_database_away():
            return RunWait(WaitReason.DATABASE)
        return self._pacing.waits()

    def _seconds_left(self, wait: RunWait | None) -> float | None:
        if self.total is None:
            return None
        wait_seconds = 0.0
        if wait is not None:
            # Nobody knows when it ends, so nobody knows what comes behind it.
            if wait.seconds is None:
                return None
            wait_seconds = wait.seconds
        return seconds_left(
            self._samples,
            self.total,
            self._binding_limit(),
            wait=wait_seconds,
            expected_requests=self.expected_requests,
            items_a_request=self._items_a_request,
        )

    def _binding_limit(self) -> Limit | None:
        """Return the limit that allows the fewest requests, as the run sends them."""
        return binding_limit(self._pacing.limits, self._methods, self._items_a_request)

    @property
    def _items_a_request(self) -> float:
        """Return the items that a request of the account has carried, on average."""
        return self._pacing.items / max(1, self._pacing.requests) or 1.0

    def _sample(self) -> None:
        """Take a sample of the pace; those that are too old are dropped."""
        now = self._loop.time()
        sample = PaceSample(now, self._done, self.requests)
        samples = self._samples
        # The last sample is always of now. The one before it is kept only once it is
        # far enough from its predecessor.
        if len(samples) > 1 and samples[-1].at - samples[-2].at < _BETWEEN_SAMPLES:
            samples.pop()
        samples.append(sample)
        while len(samples) > 1 and now - samples[1].at >= WINDOW:
            samples.popleft()

    def _last_minute(self, now: float) -> int:
        oldest = int(now) - int(_MINUTE)
        for second in [each for each in self._by_second if each <= oldest]:
            del self._by_second[second]
        return self._by_second.total()

    def _database_time(self, now: float) -> float:
        """Return the database's time, in seconds since 1970."""
        return now + self._database_ahead

    def _minute_number(self, now: float) -> int:
        return int(self._database_time(now) // _MINUTE)

    def _minute_of(self, now: float) -> RunMinute:
        number = self._minute_number(now)
        return self._minutes.setdefault(number, RunMinute(number))

    def _close_counts(self) -> None:
        """Count what ended since the last call in the present minute."""
        ends, codes = self._tally.ends, self._tally.codes
        throttled = self._pacing.throttled
        if ends == self._stored_ends and throttled == self._stored_throttled:
            return
        minute = self._minute_of(self._loop.time())
        minute.throttled += throttled - self._stored_throttled
        _add(minute.outcomes, ends - self._stored_ends)
        _add(minute.codes, codes - self._stored_codes)
        self._stored_ends, self._stored_codes = Counter(ends), Counter(codes)
        self._stored_throttled = throttled


def _add(numbers: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        numbers[name] = numbers.get(name, 0) + number
