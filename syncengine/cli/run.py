"""``syncengine run``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

from syncengine.app.project import Project
from syncengine.cli.execution import execute
from syncengine.cli.options import AtLeastOne, Destinations, Flag, FormatOption, Names
from syncengine.cli.rendering.runs import print_runs
from syncengine.config.project import Config
from syncengine.model.reports import Progress, RunReport


def run(
    *,
    destination: Destinations = (),
    backfill: Flag = False,
    resync: Flag = False,
    removed: Flag = False,
    limit: AtLeastOne | None = None,
    contact: Names = (),
    accept: Names = (),
    plan: Path | None = None,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Send what changed in the source, so that the vendors' copies agree with it.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    backfill
        Compare every contact field by field, not only those whose row changed.
    resync
        For use after the database was restored: trust nothing that is known of the
        contacts, except their ids at the vendor. They are read back where the vendor
        can show them, and sent whole where it cannot.
    removed
        Only contacts that left the source in earlier runs: apply to them what
        on_removed says now.
    limit
        Send at most this many contacts.
    contact
        Only the contact with this id (its value in the source's key column); may be
        repeated. Send yourself first.
    accept
        A brake or a changed setting, by the name that the refusal gives: let it pass in
        this run. May be repeated.
    plan
        Send exactly what this file says, which `plan --out` wrote. Look-ups choose
        between the alternatives that it states; whoever has opted out since is left
        out; if anything else moved, nothing is sent.
    json
        Print one JSON object for each destination.
    """

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[RunReport]]:
        return Project(config).arun(
            *destination,
            backfill=backfill,
            resync=resync,
            removed=removed,
            limit=limit,
            contacts=contact,
            accept=accept,
            plan=plan,
            progress=progress,
            stop=stop,
        )

    return execute(work, print_runs, json=json, format_=format_)
