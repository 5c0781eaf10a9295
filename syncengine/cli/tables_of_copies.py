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
    "gone": "not there any more",
    "changed": "changed there",
    "missing": "without a value there",
    "extra": "with a value there that we know nothing of",
    "opted_out": "opted out there (left as it is)",
    "missing_tags": "without the tags",
    "extra_tags": "with the tags",
}


_LEFT = {
    NotRepaired.OPTED_OUT: "they opted out there, and nothing else drifted",
    NotRepaired.DEAD_LETTER: (
        "dead letters: refused for good until their row changes, or "
        "`syncengine retry` tries them again"
    ),
    NotRepaired.GONE: (
        "deleted there; the next run looks them up by their match keys and links what it finds. `syncengine verify -d "
        "{name} --repair --recreate` has them created again"
    ),
    NotRepaired.NOT_ASKED: "they drifted in other fields than those of --field",
    NotRepaired.BRAKE: "a brake stopped the repair",
    NotRepaired.UNFINISHED: "the comparison did not come to its end: verify again",
}


def print_verified(reports: Sequence[VerifyReport]) -> None:
    """Print the state of each destination's copies, and the contacts that drifted."""
    shown = columns(
        "destination", "status", "compared", "drifted", "repaired", "requests", "time"
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
        yield f"{report.destination}: {counted(report.found)}; in {counted(report.subjects) or 'no field'}"
    for contact in report.contacts[:_SHOWN]:
        ways = "; ".join(
            f"{_WAYS[way]} {', '.join(names)}".rstrip()
            for way, names in contact.found.items()
        )
        yield f"  {report.destination}, contact {name_of(contact.contact_id)}: {ways}"
    if report.drifted > _SHOWN:
        yield f"  and {report.drifted - _SHOWN} more; --json names up to 1000 of them"


def _advice(report: VerifyReport) -> Iterator[str]:
    name = report.destination
    if "opted_out" in report.found:
        yield (
            f"  {name}: an opt-out at the vendor is never taken back, unless settings.lower_opt_outs names its field"
        )
    yield from _not_compared(report)
    if report.gone:
        contacts = "1 contact" if report.gone == 1 else f"{report.gone} contacts"
        yield (
            f"  {name}: {contacts} gone, not compared: deleted at the vendor before, and left alone. "
            f"`syncengine run -d {name} --contact ID` creates one again, `syncengine verify -d {name} --repair "
            "--recreate` all of them"
        )
    if report.unread:
        yield f"  {name}: {report.unread} contacts could not be read, the vendor gave no answer: verify again later"
    if report.strangers:
        yield (
            f"  {name}: {_belong(report.strangers)} to nobody here; `syncengine adopt -d {name}` "
            "links those that are in the source, except those about whom nothing may be sent (suppressed, opted out or "
            "forgotten: those are not linked, and `syncengine forget ID` finds them)"
        )
    if report.repaired:
        contacts = (
            "1 contact" if report.repaired == 1 else f"{report.repaired} contacts"
        )
        yield f"  {name}: the next `syncengine run -d {name}` mends {contacts}"
    for reason, number in report.left.items():
        yield f"  {name}: {number} left: {_LEFT[NotRepaired(reason)].format(name=name)}"
    if report.other_account:
        return
    if not report.repaired and not report.left and report.drifted > report.opted_out:
        yield f"  {name}: `syncengine verify -d {name} --repair` lets the next run mend what drifted"


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
        "refused",
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
        yield f"  {name}: {were} not compared: the next run has to settle {them} first"
    if report.silent:
        were, them = _were(report.silent)
        yield (
            f"  {name}: {were} not compared: nothing may be sent about {them} (suppressed, or opted out in the source)"
        )
    for contact_id in report.erasing:
        yield (
            f"  {name}: contact {name_of(contact_id)} was not compared: its erasure is not finished; "
            f"`syncengine forget {as_argument(contact_id)}` finishes it"
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
            f"  {name}: {were} not looked up and not linked: nothing may be sent about {them} (suppressed, opted out "
            "or forgotten)"
        )


def _decisions(report: AdoptReport) -> Iterator[str]:
    name = report.destination
    for note in report.contacts[:_SHOWN]:
        yield f"  {name}, contact {name_of(note.contact_id)}: {note.outcome}: {note.message}"
    if len(report.contacts) > _SHOWN:
        yield f"  and {len(report.contacts) - _SHOWN} more; --json names up to 1000 of them"
    if report.alike:
        yield (
            f"  {name}: alike: somebody there has the same digits without a country code, and may be another person. "
            "Write the country code there, or give the field a region, and adopt again"
        )
    if report.ambiguous:
        yield (
            f"  {name}: nothing is guessed. `syncengine merge INTO OTHER -d {name}` makes one contact of two where the "
            "vendor can; else delete one there, or add a field to match_on that tells them apart, and adopt again"
        )
    if report.owned:
        yield (
            f"  {name}: owned: another contact of yours is linked to the one that was found. Two rows stand for one "
            "person there: correct one of them, or add a field to match_on that tells them apart"
        )
    if report.refused:
        yield f"  {name}: refused: the row itself has to be corrected before it can be looked up; nothing was asked"
    if report.unread:
        yield f"  {name}: {report.unread} contacts could not be looked up, the vendor gave no answer: adopt again later"
    if report.gone:
        yield (
            f"  {name}: {report.gone} gone: deleted at the vendor, and nobody there has their match keys. They are "
            f"left alone; `syncengine run -d {name} --contact ID` creates one again, on_gone: recreate all"
        )
    if report.unmatched:
        yield f"  {name}: the next run creates those who are unmatched; `syncengine plan -d {name}` tells what it sends"
