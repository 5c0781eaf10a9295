"""Heed the headers in which vendors say how much of a limit is left. Pure.

``read_limits`` reads the headers of one answer, and ``HeaderAllowances`` remembers
what they allow. ``Pacing`` uses both, beside the limits that are configured. There are
several families of such headers:

    X-RateLimit-Remaining: 9        also X-Rate-Limit-...; no standard, but common
    X-RateLimit-Reset: 30
    X-Acme-RateLimit-Remaining: 9   some vendors put their name in
    RateLimit-Remaining: 9          draft-ietf-httpapi-ratelimit-headers up to its 7th
    RateLimit-Reset: 30
    RateLimit: "minute";r=9;t=30    version; one header in the later ones
    Retry-After: 30                 RFC 9110, 10.2.3

Resets are written as seconds from now, or as a moment (``model.wait_headers``). What
makes no sense is reported, and not obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from syncengine.model.limits import Limit
from syncengine.model.wait_headers import NUMBER, seconds_from_now

_FAMILY = re.compile(r"((?:x-(?:[a-z0-9]+-)?)?rate-?limit)-remaining", re.ASCII)
"""The name of the first header of a pair; both begin alike (``ratelimit-reset``)."""
_ONE_HEADER = "ratelimit"
_RETRY_AFTER = "retry-after"
_PARAMETER = re.compile(r"\b(remaining|reset|r|t)\s*=\s*([^\s,;]+)", re.ASCII)
"""A parameter of the one header, such as ``r=9``. Other parameters, such as the quota
(``q``) and the window (``w``), say nothing about what is left."""
_DEFAULT_WINDOW = 1.0
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
    """Seconds in which nothing is to be sent at all (``Retry-After``)."""
    left: Remaining | None = None
    """The limit with the fewest requests left; None: the answer names none."""
    ignored: tuple[str, ...] = ()
    """Names of headers that make no sense, or ask for a longer wait than is granted."""


NOTHING = LimitNotice()
"""The notice of an answer without any such header."""


def read_limits(headers: Mapping[str, str], max_wait: float) -> LimitNotice:
    """Return what the headers (names in small letters) say about the vendor's limits.

    No wait in it is negative or longer than ``max_wait`` seconds. Raises nothing,
    whatever the headers hold.
    """
    # Most vendors send none of them: this is passed by every answer.
    if not any(name == _RETRY_AFTER or _is_of_a_limit(name) for name in headers):
        return NOTHING
    reader = _HeaderReader(headers, max_wait)
    wait = reader.retry_after()
    limits = reader.limits()
    left = min(limits, key=_fewest_first, default=None)
    # Each name once: two parts of a header may both make no sense.
    ignored = tuple(dict.fromkeys(reader.ignored))
    return LimitNotice(wait, left, ignored)


def _is_of_a_limit(name: str) -> bool:
    """Return whether a header may say something about a limit, by its name."""
    return "ratelimit" in name or "rate-limit" in name


def _fewest_first(limit: Remaining) -> tuple[int, float]:
    """Return the key to sort by: fewest requests left, then the latest reset."""
    reset_in = limit.reset_in or 0.0
    return limit.remaining, -reset_in


class _Header(NamedTuple):
    """A header, or one parameter of it, with the header's name."""

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
        """Return the seconds in which nothing is to be sent; 0 without the header."""
        header = self._header(_RETRY_AFTER)
        if header is None:
            return 0.0
        return self._wait(header) or 0.0

    def limits(self) -> list[Remaining]:
        """Return every limit that the answer names, and that can be obeyed."""
        families = [
            pair[1] for name in self._headers if (pair := _FAMILY.fullmatch(name))
        ]
        found = [self._limit_of_family(family) for family in families]
        # One header may name several limits: "minute";r=50;t=30, "day";r=900;t=6000
        one_header = self._headers.get(_ONE_HEADER, "")
        policies = one_header.split(",")
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

        In older drafts the parts are one limit (``limit=100, remaining=50, reset=30``):
        then the whole header is read.
        """
        found = dict(_PARAMETER.findall(policy))
        if "remaining" in found:
            found = dict(_PARAMETER.findall(self._headers[_ONE_HEADER]))
        remaining = found.get("r", found.get("remaining"))
        reset = found.get("t", found.get("reset"))
        if remaining is None:
            return None
        remaining_header = _Header(_ONE_HEADER, remaining)
        if reset is None:
            return self._limit(remaining_header, None)
        return self._limit(remaining_header, _Header(_ONE_HEADER, reset))

    def _limit(self, remaining: _Header, reset: _Header | None) -> Remaining | None:
        """Return one limit, if both its headers can be obeyed."""
        text = remaining.value.strip()
        if not NUMBER.fullmatch(text):
            self.ignored.append(remaining.name)
            return None
        # Some vendors write "9.0", or fractions of a request: these are rounded down.
        number = int(float(text))
        if reset is None:
            return Remaining(number, None)
        reset_in = self._wait(reset)
        if reset_in is None:
            return None
        return Remaining(number, reset_in)

    def _wait(self, header: _Header) -> float | None:
        """Return the seconds that a header asks to wait; None if it is ignored."""
        seconds = seconds_from_now(header.value, self._headers)
        if seconds is None or seconds > self._max_wait:
            self.ignored.append(header.name)
            return None
        return seconds

    def _header(self, name: str) -> _Header | None:
        """Return a header; None where the answer has none of this name."""
        value = self._headers.get(name)
        if value is None:
            return None
        return _Header(name, value)


@dataclass(slots=True)
class _Allowance:
    """Number of requests that may go out before the vendor's limit is reset."""

    left: int
    """May fall below 0: requests that were granted before the answer came count too."""
    until: float
    """The event loop's time at which the limit is reset."""


