"""The report of ``verify``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from syncengine.app.counted import worded
from syncengine.cli.rendering.layout import (
    contacts,
    duration,
    print_line,
    print_table,
    table_with,
    were_and_them,
    with_numbers,
)
from syncengine.model.contact_ids import as_argument, name_of
from syncengine.model.copies import VerifyReport
from syncengine.planning.repair import NotRepaired

_NAMED = 20
"""Contacts that are named; ``--json`` names more."""
_DRIFT = {
    "gone": "gone (deleted or merged at the vendor)",
    "changed": "other values at the vendor in",
    "missing": "no value at the vendor in",
    "extra": "unexpected value at the vendor in",
    "opted_out": "opted out at the vendor (left as it is) in",
    "missing_tags": "missing tags:",
    "extra_tags": "unexpected tags:",
}
"""Kind of drift in words, before the names of fields or tags.

The kinds are those of ``planning.drift``; of a contact that is gone nothing is named.
"""
_NOT_REPAIRED = {
    NotRepaired.OPTED_OUT: "they opted out at the vendor, and nothing else drifted",
    NotRepaired.DEAD_LETTER: (
        "they are dead letters, left alone until their row or the mapping changes. "
        "`syncengine retry --dead -d {name}` tries them again"
    ),
    NotRepaired.GONE: (
        "they are gone, deleted or merged at the vendor. "
        "The next run links those that it finds by their match keys; "
        "`syncengine verify -d {name} --repair --recreate` has the others created again"
    ),
    NotRepaired.NOT_ASKED: "they drifted in other fields than those of --field",
    NotRepaired.BRAKE: "a brake stopped the repair",
    NotRepaired.UNFINISHED: (
        "the comparison stopped before its end. Run `syncengine verify` again"
    ),
}


def print_verified(reports: Sequence[VerifyReport]) -> None:
    """Print the state of each destination's copies, and the contacts that drifted."""
    table = table_with(
        "destination",
        "status",
        "compared",
        "drifted",
        "repairs noted",
        "requests",
        "time",
    )
    for report in reports:
        table.add_row(
            report.destination,
            report.status,
            str(report.compared),
            str(report.drifted),
            str(report.repaired),
            str(report.requests),
            duration(report.seconds),
        )
    print_table(table)
    for report in reports:
        if report.error:
            print_line(report.error, style="bold")
        for line in _drift_lines(report):
            print_line(line)
        for line in _advice(report):
            print_line(f"  {report.destination}: {line}")


def _drift_lines(report: VerifyReport) -> Iterator[str]:
    name = report.destination
    if report.found:
        line = f"{name}: {with_numbers(report.found)}"
        if report.subjects:
            line += f", in {with_numbers(report.subjects)}"
        yield line
    for contact in report.contacts[:_NAMED]:
        who = f"{name}, contact {name_of(contact.contact_id)}"
        yield f"  {who}: {_drift(contact.found)}"
    if report.drifted > _NAMED:
        yield f"  and {report.drifted - _NAMED} more (--json lists up to 1000)"


def _drift(found: Mapping[str, Sequence[str]]) -> str:
    """Return how one contact drifted, with the fields or tags."""
    parts: list[str] = []
    for kind, names in found.items():
        part = _DRIFT[kind]
        if names:
            part += f" {', '.join(names)}"
        parts.append(part)
    return "; ".join(parts)


def _advice(report: VerifyReport) -> Iterator[str]:
    """Yield what else was found, and what to do about it."""
    if "opted_out" in report.found:
        yield (
            "an opt-out at the vendor is never taken back, unless "
            "settings.lower_opt_outs names its field"
        )
    yield from _not_compared(report)
    if report.strangers:
        yield _strangers(report.destination, report.strangers)
    yield from _repair_advice(report)


def _not_compared(report: VerifyReport) -> Iterator[str]:
    """Yield which contacts were not compared, and why."""
    name = report.destination
    if report.in_doubt:
        were, them = were_and_them(report.in_doubt)
        yield (
            f"{were} not compared: a request of an earlier run got no answer. "
            f"The next run settles {them} first"
        )
    if report.silent:
        were, them = were_and_them(report.silent)
        yield (
            f"{were} not compared: nothing may be sent about {them} "
            "(suppressed, or opted out in the source)"
        )
    for contact_id in report.erasing:
        yield (
            f"contact {name_of(contact_id)} was not compared: its erasure is "
            f"not finished. `syncengine forget {as_argument(contact_id)}` finishes it"
        )
    if report.gone:
        yield (
            f"{contacts(report.gone)} not compared: gone, that is deleted or merged "
            "at the vendor earlier, and left alone. "
            f"`syncengine run -d {name} --contact ID` creates one again, "
            f"`syncengine verify -d {name} --repair --recreate` all of them"
        )
    if report.unread:
        yield (
            f"{contacts(report.unread)} could not be read, because the vendor did not "
            "answer. Run `syncengine verify` again later"
        )
    if report.merged:
        yield _merged(report.merged)


def _merged(contact_ids: Sequence[str]) -> str:
    were, _ = were_and_them(len(contact_ids))
    names = ", ".join(map(name_of, contact_ids[:_NAMED]))
    if len(contact_ids) > _NAMED:
        names += f" and {len(contact_ids) - _NAMED} more (--json lists them)"
    return (
        f"{were} not compared: merged at the vendor, which shows another contact "
        f"instead: {names}. Once the row of one changes, the next run links it to "
        "what is left, or, where that is another contact's, ends it as gone"
    )


def _strangers(name: str, number: int) -> str:
    belong = worded(number, "belongs", "belong")
    return (
        f"{contacts(number)} at the vendor {belong} to no contact known here. "
        f"`syncengine adopt -d {name}` links those that are in the source, except "
        "suppressed, opted-out and forgotten ones (`syncengine forget ID` finds those)"
    )


def _repair_advice(report: VerifyReport) -> Iterator[str]:
    """Yield what is repaired and what is not, or how to have it repaired."""
    name = report.destination
    if report.repaired:
        yield f"the next `syncengine run -d {name}` repairs {contacts(report.repaired)}"
    for reason, number in report.left.items():
        words = _NOT_REPAIRED[NotRepaired(reason)].format(name=name)
        yield f"{number} not repaired: {words}"
    was_repair = report.repaired or report.left
    # An opt-out at the vendor counts as drift, and is not repaired.
    can_be_repaired = report.drifted > report.opted_out
    if can_be_repaired and not was_repair and not report.other_account:
        yield (
            f"`syncengine verify -d {name} --repair` has the next run repair what "
            "drifted"
        )
