"""The reports of ``export`` and ``import``."""

from __future__ import annotations

from syncengine.app.counted import worded
from syncengine.cli.rendering.layout import print_line
from syncengine.model.consent_file import ConsentReport
from syncengine.model.contact_ids import as_argument

_NAMED = 20
"""Contacts that are named; ``--json`` names all."""


def counted(report: ConsentReport) -> str:
    """Return the numbers of what a file holds."""
    suppressions = _number(report.suppressions, "suppression")
    return f"{suppressions} and {_number(report.erasures, 'erasure')}"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_imported(report: ConsentReport) -> None:
    """Print what was read, and the contacts of which a restore brought data back."""
    print_line(f"{counted(report)} read, {report.new} of them new here")
    forgotten = report.forgotten_here
    if not forgotten:
        return
    have = worded(len(forgotten), "has", "have")
    print_line(
        f"{_number(len(forgotten), 'forgotten contact')} {have} data here again. "
        "Nothing is sent about them. Erase them again, once "
        "`syncengine run --accept restored` has accepted the restore:"
    )
    for contact_id in forgotten[:_NAMED]:
        print_line(f"  syncengine forget {as_argument(contact_id)}")
    if len(forgotten) > _NAMED:
        more = len(forgotten) - _NAMED
        print_line(f"  and {more} more: `import --consent` with --json names them")
