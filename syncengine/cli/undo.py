"""``syncengine undo``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Sequence
from typing import Literal

from syncengine.app.project import Project
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.execution import execute
from syncengine.cli.options import (
    AtLeastOne,
    Destinations,
    Flag,
    FormatOption,
    Names,
    chosen_format,
    options,
)
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.rows import print_reports
from syncengine.cli.rendering.runs import print_runs
from syncengine.cli.rendering.undo_plans import print_undo_plans
from syncengine.cli.terminal import err, out
from syncengine.config.project import Config
from syncengine.model.reports import Progress, Reports, RunReport
from syncengine.model.undo_plan import UndoPlan


def undo(
    run_id: AtLeastOne,
    /,
    *,
    destination: Destinations = (),
    contact: Names = (),
    field: Names = (),
    created: Literal["keep", "delete"] = "keep",
    yes: Flag = False,
    accept: Names = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Put back at the vendor what a run changed there; shows first what that would be.

    Parameters
    ----------
    run_id
        The run's number, as its report shows it.
    destination
        The destination of the run; a run of another one is refused.
    contact
        Only the contact with this id (its value in the source's key column); may be
        repeated.
    field
        Only this field of the vendor, or `tags`; may be repeated.
    created
        What becomes of contacts that the run created: `keep` leaves them as they are,
        `delete` deletes them.
    yes
        Do it. Without it the plan is shown, and in a terminal you are asked.
    accept
        A brake or a changed setting, by the name that the refusal gives: let it pass in
        this run. May be repeated.
    json
        Print one JSON object.
    """
    chosen = chosen_format(format_, json=json)

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[RunReport]]:
        return Project(config).aundo(
            run_id,
            destinations=destination,
            contacts=contact,
            fields=field,
            created=created,
            accept=accept,
            progress=progress,
            stop=stop,
        )

    if not yes:
        plans = run_engine(
            Project(options.load()).aplan_undo(
                run_id,
                destinations=destination,
                contacts=contact,
                fields=field,
                created=created,
                accept=accept,
            )
        )
        print_reports(plans, chosen, print_undo_plans)
        if not _is_wanted(plans, is_table=chosen == "table"):
            return exits.NOTHING_SENT
    return execute(
        work, lambda reports: print_reports(reports, chosen, print_runs), json=False
    )


def _is_wanted(plans: Reports[UndoPlan], *, is_table: bool) -> bool:
    """Return whether the plan is to be carried out, which a person is asked."""
    (plan,) = plans
    if not plan.ok:
        return False
    if not plan.contacts:
        return False
    can_be_asked = out.is_terminal and err.is_terminal and sys.stdin.isatty()
    if is_table and can_be_asked:
        answer = err.input(f"Put this back at {plan.destination}? [y/N] ")
        return answer.strip().casefold() in ("y", "yes")
    if is_table:
        print_line(f"Nothing was sent: `{plan.command}` does this.")
    return False
