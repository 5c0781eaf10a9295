"""The report of ``adopt``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncengine.cli.rendering.layout import (
    contacts,
    duration,
    print_line,
    print_table,
    table_with,
    were_and_them,
)
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import AdoptReport

_NAMED = 20
"""Contacts that are named; ``--json`` names up to 1000."""


def print_adopted(reports: Sequence[AdoptReport]) -> None:
    """Print the contacts found in each account, and those that need a decision."""
    table = table_with(
        "destination",
        "status",
        "linked",
        "unmatched",
        "alike",
        "gone",
        "ambiguous",
        "owned",
        "rejected",
        "requests",
        "time",
    )
    for report in reports:
        table.add_row(
            report.destination,
            report.status,
            str(report.linked),
            str(report.unmatched),
            str(report.alike),
            str(report.gone),
            str(report.ambiguous),
            str(report.owned),
            str(report.refused),
            str(report.requests),
            duration(report.seconds),
        )
    print_table(table)
    for report in reports:
        if report.error:
            print_line(report.error, style="bold")
        for line in _contact_lines(report):
            print_line(line)
        for line in _advice(report):
            print_line(f"  {report.destination}: {line}")


def _contact_lines(report: AdoptReport) -> Iterator[str]:
    """Yield a line for each contact that could not be linked and needs a decision."""
    for note in report.contacts[:_NAMED]:
        # "refused" is the name that programs know; to people it is a whole run's.
        finding = "rejected" if note.outcome == "refused" else note.outcome
        who = f"{report.destination}, contact {name_of(note.contact_id)}"
        yield f"  {who}: {finding}: {note.message}"
    if len(report.contacts) > _NAMED:
        yield f"  and {len(report.contacts) - _NAMED} more (--json lists up to 1000)"


def _advice(report: AdoptReport) -> Iterator[str]:
    """Yield what numbers in the table mean, and what to do about them."""
    yield from _not_linked(report)
    yield from _left_to_runs(report)


def _not_linked(report: AdoptReport) -> Iterator[str]:
    """Yield why contacts were not linked although the vendor may hold them."""
    name = report.destination
    if report.silent:
        were, them = were_and_them(report.silent)
        yield (
            f"{were} not looked up and not linked: nothing may be sent about "
            f"{them} (suppressed, opted out or forgotten)"
        )
    if report.alike:
        yield (
            "alike: a contact at the vendor has the same digits without a country "
            "code, and may be another person. Write the country code there, or give "
            "the field a region, and run `syncengine adopt` again"
        )
    if report.ambiguous:
        yield (
            "ambiguous: several contacts at the vendor match, and none was linked. "
            f"`syncengine merge INTO OTHER -d {name}` merges two where the vendor can; "
            "else delete one there, or add a field to match_on that tells them apart, "
            "and run `syncengine adopt` again"
        )
    if report.owned:
        yield (
            "owned: the vendor's contact is linked to another row already, so two rows "
            "match one contact there. Correct one of the rows, or add a field to "
            "match_on that tells them apart"
        )
    if report.refused:
        yield (
            "rejected: a value is invalid or another row has the same match key, so "
            "the vendor was not asked. Correct the row and run `syncengine adopt` again"
        )
    if report.unread:
        yield (
            f"{contacts(report.unread)} could not be looked up, because the vendor did "
            "not answer. Run `syncengine adopt` again later"
        )


def _left_to_runs(report: AdoptReport) -> Iterator[str]:
    """Yield which contacts the vendor does not hold, and what runs do about them."""
    name = report.destination
    if report.gone:
        yield (
            f"{report.gone} gone: deleted at the vendor, no contact there has their "
            "match keys, and they are left alone. "
            f"`syncengine run -d {name} --contact ID` creates one again, "
            "`on_gone: recreate` all"
        )
    if report.unmatched:
        yield (
            "unmatched: the next run creates these contacts. "
            f"`syncengine plan -d {name}` shows what it sends"
        )
