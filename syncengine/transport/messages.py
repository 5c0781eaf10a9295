"""Delivery of alerts: a POST of JSON to a webhook, or a service that apprise knows.

Addresses are secrets: no error repeats one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import orjson

from syncengine.model.http import Json
from syncengine.version import __version__

_HEADERS = {
    "content-type": "application/json",
    "user-agent": f"syncengine/{__version__}",
}
_MOST_SECONDS = 10.0
"""Seconds that one delivery may take."""


class NotDelivered(Exception):
    """The target did not take the message. The text says why, without its address."""


async def post(address: str, body: Mapping[str, Json]) -> None:
    """Send a JSON object to a webhook. Raises NotDelivered."""
    try:
        async with (
            asyncio.timeout(_MOST_SECONDS),
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
            ) as session,
            # A redirect may lead anywhere, and would carry the message along.
            session.post(
                address, data=orjson.dumps(body), allow_redirects=False
            ) as answer,
        ):
            status = answer.status
    except TimeoutError:
        raise NotDelivered(f"no answer within {_MOST_SECONDS:.0f} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The error's own text names the address.
        raise NotDelivered(f"no connection ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise NotDelivered(f"HTTP status {status}")


async def notify(address: str, text: str) -> None:
    """Send a text to a service by its apprise URL. Raises NotDelivered."""
    try:
        # Imported only where it is wanted: that takes a tenth of a second.
        import apprise  # noqa: PLC0415
    except ImportError:
        raise NotDelivered(
            "the package of the extra apprise is not installed: pip install apprise"
        ) from None
    service = apprise.Apprise()
    with _silenced("apprise"):
        if not service.add(address):
            raise NotDelivered("apprise does not understand the URL")
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                is_taken = await service.async_notify(body=text, title="syncengine")
        except TimeoutError:
            why = f"no answer within {_MOST_SECONDS:.0f} seconds"
            raise NotDelivered(why) from None
        except Exception as error:  # noqa: BLE001 - a hundred plug-ins raise what they like
            raise NotDelivered(f"apprise failed ({type(error).__name__})") from None
    if not is_taken:
        raise NotDelivered("the service did not take it")


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Drop what goes to a logger in this block.

    apprise logs parts of its URLs, which Python prints where no logging is set up.
    """
    logger = logging.getLogger(name)

    # A function of its own for each block: two of them may overlap.
    def drop(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)
