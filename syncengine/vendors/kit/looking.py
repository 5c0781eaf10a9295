"""Asking a vendor for what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.vendors.kit.answers import Reply, judge, refused_look_up

Judging: TypeAlias = Callable[[Request, Response, Mapping[int, str]], Reply]
"""``answers.judge``, or a vendor's own on top of it."""


def looked_up(
    request: Request,
    halts: Mapping[int, str],
    words: Callable[[Json], str],
    sent: Iterable[Json] = (),
    judging: Judging = judge,
) -> Exchange[Reply | None]:
    """The answer to a look-up; None where the vendor knows no such thing (404, 410).

    ``words`` finds the vendor's words in a refusal, ``sent`` is what must not be repeated. Raises VendorHalted,
    VendorThrottled, VendorUnavailable.
    """
    reply = judging(request, (yield request), halts)
    if reply.not_there:
        return None
    if not reply.ok:
        raise refused_look_up(request, reply, words(reply.body), sent)
    return reply
