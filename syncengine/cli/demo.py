"""``syncengine demo``: two nights of real contacts, in scratch places only."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

from syncengine import app as engine
from syncengine.cli import exits
from syncengine.cli.root import options
from syncengine.cli.tables import columns, duration, print_runs
from syncengine.cli.terminal import Bars, Stopped, err, out, run_stoppable
from syncengine.config.loading import load_config
from syncengine.config.project import Config
from syncengine.logs import set_up
from syncengine.model.reports import NoProgress, Progress, RunReport
from syncengine.sandbox.server import serve
from syncengine.shipped import shipped
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from syncengine.storage.demo.scratch_database import scratch_database
from syncengine.storage.server.embedded import embedded

NIGHTS = ("2025-06-01", "2025-09-01")
REAL_LIMITS = {"charles": (5, 1.0), "respond_io": (200, 60.0)}
"""Requests a window that the vendors really allow (charles: the shipped default, since
nothing is documented)."""


def demo() -> int:
    """Two nights of syncing real contacts to two vendors, start to finish; leaves nothing behind."""
    stopped = Stopped()

    async def work(stop: asyncio.Event) -> int:
        with tempfile.TemporaryDirectory(prefix="syncengine-demo-") as folder:
            async with (
                _database(Path(folder)) as dsn,
                serve(tuple(REAL_LIMITS)) as sandbox,
            ):
                environ = {
                    "SYNCENGINE_DEMO_DATABASE": dsn,
                    "SYNCENGINE_DEMO_RESPOND_IO": sandbox.url("respond_io"),
                    "SYNCENGINE_DEMO_RESPOND_IO_TOKEN": "sandbox-token",
                    "SYNCENGINE_DEMO_CHARLES": sandbox.url("charles"),
                    "SYNCENGINE_DEMO_CHARLES_KEY": "sandbox-key",
                }
                config = load_config(
                    shipped("config") / "demo" / "syncengine.yaml", environ
                )
                config = replace(config, keeps_markers=False)
                set_up(
                    options.log_format,
                    err,
                    config.secrets,
                    options.log_level or "warning",
                )
                await engine.migrate(config)
                return await _nights(config, dsn, stop)

    code = run_stoppable(work, stopped)
    return stopped.exit_code or (1 if code is None else code)


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[str]:
    """Yield a database of the demo's own.

    It is on the server that SYNCENGINE_DATABASE_URL names, else on one that lives as
    long as the demo.
    """
    url = os.environ.get("SYNCENGINE_DATABASE_URL")
    if url:
        async with scratch_database(url) as dsn:
            yield dsn
        return
    out.print(
        "Starting an embedded Postgres and the sandbox: stand-ins for charles and respond.io on this machine."
    )
    async with embedded(folder / "postgres", durable=False) as dsn:
        yield dsn


async def _nights(config: Config, dsn: str, stop: asyncio.Event) -> int:
    runs: list[tuple[str, list[RunReport]]] = []
    for number, night in enumerate(NIGHTS, 1):
        _, rows = read_rows(shipped("config") / "demo" / f"{night}.csv.gz")
        changed, left = await load_contacts(dsn, rows)
        new = (
            f"{changed} rows are new"
            if number == 1
            else f"{changed} of {len(rows)} rows changed, {left} left"
        )
        out.print(
            f"\n[bold]Night {number}[/bold]: the US Congress as of {night}; {new}.",
            markup=True,
        )
        for title in (f"{number}", f"{number}, again"):
            reports = await _run(config, stop)
            runs.append((title, reports))
            if stop.is_set():
                return 1
        print_runs([_quiet(report) for report in runs[-2][1]])
    _summary(runs)
    return (
        0
        if all(
            exits.exit_code(report) == exits.IN_STEP
            for _, reports in runs
            for report in reports
        )
        else 1
    )


async def _run(config: Config, stop: asyncio.Event) -> list[RunReport]:
    async def go(progress: Progress) -> list[RunReport]:
        return await engine.run(
            config, (), engine.RunRequest(), progress=progress, stop=stop
        )

    if not options.progress or not err.is_terminal:
        return await go(NoProgress())
    with Bars() as bars:
        return await go(bars)


def _quiet(report: RunReport) -> RunReport:
    """Return the report without its list of contacts, which the summary covers."""
    return RunReport(
        **{
            name: getattr(report, name)
            for name in report.__dataclass_fields__
            if name != "noteworthy"
        }
    )


def _summary(runs: Sequence[tuple[str, list[RunReport]]]) -> None:
    out.print("\n[bold]What happened[/bold]", markup=True)
    table = columns("night", "destination", "requests", "real limit", "would take")
    for title, reports in runs:
        for report in reports:
            calls, per = REAL_LIMITS[report.destination]
            real = duration(report.requests * per / calls)
            table.add_row(
                title,
                report.destination,
                str(report.requests),
                f"{calls} per {per:g} s",
                real,
            )
    out.print(table)
    last = {report.destination: report for report in runs[-2][1]}
    unsupported = last["charles"].contacts["unsupported"]
    out.print(
        "\nRun again on the same data, nothing is sent: what each vendor is known to hold\n"
        "is kept in Postgres, and only what differs from it goes out."
    )
    out.print(
        f"\ncharles cannot take a tag away, clear a field or remove a phone: {unsupported} contacts\n"
        "wanted that in night 2. They are reported once, as unsupported, such as:"
    )
    for note in last["charles"].noteworthy[:3]:
        out.print(
            f"  {note.contact_id}: {shorten(note.message, 66, placeholder=' ...')}",
            markup=False,
        )
    out.print(
        "\nThe sandbox allows more than the real vendors, so that this takes a minute.\n"
        "Nothing was left behind. Next: your own table, in five steps, in README.md."
    )
