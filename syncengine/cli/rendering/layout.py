"""Layout that all reports share: lines, tables, numbers and durations.

Every report is printed in the same order: a table with a line for each destination,
then what a person should know of each, as lines of text. Everything goes to stdout; the
verbs print with ``print_json`` instead where ``--json`` is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from syncengine.cli.terminal import out
from syncengine.model.http import Json
from syncengine.model.texts import escaped

_LEFT_OUT = "[...]"
"""What stands in a vendor's words for a part that may hold personal data."""
_TEXT_COLUMNS = frozenset({"destination", "status", "night", "field", "tag"})
"""Titles of the columns that hold words; all others hold numbers."""
_FOLDABLE_COLUMNS = frozenset({"destination", "field", "tag"})
"""Titles of those whose words may be folded into several lines."""


class PublicReport(Protocol):
    """A report that programs may read."""

    def public(self) -> dict[str, Json]: ...


def print_json(reports: Iterable[PublicReport]) -> None:
    """Print one JSON object a line."""
    for report in reports:
        print_json_object(report.public())


def print_json_object(value: Mapping[str, Json]) -> None:
    """Print one JSON object in one line, with every unprintable character escaped."""
    text = orjson.dumps(value).decode()
    out.print(escaped(text), soft_wrap=True)


def print_line(text: str, *, style: str | None = None) -> None:
    """Print a line as it is. The terminal wraps it, so that it can be copied whole."""
    # Without markup: a name or a vendor's words may hold brackets, which rich would
    # take for a style.
    out.print(text, markup=False, soft_wrap=True, style=style)


def explain_left_out(messages: Iterable[str]) -> None:
    """Print what ``[...]`` means, where it stands in one of the messages."""
    if any(_LEFT_OUT in message for message in messages):
        print_line(
            f"  {_LEFT_OUT} stands for words left out: they may be personal data"
        )


def print_table(table: RenderableType) -> None:
    """Print a table within the terminal's width."""
    out.print(table)


def table_with(*columns: str) -> Table:
    """Return an empty table that fits into 80 columns: texts left, numbers right.

    Only names may be folded into several lines.
    """
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True
    )
    for name in columns:
        side: Literal["left", "right"] = "left" if name in _TEXT_COLUMNS else "right"
        is_foldable = name in _FOLDABLE_COLUMNS
        table.add_column(name, justify=side, no_wrap=not is_foldable, overflow="fold")
    return table


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"


def with_numbers(counts: Mapping[str, int]) -> str:
    """Return names with their numbers, such as ``3 rejected, 1 deferred``."""
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def contacts(number: int) -> str:
    """Return ``1 contact``, or ``2 contacts``."""
    return "1 contact" if number == 1 else f"{number} contacts"


def were_and_them(number: int) -> tuple[str, str]:
    """Return ``1 contact was`` or ``2 contacts were``, and the pronoun for them."""
    if number == 1:
        return "1 contact was", "it"
    return f"{contacts(number)} were", "them"
