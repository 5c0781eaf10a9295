"""The reports of ``suppress``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.cli.rendering.layout import print_line, print_table, table_with
from syncengine.model.erasure import Suppressions, SuppressReport


def print_suppressed(report: SuppressReport, *, given: int, read: int) -> None:
    """Print how many were suppressed or lifted, and how many had been before.

    ``given`` is the number of lines and ids that a person gave, ``read`` the number of
    ids, phones and addresses that they were read as.
    """
    line = f"{report.action}: {report.changed} of {report.named}"
    others = report.named - report.changed
    if others:
        was_lifted = report.action == "lifted"
        before = "not suppressed before" if was_lifted else "suppressed already"
        line += f" ({others} {before})"
    print_line(line)

    reasons = []
    if read > given:
        reasons.append("some can be read in several ways")
    if read > report.named:
        reasons.append("some mean the same person")
    if reasons:
        print_line(
            f"{given} lines and ids mean {report.named}, since {' and '.join(reasons)}."
        )


def print_suppressions(found: Sequence[Suppressions]) -> None:
    """Print the numbers of all suppressions, by kind and reason."""
    if not found:
        print_line("Nobody is suppressed.")
        return
    table = table_with("kind", "reason", "number", "latest")
    for each in found:
        latest = f"{each.latest:%Y-%m-%d %H:%M} UTC"
        table.add_row(each.kind, each.reason, str(each.number), latest)
    print_table(table)
