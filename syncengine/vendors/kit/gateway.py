"""APIs behind Amazon's API Gateway, which answers some requests itself."""

from __future__ import annotations

from syncengine.errors import VendorHalted
from syncengine.model.http import Exchange, Request
from syncengine.vendors.kit.answers import BASE_URL, Reply, judge


def through_gateway(request: Request, key: str) -> Exchange[Reply]:
    """Return the answer about the call; ``key`` is the setting that holds the API key.

    The gateway answers 403 for a wrong key and for an unknown path, and 429 for the
    limits of a second and of a day. Raises VendorHalted, VendorThrottled,
    VendorUnavailable.
    """
    response = yield request
    said = response.body.lower()
    if response.status == 429 and b"limit exceeded" in said:
        raise VendorHalted(
            f"{request.route}: the day's quota is used up (status 429); the next run after it goes on"
        )
    names_nothing = dict.fromkeys(
        () if "{id}" in request.route else (404, 410), BASE_URL
    )
    forbidden = BASE_URL if b"missing authentication token" in said else key
    return judge(request, response, {401: key, 403: forbidden, **names_nothing})
