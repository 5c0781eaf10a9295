"""``syncengine merge``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from syncengine import app
from syncengine.app.counted import worded
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.rows import print_reports
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import MergeReport
from syncengine.model.reports import RunStatus


def merge(
    into: str,
    other: str,
    /,
    *,
    destination: Annotated[str, Parameter(name=["--destination", "-d"])],
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Merge two contacts at a vendor that can. This cannot be undone.

    Parameters
    ----------
    into
        The vendor's id of the contact to merge into. Which of the two ids is left is
        for the vendor to decide.
    other
        The vendor's id of the contact to merge. It must not be the copy of a contact of
        yours.
    destination
        The destination in whose account both contacts are.
    json
        Print one JSON object.
    """
    chosen = chosen_format(format_, json=json)
    report = run_engine(app.merge(options.load(), destination, into, other))

    def print_merges(reports: Sequence[MergeReport]) -> None:
        for each in reports:
            print_line(_in_words(each, into, other))

    print_reports([report], chosen, print_merges)
    return exits.exit_code(report)


def _in_words(report: MergeReport, into: str, other: str) -> str:
    if report.status is RunStatus.DONE:
        return _merged(report, into, other)
    return f"{report.destination}: {report.status}: {report.error}"


def _merged(report: MergeReport, into: str, other: str) -> str:
    """Return what was merged, whose contact is left, and what to do next."""
    name = report.destination
    # Some vendors keep one of the two ids, others make a third one.
    vanished = [each for each in (other, into) if each != report.left]
    ids = " and ".join(vanished)
    were = worded(len(vanished), "was", "were")
    merged = f"{name}: {ids} {were} merged into {report.left}"
    if report.contact_id is None:
        return (
            f"{merged}, which belongs to no contact of yours yet; "
            f"`syncengine adopt -d {name}` links it."
        )
    return (
        f"{merged}, which is the copy of contact {name_of(report.contact_id)}; "
        f"`syncengine verify -d {name}` shows how it differs from your data."
    )
