"""The undo of a run, next to the run that it takes back.

All contacts are sent, then two columns and the tags of each change in the source and
are sent, and that run is taken back. Both commands are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncengine.storage.connect import connect
from tests.benchmarks.contacts import create_source
from tests.benchmarks.measured import Measured, say, show
from tests.benchmarks.scratch import (
    Configured,
    configure,
    report_of,
    scratch_databases,
    served,
)

_AIM, _AIM_MEMORY = 3.0, 120.0
"""Times the CPU of the run, and MB."""
_CHANGE = (
    "UPDATE crm.contacts SET company = company || ' II', job_title = 'Owner II', "
    "tags = array_append(tags, 'changed')"
)


def main(arguments: list[str]) -> None:
    """Build the contacts, send, change and take back, and print the table."""
    parser = argparse.ArgumentParser(prog="./run bench undo", description=__doc__)
    parser.add_argument(
        "--contacts", type=int, default=10_000, help="the default is %(default)s"
    )
    parser.add_argument(
        "--vendor",
        choices=("charles", "respond_io"),
        default="charles",
        help="the default is %(default)s",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), options.vendor, options.contacts))


@dataclass(slots=True)
class _Taken:
    """What one command took."""

    contacts: int
    took: dict[str, float]
    requests: int = field(default=0)

    @property
    def micros(self) -> Sequence[float]:
        """Return the CPU of a contact, in microseconds."""
        return [self.took["cpu"] / self.contacts * 1e6]


async def _measure(folder: Path, vendor: str, contacts: int) -> None:
    async with scratch_databases() as databases, served(vendor) as url:
        dsn = await asyncio.to_thread(databases.create, migrated=True)
        connection = await connect(dsn)
        await create_source(connection, contacts)
        configured = configure(folder / "undo", vendor, url, state=dsn)
        say(f"{vendor}: {contacts:,} contacts are sent ...")
        await _command(configured, contacts, "run", "--backfill")
        await connection.execute(_CHANGE)
        say("all of them change, and are sent ...")
        number, run = await _command(configured, contacts, "run")
        await connection.close()
        say(f"run {number} is taken back ...")
        _, undo = await _command(configured, contacts, "undo", str(number), "--yes")
        await asyncio.to_thread(databases.drop, dsn)
    show(
        f"The undo of a run of {contacts:,} changed contacts at {vendor}, next to the "
        "run",
        [
            Measured("CPU a contact", "us", undo.micros, run.micros, _AIM),
            Measured("seconds", "s", [undo.took["seconds"]], [run.took["seconds"]]),
            Measured("requests", "", [undo.requests], [run.requests]),
            Measured("peak memory of the run", "MB", [run.took["peak"]]),
            Measured(
                "peak memory of the undo", "MB", [undo.took["peak"]], aim=_AIM_MEMORY
            ),
        ],
    )


async def _command(
    configured: Configured, contacts: int, *arguments: str
) -> tuple[int, _Taken]:
    """Run a command over all contacts; return its run's number and what it took."""
    *reports, took = await report_of(
        "tests.benchmarks.command",
        "--config",
        str(configured.file),
        "--no-progress",
        *arguments,
        "--json",
        # Nobody changes a tag of all contacts without meaning it.
        "--accept",
        "tags",
        environ=configured.environ,
    )
    report: dict[str, Any] = reports[-1]
    # charles takes no tag off: then all else is taken back.
    through = report["contacts"]["applied"] + report["contacts"]["unsupported"]
    if through != contacts:
        raise RuntimeError(f"not all contacts went through: {report}")
    return report["run_id"], _Taken(contacts, took, report["requests"])
