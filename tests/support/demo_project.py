"""The demo's configuration over a scratch database and a sandbox.

For tests that run the whole engine in process.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from syncengine import app
from syncengine.config.loading import load_config
from syncengine.config.project import Config
from syncengine.model.plans import PlanReport
from syncengine.model.reports import RunReport
from syncengine.sandbox.server import Sandbox, serve
from tests.support.repository import ROOT

TOKEN, KEY = "sandbox-token", "sandbox-key"


def environment(dsn: str, sandbox: Sandbox) -> dict[str, str]:
    """Return the environment variables that the demo's configuration needs."""
    return {
        "SYNCENGINE_DEMO_DATABASE": dsn,
        "SYNCENGINE_DEMO_RESPOND_IO": sandbox.url("respond_io"),
        "SYNCENGINE_DEMO_RESPOND_IO_TOKEN": TOKEN,
        "SYNCENGINE_DEMO_CHARLES": sandbox.url("charles"),
        "SYNCENGINE_DEMO_CHARLES_KEY": KEY,
    }


def copy_config(folder: Path, **changes: str) -> Path:
    """Copy the demo's configuration to a folder of its own.

    Texts are replaced where asked for: ``changes`` are old to new.
    """
    shutil.copytree(ROOT / "config/demo", folder, ignore=shutil.ignore_patterns("*.gz"))
    for file in folder.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    return folder / "syncengine.yaml"


@dataclass(frozen=True)
class World:
    """A configuration, its database and its vendors."""

    config: Config
    file: Path
    dsn: str
    sandbox: Sandbox
    environ: dict[str, str]

    async def run(self, *names: str, **options: object) -> dict[str, RunReport]:
        """Run once; return the reports by destination."""
        request = self._request(options)
        return {
            report.destination: report
            for report in await app.run(self.config, names, request)
        }

    async def plan(
        self, *names: str, sample: int | None = None, **options: object
    ) -> dict[str, PlanReport]:
        """Plan a run; return the reports by destination."""
        request = self._request(options)
        return {
            report.destination: report
            for report in await app.plan(self.config, names, request, sample=sample)
        }

    async def plan_file(self, file: Path, **options: object) -> dict[str, PlanReport]:
        """Write the plan of a run to a file that shows values; return the reports."""
        reports = await app.plan(
            self.config, (), self._request(options), out=file, shows_values=True
        )
        return {report.destination: report for report in reports}

    async def run_file(self, file: Path, **options: object) -> dict[str, RunReport]:
        """Run a plan file; return the reports by destination."""
        request = self._request(options)
        reports = await app.run(self.config, (), request, plan=file)
        return {report.destination: report for report in reports}

    def _request(self, options: Mapping[str, Any]) -> app.RunRequest:
        """Return a request that accepts the vendors' empty accounts if needed."""
        careless = not all(each.options.find_first for each in self.config.destinations)
        known = {"empty_state"} if careless else set()
        return app.RunRequest(
            **{**options, "accept": frozenset({*options.get("accept", ()), *known})}
        )

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def world(
    dsn: str, folder: Path, *, unpaced: bool = True
) -> AsyncIterator[World]:
    """Serve both twins and load the configuration against them."""
    async with serve(["charles", "respond_io"]) as sandbox:
        file = copy_config(folder)
        if unpaced:
            with _edited(file.parent / "destinations") as lines:
                lines.append("limits: []")
        environ = environment(dsn, sandbox)
        yield World(load_config(file, environ), file, dsn, sandbox, environ)


@contextmanager
def _edited(folder: Path) -> Iterator[list[str]]:
    """Replace top-level keys in every file of a folder."""
    lines: list[str] = []
    yield lines
    for file in folder.glob("*.yaml"):
        keys = {line.partition(":")[0] for line in lines}
        kept = [
            line
            for line in file.read_text(encoding="utf-8").splitlines()
            if line.partition(":")[0] not in keys
        ]
        file.write_text("\n".join([*kept, *lines]) + "\n", encoding="utf-8")