class HeaderAllowances:
    """Requests that the newest answers of one account allow.

    They only ever delay requests: our own limits are checked apart.

    An allowance is kept for each scope: for each HTTP method that the vendor counts by
    itself, and one, None, for all other methods together. Which methods these are, the
    configured ``limits`` say. All times are the event loop's.
    """

    def __init__(self, limits: Sequence[Limit], max_wait: float) -> None:
        """Take the limits of the account; ``max_wait`` is in seconds."""
        self._max_wait = max_wait
        # The headers tell of requests, so limits that count items are no help.
        counting = [limit for limit in limits if not limit.counts_items]
        self._own_scopes = frozenset(limit.method for limit in counting if limit.method)
        self._windows: dict[str | None, float] = {}
        """By scope: seconds of the shortest window among its limits."""
        for scope in (None, *self._own_scopes):
            windows = [limit.per for limit in counting if limit.method in (None, scope)]
            self._windows[scope] = min(windows, default=_DEFAULT_WINDOW)
        self._allowances: dict[str | None, _Allowance] = {}
        """By scope."""

    def scope(self, method: str) -> str | None:
        """Return the scope in which a method's requests are counted."""
        if method in self._own_scopes:
            return method
        return None

    def heed(
        self, method: str, left: Remaining, out: int, now: float, *, room: bool
    ) -> float:
        """Note what an answer to ``method`` says is left of the vendor's limit.

        ``out`` is the number of requests on their way, which the vendor may not have
        counted yet. ``room`` is True where our own limits let a request through now.

        Returns the seconds for which this keeps requests back; 0.0: it does not.
        """
        scope = self.scope(method)
        free = max(0, left.remaining - out)
        # The newest answer counts, whether it allows more or less than the one before.
        self._allowances.pop(scope, None)
        reset_in = left.reset_in
        if reset_in is None:
            if not room:
                # Our own limits are used up as well: that explains why nothing is left,
                # and they know when there is room again.
                return 0.0
            reset_in = min(self._windows[scope], self._max_wait)
        self._allowances[scope] = _Allowance(free, now + reset_in)
        if free > 0:
            return 0.0
        return reset_in

    def take(self, method: str) -> None:
        """Count a request that goes out."""
        allowance = self._allowances.get(self.scope(method))
        if allowance is not None:
            allowance.left -= 1

    def withheld_until(self, method: str, now: float) -> float | None:
        """Return the time at which a method's next request may go out; None: now."""
        allowance = self._allowances.get(self.scope(method))
        if allowance is None or allowance.left > 0 or now >= allowance.until:
            return None
        return allowance.until
