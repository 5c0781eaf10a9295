"""Tables of the verbs that look at the vendors' copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncengine.cli.tables import columns, counted, duration
from syncengine.cli.terminal import out
from syncengine.model.contact_ids import as_argument, name_of
from syncengine.model.copies import AdoptReport, VerifyReport
from syncengine.planning.repair import NotRepaired

_SHOWN = 20
_WAYS = {
    "gone": "deleted at the vendor",
    "changed": "other values at the vendor in",
    "missing": "no value at the vendor in",
    "extra": "unexpected value at the vendor in",
    "opted_out": "opted out at the vendor (left as it is) in",
    "missing_tags": "missing tags:",
    "extra_tags": "unexpected tags:",
}


_LEFT = {
    NotRepaired.OPTED_OUT: "they opted out at the vendor, and nothing else drifted",
    NotRepaired.DEAD_LETTER: (
        "they are dead letters, left alone until their row changes. "
        "`syncengine retry --dead -d {name}` tries them again"
    ),
    NotRepaired.GONE: (
        "they were deleted at the vendor. The next run links those that it finds by "
        "their match keys; `syncengine verify -d {name} --repair --recreate` has the "
        "others created again"
    ),
    NotRepaired.NOT_ASKED: "they drifted in other fields than those of --field",
    NotRepaired.BRAKE: "a brake stopped the repair",
    NotRepaired.UNFINISHED: (
        "the comparison stopped before its end. Run `syncengine verify` again"
    ),
}


def print_verified(reports: Sequence[VerifyReport]) -> None:
    """Print the state of each destination's copies, and the contacts that drifted."""
    shown = columns(
        "destination", "status", "compared", "drifted", "to repair", "requests", "time"
    )
    for report in reports:
        shown.add_row(
            report.destination,
            report.status,
            str(report.compared),
            str(report.drifted),
            str(report.repaired),
            str(report.requests),
            duration(report.seconds),
        )
    out.print(shown)
    for report in reports:
        if report.error:
            out.print(report.error, markup=False, style="bold", soft_wrap=True)
        for line in (*_found(report), *_advice(report)):
            out.print(line, markup=False, soft_wrap=True)


def _found(report: VerifyReport) -> Iterator[str]:
    if report.found:
        where = f", in {counted(report.subjects)}" if report.subjects else ""
        yield f"{report.destination}: {counted(report.found)}{where}"
    for contact in report.contacts[:_SHOWN]:
        ways = "; ".join(
            f"{_WAYS[way]} {', '.join(names)}".rstrip()
            for way, names in contact.found.items()
        )
        yield f"  {report.destination}, contact {name_of(contact.contact_id)}: {ways}"
    if report.drifted > _SHOWN:
        yield f"  and {report.drifted - _SHOWN} more (--json lists up to 1000)"


def _advice(report: VerifyReport) -> Iterator[str]:
    name = report.destination
    if "opted_out" in report.found:
        yield (
            f"  {name}: an opt-out at the vendor is never taken back, unless "
            "settings.lower_opt_outs names its field"
        )
    yield from _not_compared(report)
    if report.gone:
        contacts = "1 contact" if report.gone == 1 else f"{report.gone} contacts"
        yield (
            f"  {name}: {contacts} not compared: gone, that is deleted at the vendor "
            "earlier, and left alone. "
            f"`syncengine run -d {name} --contact ID` creates one again, "
            f"`syncengine verify -d {name} --repair --recreate` all of them"
        )
    if report.unread:
        could = "1 contact" if report.unread == 1 else f"{report.unread} contacts"
        yield (
            f"  {name}: {could} could not be read, because the vendor did not answer. "
            "Run `syncengine verify` again later"
        )
    if report.strangers:
        yield (
            f"  {name}: {_belong(report.strangers)} to no contact known here. "
            f"`syncengine adopt -d {name}` links those that are in the source, except "
            "suppressed, opted-out and forgotten ones (`syncengine forget ID` finds "
            "those)"
        )
    if report.repaired:
        contacts = (
            "1 contact" if report.repaired == 1 else f"{report.repaired} contacts"
        )
        yield f"  {name}: the next `syncengine run -d {name}` repairs {contacts}"
    for reason, number in report.left.items():
        why = _LEFT[NotRepaired(reason)].format(name=name)
        yield f"  {name}: {number} not repaired: {why}"
    if report.other_account:
        return
    if not report.repaired and not report.left and report.drifted > report.opted_out:
        yield (
            f"  {name}: `syncengine verify -d {name} --repair` has the next run repair "
            "what drifted"
        )


