"""Assertions whose messages tell the author of a vendor what to mend.

An author sees only pytest's output. Each message therefore names the vendor and the
request, shows what the adapter made of the answer, and says where to look.
"""

from __future__ import annotations

from typing import TypeVar

from syncengine.model.http import Response

_T = TypeVar("_T")
_SHOWN_BYTES = 200


def expect(kind: type[_T], result: object, where: object, advice: str) -> _T:
    """Return a result that has to be of this kind.

    Raises AssertionError for any other. ``where`` names what was asked of the adapter,
    and ``advice`` says why the kind matters and where to look.
    """
    assert isinstance(result, kind), (
        f"{where}: the adapter returned or raised {result!r}.\n"
        f"It has to be {kind.__name__}: {advice}"
    )
    return result


def described(response: Response) -> str:
    """Return the status and the beginning of a response, for a message."""
    return f"HTTP {response.status} with the body {response.body[:_SHOWN_BYTES]!r}"
