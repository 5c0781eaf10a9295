"""A repair of aioresponses 0.7.9, which cannot build aiohttp 3.14's responses.

See its issue 289. Unused once it can by itself.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import Mock, patch

import aiohttp
import aioresponses.core
from aiohttp.client_proto import ResponseHandler
from yarl import URL

_MORE_THAN_A_BUFFER = b"." * 300_000


class _Response(aiohttp.ClientResponse):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        keywords.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*arguments, **keywords)


def _stream_reader(loop: asyncio.AbstractEventLoop) -> aiohttp.StreamReader:
    protocol = ResponseHandler(loop=loop)
    # A body larger than the buffer pauses the parser. A mocked connection has none.
    protocol._parser = Mock(feed_data=Mock(return_value=()))
    return aiohttp.StreamReader(protocol, limit=2**16, loop=loop)


def aioresponses_repaired() -> AbstractContextManager[object]:
    """A context in which aioresponses works with the aiohttp that is installed."""
    if _builds_responses():
        return nullcontext()
    return patch.multiple(
        aioresponses.core,
        ClientResponse=_Response,
        stream_reader_factory=_stream_reader,
    )


def _builds_responses() -> bool:
    url = URL("http://localhost/")
    try:
        aioresponses.core.RequestMatch(url)._build_response(
            url, body=_MORE_THAN_A_BUFFER
        )
    except (TypeError, AssertionError):
        return False
    return True
