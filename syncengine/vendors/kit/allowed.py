"""Look-ups that only help: when one is refused, nothing follows from it."""

from __future__ import annotations

from typing import TypeVar

from syncengine.errors import VendorUnavailable
from syncengine.model.http import Exchange

_T = TypeVar("_T")


def if_allowed(
    look_up: Exchange[_T], refusals: tuple[int, ...] = (400, 409, 422)
) -> Exchange[_T | None]:
    """Return the result of a look-up; None where the vendor refuses it.

    ``refusals`` are the statuses of such an answer.
    """
    try:
        return (yield from look_up)
    except VendorUnavailable as error:
        if error.status in refusals:
            return None
        raise
