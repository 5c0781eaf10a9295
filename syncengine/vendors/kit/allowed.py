"""Look-ups that only help: a refusal of theirs says nothing."""

from __future__ import annotations

from typing import TypeVar

from syncengine.errors import VendorUnavailable
from syncengine.model.http import Exchange

_T = TypeVar("_T")


def if_allowed(look_up: Exchange[_T]) -> Exchange[_T | None]:
    """What a look-up finds; None where the vendor refuses it."""
    try:
        return (yield from look_up)
    except VendorUnavailable as error:
        if error.status in (400, 409, 422):
            return None
        raise
