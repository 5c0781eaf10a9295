"""The plan of ``undo``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.cli.rendering.layout import (
    contacts,
    duration,
    print_line,
    print_table,
    table_with,
    with_numbers,
)
from syncengine.cli.rendering.planned_changes import print_changes
from syncengine.model.contact_ids import name_of
from syncengine.model.undo_plan import UndoPlan


def print_undo_plans(reports: Sequence[UndoPlan]) -> None:
    """Print what would be put back, and by name what would stay."""
    table = table_with(
        "destination", "undo of run", "contacts", "read first", "requests", "time"
    )
    for report in reports:
        plan = report.plan
        table.add_row(
            report.destination,
            str(report.undo_of),
            str(report.contacts),
            str(report.reads),
            str(plan.requests),
            duration(plan.seconds),
        )
    print_table(table)
    for report in reports:
        _print_details(report)


def _print_details(report: UndoPlan) -> None:
    name, plan = report.destination, report.plan
    if plan.actions:
        print_line(f"{name}: {with_numbers(plan.actions)}")
    print_changes(plan)
    if report.skipped:
        print_line(f"{name}: stays as it is: {with_numbers(report.skipped)}")
    for each in report.noteworthy:
        print_line(f"  contact {name_of(each.contact_id)}: {each.message}")
    if report.left_out:
        print_line(
            f"  and {contacts(report.left_out)} more: `syncengine failures RUN` lists "
            "all of them once it is carried out, with the number of its own run"
        )
    for refusal in (plan.brake, plan.error):
        if refusal:
            print_line(refusal, style="bold")
