"""Estimates of a run under way: which limit binds it, and when it is through. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from syncengine.model.limits import LONGEST_PACED, Limit

WINDOW = 180.0
"""Seconds of the past by which the present pace is measured. Long enough for a wait or
a slow minute to count for what it is, short enough to notice a change."""
_LEAST_SECONDS = 10.0
"""Seconds of measuring before anything is said."""
_LEAST_CONTACTS = 10
"""Contacts that have to be through before anything is said; fewer where the run is
small, see ``_is_too_early``."""


@dataclass(frozen=True, slots=True)
class PaceSample:
    """Counts of a run at one moment."""

    at: float
    """Seconds on any steady clock."""
    contacts: int
    """Contacts that were through by then."""
    requests: int
    """Requests that were sent by then."""


def seconds_left(
    samples: Sequence[PaceSample],
    total: int,
    limit: Limit | None,
    *,
    wait: float = 0.0,
    expected_requests: int | None = None,
    items_a_request: float = 1.0,
) -> float | None:
    """Return the seconds that a run still takes, from the pace it really has.

    Args:
        samples: counts since sending began, in order; the last one is of now.
        total: the contacts of the run.
        limit: the limit that binds it. No estimate is faster than this allows.
        wait: seconds for which nothing is sent from now on.
        expected_requests: requests of the whole run by its forecast, where there is
            one. It counts the less, the more of the run is measured.
        items_a_request: items that a request carries, on average.

    Returns None while too little was measured to say anything, and while nothing
    moves.
    """
    if not samples:
        return None
    now = samples[-1]
    if now.contacts >= total:
        return 0.0
    if _is_too_early(samples, total):
        return None
    recent = _recent(samples)
    elapsed = now.at - recent.at
    requests_left = _requests_left(now, total, expected_requests)
    if requests_left >= 1:
        pace = (now.requests - recent.requests) / elapsed
        needed = requests_left / pace if pace else None
    else:
        # Contacts that need no request, such as those that a backfill finds in step.
        pace = (now.contacts - recent.contacts) / elapsed
        needed = (total - now.contacts) / pace if pace else None
    if needed is None:
        return None
    if limit is not None:
        needed = max(needed, requests_left / _rate(limit, items_a_request))
    return wait + needed


def _is_too_early(samples: Sequence[PaceSample], total: int) -> bool:
    first, now = samples[0], samples[-1]
    # A tenth of a small run says as much as ten contacts of a large one.
    least_contacts = min(_LEAST_CONTACTS, max(1, total // 10))
    measured = now.at - first.at
    return measured < _LEAST_SECONDS or now.contacts < least_contacts


def _recent(samples: Sequence[PaceSample]) -> PaceSample:
    """Return the sample since which the present pace is measured."""
    now = samples[-1]
    recent = samples[0]
    for sample in samples:
        if now.at - sample.at < WINDOW:
            return recent
        recent = sample
    return recent


def _requests_left(now: PaceSample, total: int, expected: int | None) -> float:
    """Return the requests of the contacts that are not through yet."""
    measured = (total - now.contacts) * now.requests / now.contacts
    if expected is None:
        return measured
    forecast = max(0, expected - now.requests)
    share = now.contacts / total
    return share * measured + (1 - share) * forecast


def binding_limit(
    limits: Sequence[Limit], methods: Collection[str], items_a_request: float = 1.0
) -> Limit | None:
    """Return the limit that allows the fewest requests a second.

    Those count that apply to requests of these HTTP methods. Limits with a window of
    more than ten minutes count only where there are no others. ``items_a_request`` is
    the number of items that a request carries, on average.
    """
    applying = [limit for limit in limits if limit.method in (None, *methods)]
    short = [limit for limit in applying if limit.per <= LONGEST_PACED]
    by_rate = partial(_rate, items_a_request=items_a_request)
    return min(short or applying, key=by_rate, default=None)


def _rate(limit: Limit, items_a_request: float) -> float:
    """Return the requests a second that a limit allows."""
    rate = limit.most / limit.per
    return rate / items_a_request if limit.counts_items else rate
