"""A sandbox on loopback and a client that talks to it, for the sandbox's own tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from syncengine.sandbox.server import Sandbox, serve

TOKEN = {"authorization": "Bearer sandbox-token"}
CREATE = {"custom_fields": [{"name": "crm_id", "value": "crm-7"}]}


@dataclass
class Bench:
    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, json: Any = None, **headers: str
    ) -> tuple[int, Any]:
        url = URL(self.sandbox.url("respond_io") + path, encoded=True)
        async with self.session.request(
            method, url, json=json, headers={**TOKEN, **headers}
        ) as response:
            return response.status, orjson.loads(await response.read())

    async def create(self) -> tuple[int, Any]:
        return await self.call("POST", "/contact/", CREATE)

    async def admin(self, method: str, verb: str, json: Any = None) -> Any:
        async with self.session.request(
            method, f"{self.sandbox.admin_url('respond_io')}/{verb}", json=json
        ) as response:
            reply = await response.json()
            assert response.status == 200, reply
            return reply

    async def faults(self, *rules: dict[str, Any]) -> None:
        await self.admin("PUT", "faults", list(rules))

    async def held(self) -> list[str]:
        return [contact["id"] for contact in await self.admin("GET", "contacts")]

    async def statuses(self) -> dict[str, int]:
        reply: dict[str, int] = (await self.admin("GET", "requests"))["by_status"]
        return reply


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with (
        serve(["respond_io", "charles"]) as sandbox,
        aiohttp.ClientSession() as session,
    ):
        yield Bench(sandbox, session)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the server does without being asked."""
    async with asyncio.timeout(10):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def committed(it: Bench) -> bool:
    return bool(await it.held())


async def left(it: Bench) -> bool:
    return all(held["gone"] for held in await it.admin("GET", "held?wait_for=1"))


async def dropped(it: Bench) -> bool:
    return await it.statuses() == {"dropped": 1}
