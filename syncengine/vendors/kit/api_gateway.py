"""APIs behind Amazon's API Gateway, which answers some requests by itself."""

from __future__ import annotations

from syncengine.errors import VendorHalted
from syncengine.model.http import Exchange, Request
from syncengine.vendors.kit.not_found import NOT_FOUND_STATUSES
from syncengine.vendors.kit.replies import BASE_URL, Reply, judge


def send_through_api_gateway(request: Request, key_setting: str) -> Exchange[Reply]:
    """Send a request and return its reply; ``key_setting`` holds the API key.

    Raises VendorHalted, VendorThrottled and VendorUnavailable as ``judge`` does.
    """
    response = yield request
    said = response.body.lower()
    # The gateway's 429 says "Too Many Requests" for the limit of a second, and "Limit
    # Exceeded" for the quota of a day, where waiting for seconds is useless.
    if response.status == 429 and b"limit exceeded" in said:
        raise VendorHalted(
            f"{request.route}: the day's quota is used up (status 429); "
            "the next run after it goes on"
        )
    # It answers 403 for a wrong key and for an unknown path alike, but for the words.
    forbidden = key_setting
    if b"missing authentication token" in said:
        forbidden = BASE_URL
    halts = {401: key_setting, 403: forbidden}
    # Where the path names no contact, a 404 cannot be about one.
    if "{id}" not in request.route:
        halts |= dict.fromkeys(NOT_FOUND_STATUSES, BASE_URL)
    return judge(request, response, halts)
