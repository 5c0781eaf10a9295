"""The report of ``plan``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from syncengine.app.counted import counted
from syncengine.cli.rendering.layout import (
    contacts,
    duration,
    explain_left_out,
    print_line,
    print_table,
    table_with,
    with_numbers,
)
from syncengine.cli.rendering.plan_samples import print_sample
from syncengine.cli.rendering.planned_changes import print_changes
from syncengine.cli.rendering.standing import print_standing
from syncengine.model.plans import ConfigChange, PlanReport
from syncengine.model.progress import limit_in_words

_WHY = {
    "new": "new",
    "returned": "back in the source",
    "left": "left the source",
    "row_changed": "with a changed row",
    "configuration_changed": "only because the configuration changed",
    "held_back": "held back by an undo until now",
    "suppression_lifted": "no longer suppressed or opted out",
    "rejected_before": "rejected before",
    "unfinished": "left unfinished",
    "gone": "deleted at the vendor",
    "recreated": "deleted at the vendor, and created again",
    "out_of_step": "out of step",
}
"""Words for the reasons of ``PlanReport.why``."""


def print_plans(reports: Sequence[PlanReport]) -> None:
    """Print what each destination's run would send."""
    table = table_with(
        "destination", "contacts", "not sent", "look-ups", "requests", "time"
    )
    for report in reports:
        table.add_row(
            report.destination,
            str(report.contacts),
            str(_not_sent(report)),
            str(report.look_ups),
            str(report.requests),
            duration(report.seconds),
        )
    print_table(table)
    for report in reports:
        if report.since_config is not None:
            _print_difference(report.destination, report.since_config)
            continue
        _print_details(report)
    for report in reports:
        for contact in report.sample:
            print_sample(report.destination, contact)
    print_line("Nothing was sent.")


def _not_sent(report: PlanReport) -> int:
    """Return the number of contacts of which something would not be sent."""
    rejected = sum(report.rejected.values())
    suppressed = sum(report.suppressed.values())
    return rejected + suppressed + report.unsupported


def _print_details(report: PlanReport) -> None:
    name = report.destination
    if report.actions:
        print_line(f"{name}: {with_numbers(report.actions)}")
    if report.causes:
        causes = [f"{each.in_words}: {each.contacts}" for each in report.causes]
        print_line(f"{name}: why: {'; '.join(causes)}")
    _print_why(report)
    print_changes(report)
    _print_range(report)
    _print_end(report)
    if report.rejected:
        print_line(f"{name}: rejected: {with_numbers(report.rejected)}")
    for problem, number in report.invalid.items():
        print_line(f"{name}: {contacts(number)} rejected (invalid_value): {problem}")
    if report.suppressed:
        print_line(f"{name}: suppressed: {with_numbers(report.suppressed)}")
    if report.unsupported:
        print_line(
            f"{name}: {contacts(report.unsupported)} unsupported: the vendor cannot "
            "take a part of the change, which the run names"
        )
    if report.unsupported_codes:
        codes = with_numbers(report.unsupported_codes)
        print_line(f"{name}: unsupported, by kind of change: {codes}")
    print_standing(name, report.standing)
    for reason, by_code in sorted(report.standing_codes.items()):
        numbers = with_numbers(by_code)
        print_line(f"{name}: {reason.value} before the run, by code: {numbers}")
    _print_remarks(report)


def _print_difference(name: str, change: ConfigChange) -> None:
    """Print what only the present configuration would send."""
    if change.is_new_destination:
        print_line(f"{name}: the earlier configuration has no such destination")
    parts = [
        f"{contacts(change.contacts)} about which nothing was sent",
        f"{contacts(change.contacts_more)} about which more or something else is sent",
        f"{contacts(change.contacts_no_longer)} about which nothing is sent any more",
        f"{change.requests:+} requests",
    ]
    print_line(f"{name}: since the earlier configuration: {'; '.join(parts)}")
    print_changes(change)
    if change.refused_before:
        print_line(f"{name}: under the earlier one: {change.refused_before}")
    if change.refused_by:
        print_line(change.refused_by, style="bold")


def _print_why(report: PlanReport) -> None:
    """Print the one reason of each contact, where the causes count some twice."""
    counted = {_WHY[name]: number for name, number in report.why.items() if number}
    causes = sum(each.contacts for each in report.causes)
    if sum(counted.values()) != causes:
        print_line(f"{report.destination}: each counted once: {with_numbers(counted)}")


def _print_range(report: PlanReport) -> None:
    """Print best and worst case where they depend on the contacts at the vendor."""
    if report.requests_least == report.requests_most:
        return
    print_line(
        f"{report.destination}: this assumes that the look-ups find no contact. "
        f"If all are there and in step: {report.requests_least} requests in "
        f"{duration(report.seconds_least)}; if all are there and differ: "
        f"{report.requests_most} in {duration(report.seconds_most)}."
    )


def _print_end(report: PlanReport) -> None:
    """Print which limit decides the time, and when the run would end."""
    name = report.destination
    ends_at = report.ends_at(report.seconds)
    if report.limit is not None and ends_at is not None:
        print_line(
            f"{name}: the limit of {limit_in_words(report.limit)} decides the time: "
            f"started now, the run ends {_at(ends_at)}"
        )
    for quota in report.shortages:
        print_line(
            f"{name}: of the limit of {limit_in_words(quota.limit)} "
            f"{quota.left:,} requests are left: the run halts then, and "
            f"{quota.beyond:,} requests wait for later ones"
        )


def _at(moment: datetime) -> str:
    """Return a moment in the zone of the machine, such as ``Sun 29 Nov 03:10 CET``."""
    return moment.astimezone().strftime("%a %d %b %H:%M %Z")


def _print_remarks(report: PlanReport) -> None:
    name = report.destination
    if report.probes:
        contacts_are = counted(report.probes, "contact is", "contacts are")
        print_line(
            f"{name}: {contacts_are} tried as a probe for others that were "
            "rejected for the same reason"
        )
    for remark in report.remarks:
        print_line(f"  {name}: {remark}")
    explain_left_out(report.remarks)
    for refusal in (report.brake, report.error):
        if refusal:
            print_line(refusal, style="bold")
