"""Tables of what a plan changes, by field and by tag."""

from __future__ import annotations

from collections.abc import Mapping

from rich.padding import Padding

from syncengine.app.counted import counted
from syncengine.cli.rendering.layout import print_line, print_table, table_with
from syncengine.model.plans import ConfigChange, PlanReport

_MOST_ROWS = 20
"""Number of fields that are shown: those at which most contacts change."""
_AROUND = (1, 0, 0, 2)
"""Lines above, and columns left of a table."""


def print_changes(report: PlanReport | ConfigChange) -> None:
    """Print at how many contacts each field and tag would change."""
    _print_counts("field", report.fields, ("set", "changed", "cleared"))
    left_out = len(report.fields) - _MOST_ROWS
    if left_out > 0:
        print_line(
            f"  and {counted(left_out, 'field', 'fields')} more, which --json lists"
        )
    _print_counts("tag", report.tags, ("added", "removed"))
    if report.tags_left_out:
        print_line(
            f"  and {counted(report.tags_left_out, 'tag', 'tags')} more, or lists"
        )


def _print_counts(
    title: str, counts: Mapping[str, Mapping[str, int]], effects: tuple[str, ...]
) -> None:
    """Print a table of the names with the largest numbers; nothing without any."""
    if not counts:
        return
    table = table_with(title, *effects)
    ranked = sorted(counts.items(), key=_by_contacts)
    for name, numbers in ranked[:_MOST_ROWS]:
        # Zeros would drown the numbers that matter.
        cells = [str(numbers[effect] or "") for effect in effects]
        table.add_row(name, *cells)
    print_table(Padding(table, _AROUND, expand=False))


def _by_contacts(item: tuple[str, Mapping[str, int]]) -> tuple[int, str]:
    """Return the sort key of a row: most contacts first, then by name."""
    name, numbers = item
    return -sum(numbers.values()), name