def print_adopted(reports: Sequence[AdoptReport]) -> None:
    """Print the contacts found in each account, and those that need a decision."""
    shown = columns(
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
        shown.add_row(
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
    out.print(shown)
    for report in reports:
        if report.error:
            out.print(report.error, markup=False, style="bold", soft_wrap=True)
        for line in (*_left_out(report), *_decisions(report)):
            out.print(line, markup=False, soft_wrap=True)


def _not_compared(report: VerifyReport) -> Iterator[str]:
    name = report.destination
    if report.in_doubt:
        were, them = _were(report.in_doubt)
        yield (
            f"  {name}: {were} not compared: a request of an earlier run got no answer. "
            f"The next run settles {them} first"
        )
    if report.silent:
        were, them = _were(report.silent)
        yield (
            f"  {name}: {were} not compared: nothing may be sent about {them} "
            "(suppressed, or opted out in the source)"
        )
    for contact_id in report.erasing:
        yield (
            f"  {name}: contact {name_of(contact_id)} was not compared: its erasure is "
            f"not finished. `syncengine forget {as_argument(contact_id)}` finishes it"
        )


def _were(number: int) -> tuple[str, str]:
    """Return "1 contact was" or "2 contacts were", and the pronoun for them."""
    return (
        ("1 contact was", "it") if number == 1 else (f"{number} contacts were", "them")
    )


def _belong(number: int) -> str:
    return (
        "1 contact at the vendor belongs"
        if number == 1
        else f"{number} contacts at the vendor belong"
    )


def _left_out(report: AdoptReport) -> Iterator[str]:
    name = report.destination
    if report.silent:
        were, them = _were(report.silent)
        yield (
            f"  {name}: {were} not looked up and not linked: nothing may be sent about "
            f"{them} (suppressed, opted out or forgotten)"
        )


def _decisions(report: AdoptReport) -> Iterator[str]:
    name = report.destination
    for note in report.contacts[:_SHOWN]:
        contact = name_of(note.contact_id)
        yield f"  {name}, contact {contact}: {note.outcome}: {note.message}"
    if len(report.contacts) > _SHOWN:
        yield f"  and {len(report.contacts) - _SHOWN} more (--json lists up to 1000)"
    if report.alike:
        yield (
            f"  {name}: alike: a contact at the vendor has the same digits without a "
            "country code, and may be another person. Write the country code there, or "
            "give the field a region, and run `syncengine adopt` again"
        )
    if report.ambiguous:
        yield (
            f"  {name}: ambiguous: several contacts at the vendor match, and none was "
            f"linked. `syncengine merge INTO OTHER -d {name}` merges two where the vendor "
            "can; else delete one there, or add a field to match_on that tells them apart, "
            "and run `syncengine adopt` again"
        )
    if report.owned:
        yield (
            f"  {name}: owned: the vendor's contact is linked to another row already, so "
            "two rows match one contact there. Correct one of the rows, or add a field to "
            "match_on that tells them apart"
        )
    if report.refused:
        yield (
            f"  {name}: rejected: the row has invalid values, so the vendor was not "
            "asked. Correct the row and run `syncengine adopt` again"
        )
    if report.unread:
        could = "1 contact" if report.unread == 1 else f"{report.unread} contacts"
        yield (
            f"  {name}: {could} could not be looked up, because the vendor did not "
            "answer. Run `syncengine adopt` again later"
        )
    if report.gone:
        yield (
            f"  {name}: {report.gone} gone: deleted at the vendor, no contact there has "
            "their match keys, and they are left alone. "
            f"`syncengine run -d {name} --contact ID` creates one again, "
            "`on_gone: recreate` all"
        )
    if report.unmatched:
        yield (
            f"  {name}: unmatched: the next run creates these contacts. "
            f"`syncengine plan -d {name}` shows what it sends"
        )
