"""Rows of results in the form that ``--format`` asks for.

``table`` is for people; ``csv`` for spreadsheets; ``json`` is one document, an array of
rows; ``jsonl`` has one row a line. Rows are written page by page, so that a million of
them need no more memory than one page.

A verb that prints one report for each destination uses ``print_reports``: there
``json`` and ``jsonl`` are the same, one object a line.

A spreadsheet takes a cell that begins with a sign such as ``=`` for a formula, and a
vendor's message or a contact id may be made so that it does harm. Such a text gets an
apostrophe in front in CSV. JSON has every text as it is.
"""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from syncengine.cli.options import Format
from syncengine.cli.rendering.layout import PublicReport, print_json, print_table
from syncengine.cli.terminal import out, write_out
from syncengine.model.http import Json
from syncengine.model.texts import escaped

Row: TypeAlias = Mapping[str, Json]
"""One row, by public names."""
Sink: TypeAlias = Callable[[str], object]
"""Function that takes the text of one or more lines."""
R = TypeVar("R", bound=PublicReport)

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters with which a cell begins that a spreadsheet may take for a formula."""
_AT_A_TIME = 500
"""Rows of a table that are laid out together."""
_WIDE = 120
"""Columns of a terminal from which on a table shows its wide columns, too."""


def in_words(value: Json) -> str:
    """Return a value as a cell shows it: nothing for null, lists with commas."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(map(str, value))
    return orjson.dumps(value).decode()


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of the table that people see. Other formats have the whole row."""

    name: str
    """The row's key."""
    title: str = ""
    """The heading; its name if empty."""
    side: Literal["left", "right"] = "left"
    words: Callable[[Json], str] = in_words
    """Function that turns the value into the text of a cell."""
    is_wide: bool = False
    """True for a column that a narrow terminal has no room for."""
    is_folded: bool = False
    """True for a column of long texts: where room is short, its cells have several
    lines, and those of the others stay on one."""
    of_row: Callable[[Row], str] | None = None
    """Function that makes the text of a cell of several values, in place of
    ``words``."""

    def cell(self, row: Row) -> Text:
        """Return the cell of a row: Text, in which rich looks for no markup."""
        if self.of_row is not None:
            return Text(self.of_row(row))
        return Text(self.words(row.get(self.name)))


class RowWriter(ABC):
    """Writes rows in one form, as they come."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Write some more rows."""

    def finish(self) -> None:  # noqa: B027 - most forms have no end of their own
        """Write what comes after the last row."""


class _TableWriter(RowWriter):
    """Prints a table for people.

    Of more rows than a person reads at once, the first ones set the widths.
    """

    def __init__(self, columns: Sequence[TableColumn]) -> None:
        is_narrow = out.width < _WIDE
        self._columns = [each for each in columns if not (each.is_wide and is_narrow)]
        self._widths = [0 for _ in self._columns]
        self._is_first = True
        self._waiting: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._waiting += rows
        if len(self._waiting) >= _AT_A_TIME:
            self._print(self._waiting)
            self._waiting = []

    def finish(self) -> None:
        if self._waiting:
            self._print(self._waiting)

    def _print(self, rows: Sequence[Row]) -> None:
        table = Table(
            box=SIMPLE_HEAD,
            pad_edge=False,
            show_edge=False,
            collapse_padding=True,
            show_header=self._is_first,
        )
        if self._is_first and len(rows) < _AT_A_TIME:
            # These are all rows: what none of them has needs no room.
            self._leave_out_empty_columns(rows)
        lines = [self._cells(row) for row in rows]
        for index, column in enumerate(self._columns):
            longest = max(cells[index].cell_len for cells in lines)
            title = column.title or column.name
            self._widths[index] = max(self._widths[index], longest, len(title))
            table.add_column(
                title,
                justify=column.side,
                overflow="fold",
                no_wrap=not column.is_folded,
                # On a page of a terminal rich shares the width out; elsewhere there is
                # room for all.
                min_width=None if out.is_terminal else self._widths[index],
            )
        for cells in lines:
            table.add_row(*cells)
        print_table(table)
        self._is_first = False

    def _leave_out_empty_columns(self, rows: Sequence[Row]) -> None:
        kept = [each for each in self._columns if any(map(each.cell, rows))]
        self._columns = kept
        self._widths = self._widths[: len(kept)]

    def _cells(self, row: Row) -> list[Text]:
        return [each.cell(row) for each in self._columns]


