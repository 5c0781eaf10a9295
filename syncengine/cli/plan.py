"""``syncengine plan``."""

from __future__ import annotations

from pathlib import Path

from syncengine.app.project import Project
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    AtLeastOne,
    Destinations,
    Flag,
    FormatOption,
    Names,
    chosen_format,
    options,
)
from syncengine.cli.rendering.plans import print_plans
from syncengine.cli.rendering.rows import print_reports


def plan(
    *,
    destination: Destinations = (),
    backfill: Flag = False,
    resync: Flag = False,
    removed: Flag = False,
    limit: AtLeastOne | None = None,
    contact: Names = (),
    accept: Names = (),
    sample: AtLeastOne | None = None,
    since_config: str | None = None,
    out: Path | None = None,
    show_values: Flag = False,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Show what a run would send, and how long it would take; sends nothing.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    backfill
        As for `run --backfill`: compare every contact, not only those whose row
        changed.
    resync
        As for `run --resync`: trust nothing that is known of the contacts, except their
        ids at the vendor.
    removed
        As for `run --removed`: only contacts that left the source in earlier runs.
    limit
        Plan at most this many contacts.
    contact
        Only the contact with this id (its value in the source's key column); may be
        repeated. It is shown with its values until now and then, and with the HTTP
        requests about it, without secrets. These are personal data.
    accept
        A brake or a changed setting, by the name that the refusal gives: plan as if it
        were accepted. May be repeated.
    sample
        Show so many contacts one by one, spread over reasons and actions: each field
        until now and then, and the tags. These are personal data.
    since_config
        Show what a change of the configuration alone would send: the difference to the
        plan under an earlier one. A path of it, or a commit of git.
    out
        Write the plan to this file as well, for `run --plan`: what a person has seen in
        it is what is sent. Only its owner may read it.
    show_values
        Have that file hold old and new values, for whoever approves it. Without this
        option it holds digests of them.
    json
        Print one JSON object for each destination.
    """
    chosen = chosen_format(format_, json=json)
    reports = run_engine(
        Project(options.load()).aplan(
            *destination,
            backfill=backfill,
            resync=resync,
            removed=removed,
            limit=limit,
            contacts=contact,
            accept=accept,
            sample=sample,
            since_config=since_config,
            out=out,
            show_values=show_values,
        )
    )
    print_reports(reports, chosen, print_plans)
    return exits.worst(map(exits.exit_code, reports))
