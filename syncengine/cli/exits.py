"""Exit codes.

0 in step; 1 something fell short; 2 nothing was sent; 3 another run holds the lease;
129/130/143 stopped by a signal.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncengine.errors import LeaseHeld, RunRefused

_WORST_FIRST = (2, 3, 1, 0)
"""Exit codes of several destinations, in this order: a person has to act, another run
is acting, the next run acts."""


def of_error(error: Exception) -> int:
    """Return the exit code of an error that ends the command."""
    match error:
        case RunRefused():
            return 2
        case LeaseHeld():
            return 3
        case _:
            return 1


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several destinations."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), 0)
