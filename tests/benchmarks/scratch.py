"""The surroundings of benchmarks.

A Postgres of their own, a configuration, a sandbox, and commands in other processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from syncengine.storage.connect import connect
from tests.benchmarks.contacts import COLUMNS
from tests.support.databases import Databases, running_server
from tests.support.repository import ROOT

TOKEN, KEY = "sandbox-token", "sandbox-key"
DESTINATION = "benchmark"
FIELDS = tuple(name for name in COLUMNS if name != "tags")

_SETTINGS: dict[str, dict[str, Any]] = {
    "charles": {"api_key": "${BENCHMARK_KEY}", "source_type": "benchmark"},
    "respond_io": {"token": "${BENCHMARK_KEY}"},
    "hubspot": {
        "token": "${BENCHMARK_KEY}",
        "unique_properties": ["crm_id"],
        "tags_property": "tags",
    },
}
_KEYS = {"charles": KEY, "respond_io": TOKEN, "hubspot": TOKEN}
_FIELDS: dict[str, dict[str, str]] = {
    "charles": {f"custom_properties.{name}": name for name in FIELDS},
    "respond_io": {"crm_id": "id", **{name: name for name in FIELDS}},
    "hubspot": {"crm_id": "id", **{name: name for name in FIELDS}},
}
_MATCH = {"charles": [], "respond_io": ["crm_id"], "hubspot": ["crm_id"]}


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration of one destination, and the environment it needs."""

    file: Path
    environ: Mapping[str, str]


def configure(
    folder: Path,
    vendor: str,
    url: str,
    *,
    state: str,
    source: str = "",
    limits: Sequence[Mapping[str, Any]] = (),
    settings: Mapping[str, Any] | None = None,
) -> Configured:
    """Write a configuration that maps every column of the benchmarks' contacts.

    Without ``limits`` there are none; all else is as shipped.
    """
    folder.mkdir()
    (folder / "destinations").mkdir()
    file = folder / "syncengine.yaml"
    engine = {
        "database": "${BENCHMARK_STATE}",
        "source": {
            "database": "${BENCHMARK_SOURCE:-}",
            "table": "crm.contacts",
            "key": "id",
        },
    }
    destination = {
        "vendor": vendor,
        "settings": {"base_url": url, **_SETTINGS[vendor], **(settings or {})},
        "limits": list(limits),
        "match_on": _MATCH[vendor],
        "fields": _FIELDS[vendor],
        "tags": {"from": "tags"},
    }
    # JSON is YAML.
    file.write_text(json.dumps(engine), encoding="utf-8")
    (folder / "destinations" / f"{DESTINATION}.yaml").write_text(
        json.dumps(destination), encoding="utf-8"
    )
    environ = {
        "BENCHMARK_STATE": state,
        "BENCHMARK_SOURCE": source,
        "BENCHMARK_KEY": _KEYS[vendor],
    }
    return Configured(file, environ)


async def forget(configured: Configured, dsn: str) -> None:
    """Empty the state, as before the first run."""
    # The marks of earlier runs, too: the state would pass for a restored one.
    shutil.rmtree(configured.file.parent / ".syncengine", ignore_errors=True)
    connection = await connect(dsn)
    await connection.execute(
        "TRUNCATE syncengine.sync_run, syncengine.sync_batch, "
        "syncengine.sync_outcome, syncengine.sync_state, syncengine.sync_known, "
        "syncengine.sync_key, syncengine.sync_wait, syncengine.sync_run_minute, "
        "syncengine.sync_change"
    )
    await connection.execute("CHECKPOINT")
    await connection.close()


@asynccontextmanager
async def scratch_databases() -> AsyncIterator[Databases]:
    """Yield databases on a server that is thrown away.

    Or on the one that SYNCENGINE_DATABASE_URL names.
    """
    with running_server(os.environ.get("SYNCENGINE_DATABASE_URL")) as server:
        databases = await asyncio.to_thread(Databases, server)
        try:
            yield databases
        finally:
            await asyncio.to_thread(databases.close)


@asynccontextmanager
async def served(vendor: str) -> AsyncIterator[str]:
    """The URL of a twin, without limits, in a process of its own."""
    process = await _start(
        "-m", "syncengine", "sandbox", "--port", "0", "--vendor", vendor
    )
    assert process.stdout is not None
    try:
        said = ""
        async for line in process.stdout:
            said += line.decode()
            name, _, url = line.decode().strip().partition(": ")
            if name == "settings.base_url":
                break
        else:
            raise RuntimeError(
                f"the sandbox ended, and printed {said!r} "
                f"instead of where it serves {vendor}"
            )
        yield url
    finally:
        process.kill()
        await process.communicate()


async def ask_twin(url: str, method: str, what: str, body: Any = None) -> Any:
    """Return what the sandbox says beside the twin at this URL."""
    base, _, name = url.rpartition("/")
    place = f"{base}/__sandbox/{name}/{what}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, place, json=body) as response,
    ):
        if response.status != 200:
            raise RuntimeError(f"the sandbox refused {what}: {await response.text()}")
        return await response.json()


async def report_of(
    module: str, *arguments: str, environ: Mapping[str, str] | None = None
) -> list[Any]:
    """The lines of JSON that a module prints when it is run in a process of its own."""
    process = await _start("-m", module, *arguments, environ=environ)
    output, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(
            f"{module} ended with exit code {process.returncode}:\n"
            f"{output.decode()}{said.decode()}"
        )
    return [json.loads(line) for line in output.splitlines()]


async def run_command(
    configured: Configured, *arguments: str
) -> tuple[dict[str, Any], dict[str, float]]:
    """Run ``syncengine run --json`` in a process of its own.

    Returns its report, and the time and memory it took.
    """
    report, took = await report_of(
        *(
            "tests.benchmarks.command",
            "--config",
            str(configured.file),
            "--no-progress",
            "run",
            "--json",
            *arguments,
        ),
        environ=configured.environ,
    )
    return report, took


async def _start(
    *arguments: str, environ: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SYNCENGINE_")
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**inherited, **(environ or {})},
    )