class _CsvWriter(RowWriter):
    """Writes CSV with a line of names; the first page says which there are."""

    def __init__(self, names: Sequence[str], sink: Sink) -> None:
        self._names = tuple(names)
        self._sink = sink
        self._has_names = False

    def write(self, rows: Sequence[Row]) -> None:
        lines = [self._cells(row) for row in rows]
        if not self._has_names:
            lines.insert(0, list(self._names))
            self._has_names = True
        self._sink("".join(map(_csv_line, lines)))

    def finish(self) -> None:
        if not self._has_names:
            self.write(())

    def _cells(self, row: Row) -> list[str]:
        return [_csv_cell(row.get(name)) for name in self._names]


class _JsonWriter(RowWriter):
    """Writes one JSON array, a row a line."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._is_empty = True

    def write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        opening = "[\n" if self._is_empty else ",\n"
        self._sink(opening + ",\n".join(map(_json_line, rows)))
        self._is_empty = False

    def finish(self) -> None:
        self._sink("[]\n" if self._is_empty else "\n]\n")


class _JsonLinesWriter(RowWriter):
    """Writes one JSON object a line."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, rows: Sequence[Row]) -> None:
        self._sink("".join(f"{_json_line(row)}\n" for row in rows))


@contextmanager
def row_writer(
    chosen: Format,
    columns: Sequence[TableColumn],
    names: Sequence[str],
    sink: Sink = write_out,
) -> Iterator[RowWriter]:
    """Write rows to standard output, or elsewhere, in this form.

    ``columns`` are those of the table, ``names`` the public names, which are the
    columns of CSV. The end is written when the block is left without an error.
    """
    writer: RowWriter
    if chosen == "table":
        writer = _TableWriter(columns)
    elif chosen == "csv":
        writer = _CsvWriter(names, sink)
    elif chosen == "json":
        writer = _JsonWriter(sink)
    else:
        writer = _JsonLinesWriter(sink)
    yield writer
    writer.finish()


def print_reports(
    reports: Sequence[R],
    chosen: Format,
    print_in_words: Callable[[Sequence[R]], None],
) -> None:
    """Print reports of destinations in this form.

    In CSV the keys of objects inside of a report are joined by dots.
    """
    if chosen == "table":
        print_in_words(reports)
    elif chosen == "csv":
        rows = [flattened(report.public()) for report in reports]
        # A dictionary, to have each name once, in the order in which they come.
        names: dict[str, None] = {}
        for row in rows:
            names |= dict.fromkeys(row)
        with row_writer("csv", (), tuple(names)) as writer:
            writer.write(rows)
    else:
        print_json(reports)


def flattened(row: Row, prefix: str = "") -> dict[str, Json]:
    """Return a row whose objects are spread: ``last_run.status``."""
    flat: dict[str, Json] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = None if value == {} else value
    return flat


def _json_line(row: Row) -> str:
    return escaped(orjson.dumps(row).decode())


def _csv_cell(value: Json) -> str:
    """Return a cell: texts so that no spreadsheet calculates, others as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_SIGNS) else value
    # A list or an object begins with a bracket, a number is one.
    return orjson.dumps(value).decode()


def _csv_line(cells: Iterable[str]) -> str:
    stream = io.StringIO()
    line = list(cells)
    # The module quotes a bare carriage return from Python 3.13 on only, and many
    # readers would take it for the end of a line.
    has_return = any("\r" in cell for cell in line)
    if has_return:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(line)
    return stream.getvalue()
