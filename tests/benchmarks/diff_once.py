"""One diff in a process of its own: ``python -m tests.benchmarks.diff_once STATE SOURCE`` prints it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from syncengine.storage.connect import open_pool
from syncengine.storage.diff import diff
from syncengine.storage.inspect_source import inspect
from tests.benchmarks.contacts import DESTINATION, SPEC


async def main(state_dsn: str, source_dsn: str) -> None:
    async with AsyncExitStack() as stack:
        state = await stack.enter_async_context(open_pool(state_dsn))
        shared = source_dsn == state_dsn
        source_pool = state if shared else await stack.enter_async_context(open_pool(source_dsn, read_only=True))
        async with source_pool.acquire() as connection:
            source = await inspect(connection, SPEC)
        began = time.perf_counter()
        found = diff(state, source_pool, source, DESTINATION)
        differing = sum([len(piece.contact_ids) async for piece in found])
        took = {"seconds": time.perf_counter() - began, "rows": found.totals.source_rows, "differing": differing}
    sys.stdout.write(json.dumps(took | {"peak": _peak()}))


def _peak() -> float:
    """The most memory this process had, in MB. Not ``ru_maxrss``, which counts the parent's too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
