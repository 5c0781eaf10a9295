"""``syncengine demo``: two nights of real contacts, in scratch places only."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from textwrap import shorten

from syncengine import app
from syncengine.app.counted import counted
from syncengine.cli import exits
from syncengine.cli.engine import logging_events
from syncengine.cli.options import options
from syncengine.cli.progress import shown_progress
from syncengine.cli.rendering.layout import (
    duration,
    print_line,
    print_table,
    table_with,
)
from syncengine.cli.rendering.runs import print_runs
from syncengine.cli.signals import ReceivedSignal, run_stoppable
from syncengine.cli.terminal import err, out
from syncengine.config.loading import load_config
from syncengine.config.project import Config
from syncengine.logs import set_up
from syncengine.model.reports import RunReport
from syncengine.sandbox.server import Sandbox, serve
from syncengine.shipped import shipped
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from syncengine.storage.demo.scratch_database import scratch_database
from syncengine.storage.server.embedded import embedded

NIGHTS = ("2025-06-01", "2025-09-01")
"""Days whose contacts are synced, each as a file beside the demo's configuration."""
_SHOWN = 3
"""Unsupported contacts that the summary shows."""
REAL_LIMITS = {"charles": (5, 1.0), "respond_io": (200, 60.0)}
"""Requests and seconds of the window in which the real vendor allows them (charles: the
adapter's default, since nothing is documented)."""


def demo() -> int:
    """Sync real contacts to two stand-in vendors, here; leaves nothing behind."""
    received = ReceivedSignal()
    with logging_events():
        code = run_stoppable(_demo, received)
    if received.exit_code is not None:
        return received.exit_code
    return 1 if code is None else code


async def _demo(stop: asyncio.Event) -> int:
    with tempfile.TemporaryDirectory(prefix="syncengine-demo-") as folder:
        async with (
            _database(Path(folder)) as dsn,
            serve(tuple(REAL_LIMITS)) as sandbox,
        ):
            config = _config(dsn, sandbox)
            set_up(
                options.log_format,
                err,
                config.secrets,
                options.log_level or "warning",
            )
            await app.migrate(config)
            return await _nights(config, dsn, stop)


def _config(dsn: str, sandbox: Sandbox) -> Config:
    environ = {
        "SYNCENGINE_DEMO_DATABASE": dsn,
        "SYNCENGINE_DEMO_RESPOND_IO": sandbox.url("respond_io"),
        "SYNCENGINE_DEMO_RESPOND_IO_TOKEN": "sandbox-token",
        "SYNCENGINE_DEMO_CHARLES": sandbox.url("charles"),
        "SYNCENGINE_DEMO_CHARLES_KEY": "sandbox-key",
    }
    config = load_config(shipped("config") / "demo" / "syncengine.yaml", environ)
    # The configuration is shipped with the package: nothing may be written beside it.
    return replace(config, keeps_markers=False)


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[str]:
    """Yield the URL of a database of the demo's own.

    It is on the server that SYNCENGINE_DATABASE_URL names, else on one that lives as
    long as the demo.
    """
    url = os.environ.get("SYNCENGINE_DATABASE_URL")
    if url:
        async with scratch_database(url) as dsn:
            yield dsn
        return
    print_line(
        "Starting an embedded Postgres and the sandbox: stand-ins for charles and "
        "respond.io on this machine."
    )
    async with embedded(folder / "postgres", durable=False) as dsn:
        yield dsn


async def _nights(config: Config, dsn: str, stop: asyncio.Event) -> int:
    """Play all nights, each one twice, and print what happened."""
    runs: list[tuple[str, list[RunReport]]] = []
    for number, night in enumerate(NIGHTS, 1):
        _, rows = read_rows(shipped("config") / "demo" / f"{night}.csv.gz")
        changed, removed = await load_contacts(dsn, rows)
        if number == 1:
            news = f"{changed} rows are new"
        else:
            were = counted(removed, "was", "were")
            news = f"{changed} of {len(rows)} rows changed, {were} removed"
        out.print(
            f"\n[bold]Night {number}[/bold]: the US Congress as of {night}; {news}.",
            markup=True,
        )
        first_reports = await _run(config, stop)
        runs.append((f"{number}", first_reports))
        if stop.is_set():
            return 1
        runs.append((f"{number}, again", await _run(config, stop)))
        if stop.is_set():
            return 1
        # The contacts to look at are left out: the summary is about them.
        print_runs([replace(report, noteworthy=()) for report in first_reports])
    _print_summary(runs)
    all_reports = chain.from_iterable(reports for _, reports in runs)
    codes = {exits.exit_code(report) for report in all_reports}
    return exits.IN_STEP if codes <= {exits.IN_STEP} else exits.FELL_SHORT


async def _run(config: Config, stop: asyncio.Event) -> list[RunReport]:
    request = app.RunRequest()
    with shown_progress() as progress:
        return await app.run(config, (), request, progress=progress, stop=stop)


def _print_summary(runs: Sequence[tuple[str, list[RunReport]]]) -> None:
    """Print the requests of each run, and how long the real vendors would take them.

    ``runs`` are the runs in their order, by title such as ``2, again``.
    """
    out.print("\n[bold]What happened[/bold]", markup=True)
    table = table_with("night", "destination", "requests", "real limit", "would take")
    for title, reports in runs:
        for report in reports:
            requests, seconds = REAL_LIMITS[report.destination]
            table.add_row(
                title,
                report.destination,
                str(report.requests),
                f"{requests} per {seconds:g} s",
                duration(report.requests * seconds / requests),
            )
    print_table(table)
    # The last entry is the run again, the one before it is that of the last night.
    _, last_night = runs[-2]
    (charles,) = [report for report in last_night if report.destination == "charles"]
    print_line(
        "\nRun again on the same data, nothing is sent: what each vendor is known to "
        "hold\nis kept in Postgres, and only what differs from it goes out."
    )
    print_line(
        "\ncharles cannot take a tag away, clear a field or remove a phone: "
        f"{charles.contacts['unsupported']} contacts\nwanted that in night 2. They are "
        "reported once, as unsupported, such as:"
    )
    for note in charles.noteworthy[:_SHOWN]:
        message = shorten(note.message, 66, placeholder=" ...")
        print_line(f"  {note.contact_id}: {message}")
    print_line(
        "\nThe sandbox allows more than the real vendors, so that this takes a minute."
        "\nNothing was left behind. Next: your own table, in five steps, in README.md."
    )
