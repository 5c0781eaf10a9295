"""The floor of a backfill: the fewest lines that send the same requests.

They use asyncpg and aiohttp alone. ``python -m tests.benchmarks.bare DSN VENDOR URL
WORKERS`` knows no state, no limit, no failure. It forgets every answer, and prints as
JSON the time and memory that it took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import orjson

from tests.benchmarks.measured import cpu, peak
from tests.benchmarks.scratch import FIELDS, KEY, TOKEN

Row = dict[str, Any]
Send = Callable[[str, str, Any], Awaitable[Any]]
"""Method, path and body; the answer."""


async def charles(send: Send, row: Row) -> None:
    properties = {name: row[name] for name in FIELDS if row[name] is not None}
    body = {
        "external_reference_id": str(row["id"]),
        "source_type": "benchmark",
        "custom_properties": properties,
    }
    await send("PUT", "/api/v1beta/contacts", {**body, "tags": row["tags"]})


async def respond_io(send: Send, row: Row) -> None:
    await send(
        "GET", f"/contact/by_custom_field?name=crm_id&value={row['id']}&page=1", None
    )
    pairs = [
        {"name": name, "value": _text(row[name])}
        for name in FIELDS
        if row[name] is not None
    ]
    answer = await send(
        "POST",
        "/contact/",
        {"custom_fields": [{"name": "crm_id", "value": str(row["id"])}, *pairs]},
    )
    await send("POST", f"/contact/{answer['data']['id']}/tags", {"tags": row["tags"]})


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


_SYNC = {"charles": charles, "respond_io": respond_io}
_HEADERS = {
    "charles": {"x-api-key": KEY},
    "respond_io": {"authorization": f"Bearer {TOKEN}"},
}


async def main(dsn: str, vendor: str, url: str, workers: str) -> None:
    used, began = cpu(), time.perf_counter()
    requests = 0

    async def send(method: str, path: str, body: Any) -> Any:
        nonlocal requests
        requests += 1
        data = None if body is None else orjson.dumps(body)
        async with session.request(method, url + path, data=data) as response:
            return orjson.loads(await response.read())

    async def work() -> None:
        while (row := await queue.get()) is not None:
            await _SYNC[vendor](send, row)

    queue: asyncio.Queue[Row | None] = asyncio.Queue(maxsize=int(workers))
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        **_HEADERS[vendor],
    }
    connection = await asyncpg.connect(dsn)
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(int(workers)):
            group.create_task(work())
        async with connection.transaction():
            async for (row,) in connection.cursor(
                "SELECT row_to_json(c)::text FROM crm.contacts AS c ORDER BY id",
                prefetch=500,
            ):
                await queue.put(orjson.loads(row))
        for _ in range(int(workers)):
            await queue.put(None)
    await connection.close()
    took = {
        "requests": requests,
        "seconds": time.perf_counter() - began,
        "cpu": cpu() - used,
        "peak": peak(),
    }
    sys.stdout.write(json.dumps(took) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
