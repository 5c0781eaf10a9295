"""Rows of ``sync_change``: how changes are written and read.

They are written with the outcomes they belong to (``Contacts.record``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from syncengine.model.change import ChangedField, ContactChange, Effect
from syncengine.model.contact import THIS_RUN
from syncengine.model.http import Json
from syncengine.model.work import Record, RunChanges
from syncengine.storage.state.runs import NO_RUN


class ChangeRow(NamedTuple):
    """A change, and the row that it is written to."""

    run_id: int
    contact_id: str
    change: ContactChange


class ChangesToWrite(NamedTuple):
    """Rows to write, and rows to take back."""

    written: Sequence[ChangeRow]
    dropped: Sequence[tuple[int, str]]
    """Run and contact of changes that ended as they had begun."""


NO_CHANGES = ChangesToWrite((), ())


def changes_to_write(records: Iterable[Record], run_id: int) -> ChangesToWrite:
    """Return the rows of these records, of which each contact has one.

    ``run_id`` is the run's own number. Where it records none, it has no changes.
    """
    written: list[ChangeRow] = []
    dropped: list[tuple[int, str]] = []
    for record in records:
        for sent_by, change in record.changes.items():
            number = run_id if sent_by == THIS_RUN else sent_by
            if number == NO_RUN:
                continue
            if change is None:
                dropped.append((number, record.contact_id))
            else:
                written.append(ChangeRow(number, record.contact_id, change))
    return ChangesToWrite(written, dropped)


def change_columns(rows: Sequence[ChangeRow]) -> list[list[object]]:
    """Return the rows as the columns that the statement ``record_outcome`` takes."""
    columns: list[list[object]] = [[] for _ in range(7)]
    for run_id, contact_id, change in rows:
        values = (
            run_id,
            contact_id,
            change.effect.value,
            _fields_as_json(change),
            text_array(change.tags_added),
            text_array(change.tags_removed),
            change.external_id,
        )
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return columns


def dropped_columns(rows: Sequence[tuple[int, str]]) -> list[list[object]]:
    """Return the rows as the columns that the statement ``drop_changes`` takes."""
    return [[run_id for run_id, _ in rows], [contact_id for _, contact_id in rows]]


def changes_from_json(stored: str | None, run_id: int) -> RunChanges:
    """Return the changes that the statement ``load`` shows of one contact."""
    changes: dict[int, ContactChange | None] = {}
    for row in orjson.loads(stored or "[]"):
        sent_by, effect, fields, tags_added, tags_removed, external_id = row
        number = THIS_RUN if sent_by == run_id else sent_by
        changes[number] = ContactChange(
            Effect(effect),
            {name: changed_field(each) for name, each in fields.items()},
            frozenset(tags_added),
            frozenset(tags_removed),
            external_id,
        )
    return changes


def _fields_as_json(change: ContactChange) -> str:
    """Return the fields as they are stored: without ``old`` where it is not known."""
    stored: dict[str, Json] = {}
    for name, each in change.fields.items():
        stored[name] = {"new": each.new}
        if each.is_old_known:
            stored[name]["old"] = each.old
    return orjson.dumps(stored).decode()


def changed_field(stored: Json) -> ChangedField:
    """Return a field as it is stored. Without ``old``, nobody knows what it had."""
    return ChangedField(stored["new"], stored.get("old"), "old" in stored)


def text_array(texts: Iterable[str]) -> str:
    """Return the texts as a literal of ``text[]``, sorted.

    Arrays of several lengths do not fit into one array of arrays, so each is a text.
    """
    quoted: list[str] = []
    for each in sorted(texts):
        escaped = each.replace("\\", "\\\\").replace('"', '\\"')
        quoted.append(f'"{escaped}"')
    return "{" + ",".join(quoted) + "}"
