"""Heed the headers in which vendors say how much of a limit is left. Pure.

There are several families of them: ``X-RateLimit-Remaining`` and ``X-RateLimit-Reset``,
``RateLimit-Remaining`` and ``RateLimit-Reset`` (the IETF draft up to version 7), the
one header ``RateLimit`` of its later versions, and ``Retry-After``. Resets are written
as seconds from now, or as a moment. What makes no sense is named and not obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from syncengine.model.limits import Limit
from syncengine.model.wait_headers import NUMBER, seconds_from_now

_FAMILIES = ("x-ratelimit", "x-rate-limit", "ratelimit")
_ONE_HEADER = "ratelimit"
_RETRY_AFTER = "retry-after"
_PARAMETER = re.compile(r"\b(remaining|reset|r|t)\s*=\s*([^\s,;]+)", re.ASCII)
_A_WINDOW = 1.0
"""Seconds to wait for a reset that no header names, where no limit is known."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """Remainder of one limit."""

    remaining: int
    reset_in: float | None
    """Seconds until there is more; None: the vendor does not say."""


@dataclass(frozen=True, slots=True)
class LimitNotice:
    """Contents of the limit headers of one answer."""

    wait: float = 0.0
    """Seconds in which nothing is to be sent at all."""
    left: Remaining | None = None
    """The limit with the fewest requests left; None: the answer names none."""
    ignored: tuple[str, ...] = ()
    """Headers that make no sense, or ask for a longer wait than is granted."""


NOTHING = LimitNotice()


def read_limits(headers: Mapping[str, str], max_wait: float) -> LimitNotice:
    """Return what the headers (names in small letters) say about the vendor's limits.

    No wait in it is negative or longer than ``max_wait``. Raises nothing.
    """
    if not any(name == _RETRY_AFTER or name.startswith(_FAMILIES) for name in headers):
        return NOTHING
    reader = _HeaderReader(headers, max_wait)
    wait = reader.retry_after()
    limits = reader.limits()
    left = min(limits, key=_fewest_first, default=None)
    return LimitNotice(wait, left, tuple(dict.fromkeys(reader.ignored)))


def _fewest_first(left: Remaining) -> tuple[int, float]:
    """Return the sort key: of equal remainders the one that lasts longest counts."""
    return left.remaining, -(left.reset_in or 0.0)


class _Header(NamedTuple):
    """A header, or a part of one."""

    name: str
    value: str


class _HeaderReader:
    """Reads the limit headers of one answer."""

    def __init__(self, headers: Mapping[str, str], max_wait: float) -> None:
        self.ignored: list[str] = []
        """Headers that could not be obeyed."""
        self._headers = headers
        self._max_wait = max_wait

    def retry_after(self) -> float:
        """Return the seconds in which nothing is to be sent; 0 without such a wish."""
        header = self._header(_RETRY_AFTER)
        if header is None:
            return 0.0
        return self._wait(header) or 0.0

    def limits(self) -> list[Remaining]:
        """Return every limit that the answer names, and that can be obeyed."""
        policies = self._headers.get(_ONE_HEADER, "").split(",")
        found = [self._limit_of_family(family) for family in _FAMILIES]
        found += [self._limit_of_policy(policy) for policy in policies]
        return [limit for limit in found if limit is not None]

    def _limit_of_family(self, family: str) -> Remaining | None:
        """Read a pair of headers, such as ``X-RateLimit-Remaining`` and ``-Reset``."""
        remaining = self._header(f"{family}-remaining")
        if remaining is None:
            return None
        return self._limit(remaining, self._header(f"{family}-reset"))

    def _limit_of_policy(self, policy: str) -> Remaining | None:
        """Read one part of the one header, such as ``"minute";r=50;t=30``.

        In older drafts one limit is spread over the parts (``limit=100, remaining=50,
        reset=30``): then the whole header is read.
        """
        found = dict(_PARAMETER.findall(policy))
        if "remaining" in found:
            found = dict(_PARAMETER.findall(self._headers[_ONE_HEADER]))
        remaining = found.get("r", found.get("remaining"))
        reset = found.get("t", found.get("reset"))
        if remaining is None:
            return None
        return self._limit(
            _Header(_ONE_HEADER, remaining),
            None if reset is None else _Header(_ONE_HEADER, reset),
        )

    def _limit(self, remaining: _Header, reset: _Header | None) -> Remaining | None:
        """Return one limit, if both its headers can be obeyed."""
        number = remaining.value.strip()
        if not NUMBER.fullmatch(number):
            self.ignored.append(remaining.name)
            return None
        if reset is None:
            return Remaining(int(float(number)), None)
        reset_in = self._wait(reset)
        if reset_in is None:
            return None
        return Remaining(int(float(number)), reset_in)

    def _wait(self, header: _Header) -> float | None:
        """Return the seconds that a header asks to wait; None if it is ignored."""
        seconds = seconds_from_now(header.value, self._headers)
        if seconds is None or seconds > self._max_wait:
            self.ignored.append(header.name)
            return None
        return seconds

    def _header(self, name: str) -> _Header | None:
        value = self._headers.get(name)
        return None if value is None else _Header(name, value)


@dataclass(slots=True)
class _Allowance:
    """Number of requests that may go out before the vendor's limit is reset."""

    left: int
    until: float


class HeaderAllowances:
    """Requests that the newest answers of one account allow, by the event loop's clock.

    They only ever delay requests: our own limits are checked apart. ``limits`` define
    whether the vendor counts methods apart, and how long a limit that names no reset
    may take.
    """

    def __init__(self, limits: Sequence[Limit], max_wait: float) -> None:
        self._max_wait = max_wait
        self._apart = frozenset(limit.method for limit in limits if limit.method)
        self._windows = {
            method: min(
                (limit.per for limit in limits if limit.method in (None, method)),
                default=_A_WINDOW,
            )
            for method in (None, *self._apart)
        }
        self._allowances: dict[str | None, _Allowance] = {}

    def scope(self, method: str) -> str | None:
        """Return what a method is counted with; None stands for all not apart."""
        return method if method in self._apart else None

    def heed(
        self, method: str, left: Remaining, out: int, now: float, *, room: bool
    ) -> float:
        """Note what is left at the vendor; return for how long that delays requests.

        ``out`` are requests on their way, which the vendor may not have counted yet.
        ``room`` is true where our own limits have any: where they have none, they
        explain that nothing is left, and end the wait themselves.
        """
        scope, free = self.scope(method), max(0, left.remaining - out)
        self._allowances.pop(scope, None)
        reset_in = left.reset_in
        if reset_in is None:
            if not room:
                return 0.0
            reset_in = min(self._windows[scope], self._max_wait)
        self._allowances[scope] = _Allowance(free, now + reset_in)
        return 0.0 if free else reset_in

    def take(self, method: str) -> None:
        """Count a request that goes out."""
        allowance = self._allowances.get(self.scope(method))
        if allowance is not None:
            allowance.left -= 1

    def withheld_until(self, method: str, now: float) -> float | None:
        """Return when the next request of a method may go out; None: at once."""
        allowance = self._allowances.get(self.scope(method))
        if allowance is None or allowance.left > 0 or now >= allowance.until:
            return None
        return allowance.until
