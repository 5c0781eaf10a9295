"""aioresponses works with the aiohttp that is installed, large bodies included."""

from __future__ import annotations

import aiohttp
import pytest
from aioresponses import aioresponses


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [0, 1_000, 500_000])
async def test_a_mocked_response_can_be_read(size: int) -> None:
    with aioresponses() as mocked:
        mocked.post(
            "http://localhost/echo",
            status=201,
            body=b"x" * size,
            headers={"Retry-After": "3"},
        )
        async with (
            aiohttp.ClientSession() as session,
            session.post("http://localhost/echo", json={}) as response,
        ):
            assert (response.status, response.headers["Retry-After"]) == (201, "3")
            assert await response.read() == b"x" * size
