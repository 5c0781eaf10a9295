"""Write answers: JSON bodies, headers about limits, times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import LimitStanding


class TwinRefusalError(ValueError):
    """A request that the twin refuses, raised from wherever the mistake is found.

    ``ApiTwin`` turns it into the vendor's answer. It is a ValueError because seeds and
    acts at the screen, which nobody answers over HTTP, run through the same checks.
    """

    def __init__(self, status: int, content: Json) -> None:
        """Take the content as ``ApiTwin.refused`` of the vendor's twin expects it.

        By default that is a text, which ``refusal`` puts into the vendor's form. Twins
        whose refusals have several forms override it, and take whole bodies.
        """
        super().__init__(content)
        self.status = status
        self.content = content


def answer(
    status: int, body: Json, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response."""
    return Response(
        status,
        {"content-type": "application/json", **(headers or {})},
        orjson.dumps(body),
    )


def html_page(status: int, page: bytes, **headers: str) -> Response:
    """Return an HTML response, as gateways send it in front of an API."""
    content_type = {"content-type": "text/html; charset=utf-8"}
    return Response(status, {**content_type, **headers}, page)


def limit_headers(standing: LimitStanding | None, now: float) -> dict[str, str]:
    """Return the headers ``X-RateLimit-*``; none where no limit covers the request.

    The reset, in seconds since 1970, is there only while no place is left.
    """
    if standing is None:
        return {}
    headers = {
        "x-ratelimit-limit": str(standing.limit.calls),
        "x-ratelimit-remaining": str(standing.left),
    }
    if standing.left == 0:
        headers["x-ratelimit-reset"] = str(math.ceil(now + standing.free_in))
    return headers


def retry_header(seconds: float | None) -> dict[str, str]:
    """Return ``Retry-After`` in whole seconds, rounded up; nothing for None."""
    if seconds is None:
        return {}
    return {"retry-after": str(math.ceil(seconds))}


def iso_time(at: float) -> str:
    """Return a time as ``2025-03-02T08:15:30.000Z``; ``at`` is seconds since 1970."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
