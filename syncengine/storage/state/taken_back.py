"""Changes of former runs, as an undo reads them, and notes of what was taken back.

The notes are written by ``Contacts``, in the transactions of its intents and records:
what is about to be taken back must never be sent again by a run in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import orjson

from syncengine.model.change import ContactChange, Effect
from syncengine.model.undo import TAGS, LaterChange, TakenBack
from syncengine.model.work import BatchKind, DiffSlice
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.patience import patient
from syncengine.storage.state.access import read_state
from syncengine.storage.state.changes import changed_field
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.statements import statements

_SQL = statements("taken_back")
_SLICE = 1000
"""Number of contacts that are read at a time."""


class PastChanges(FencedStore):
    """Changes by a run and those after it (``ports.ChangeStore``)."""

    def __init__(self, fence: Fence, destination: str) -> None:
        super().__init__(fence)
        self._destination = destination

    @patient
    async def changes(
        self, run_id: int, contact_ids: Sequence[str]
    ) -> Mapping[str, ContactChange]:
        """Return what a run altered at these contacts, by contact id."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["changes"], run_id, list(contact_ids))
        return {row["contact_id"]: _change(row) for row in rows}

    @patient
    async def later(
        self, run_id: int, contact_ids: Sequence[str]
    ) -> Mapping[str, tuple[LaterChange, ...]]:
        """Return what later runs altered at these contacts, the first run first."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["later"], self._destination, run_id, list(contact_ids)
            )
        found: defaultdict[str, tuple[LaterChange, ...]] = defaultdict(tuple)
        for row in rows:
            change = LaterChange(
                run_id=row["run_id"],
                undone=row["undone"],
                fields=frozenset(row["fields"]),
                tags=frozenset(row["tags"]),
            )
            found[row["contact_id"]] += (change,)
        return found


async def changed_contacts(
    pool: Pool, run_id: int, only: Sequence[str] = ()
) -> AsyncIterator[DiffSlice]:
    """Yield the contacts that a run altered, or may have; ``only`` restricts them.

    Those about which something was sent that has no outcome yet come last.
    """
    for statement in ("contacts", "unsettled_contacts"):
        after: str | None = None
        is_last = False
        while not is_last:
            contact_ids = await _page_of(pool, statement, run_id, after, only)
            if contact_ids:
                yield DiffSlice(BatchKind.CHANGES, contact_ids)
                after = contact_ids[-1]
            is_last = len(contact_ids) < _SLICE


async def _page_of(
    pool: Pool, statement: str, run_id: int, after: str | None, only: Sequence[str]
) -> tuple[str, ...]:
    """Return the next contacts that a statement finds, in the order of their ids."""
    wanted = list(only) or None
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL[statement], run_id, after, wanted, _SLICE)
    return tuple(row["contact_id"] for row in rows)


@dataclass(frozen=True, slots=True)
class KeptChanges:
    """Changes of a run that the state keeps."""

    is_kept: bool
    """True where there is a change to take back."""
    is_unsettled: bool
    """True where something that the run sent has no outcome yet."""
    did_something: bool
    owners: tuple[int, ...]
    """Earlier runs to which belongs what this run sent again."""


async def kept_changes(pool: Pool, run_id: int) -> KeptChanges:
    """Return what is kept of a run's changes."""
    unsettled = await _page_of(pool, "unsettled_contacts", run_id, None, ())
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["has_changes"], run_id)
        assert row is not None, "the statement always returns one row"
        owners: tuple[int, ...] = ()
        if not row["kept"]:
            rows = await connection.fetch(_SQL["owners_of_changes"], run_id)
            owners = tuple(each["run_id"] for each in rows)
    return KeptChanges(
        is_kept=row["kept"],
        is_unsettled=bool(unsettled),
        did_something=row["did_something"],
        owners=owners,
    )


async def names_changed(pool: Pool, run_id: int) -> tuple[str, ...]:
    """Return the fields that a run changed, and ``tags`` where it changed some."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["names"], run_id)
    assert row is not None, "an aggregate always returns one row"
    return (*row["fields"], *((TAGS,) if row["tags"] else ()))


async def is_under_way(pool: Pool, run_id: int) -> bool:
    """Return whether the process of a run may still be at work."""
    async with read_state(pool) as connection:
        return bool(await connection.fetchval(_SQL["is_under_way"], run_id))


async def has_notes(connection: Connection, destination: str) -> bool:
    """Return whether anything was taken back at the destination."""
    return bool(await connection.fetchval(_SQL["any"], destination))


async def load_notes(
    connection: Connection, destination: str, contact_ids: Sequence[str]
) -> dict[str, TakenBack]:
    """Return what was taken back of these contacts, by contact id."""
    rows = await connection.fetch(_SQL["load"], destination, list(contact_ids))
    return {
        row["contact_id"]: TakenBack(
            undone=row["undone"],
            version=row["version"],
            fields=frozenset(row["fields"]),
            tags_off=frozenset(row["tags_off"]),
            tags_on=frozenset(row["tags_on"]),
            whole=row["whole"],
            basis=orjson.loads(row["basis"]),
        )
        for row in rows
    }


async def keep_notes(
    connection: Connection,
    destination: str,
    run_id: int,
    notes: Mapping[str, TakenBack],
) -> None:
    """Write what is taken back of these contacts; an empty note is dropped."""
    kept = {contact_id: note for contact_id, note in notes.items() if note}
    if kept:
        undone = [note.undone for note in kept.values()]
        await connection.execute(
            _SQL["keep"], destination, run_id, list(kept), undone, *_columns(kept)
        )
    empty = [contact_id for contact_id, note in notes.items() if not note]
    await drop_notes(connection, destination, empty)


async def change_notes(
    connection: Connection, destination: str, notes: Mapping[str, TakenBack]
) -> None:
    """Write what still counts of the notes of these contacts, and drop empty ones."""
    kept = {contact_id: note for contact_id, note in notes.items() if note}
    if kept:
        await connection.execute(
            _SQL["change"], destination, list(kept), *_columns(kept)
        )
    empty = [contact_id for contact_id, note in notes.items() if not note]
    await drop_notes(connection, destination, empty)


def _columns(notes: Mapping[str, TakenBack]) -> Sequence[list[object]]:
    """Return the columns of notes that may change, from ``version`` on."""
    rows = [
        (
            note.version,
            _names(note.fields),
            _names(note.tags_off),
            _names(note.tags_on),
            note.whole,
            orjson.dumps(note.basis).decode(),
        )
        for note in notes.values()
    ]
    return [list(column) for column in zip(*rows, strict=True)]


async def drop_notes(
    connection: Connection, destination: str, contact_ids: Sequence[str]
) -> None:
    """Forget what was taken back of these contacts."""
    if contact_ids:
        await connection.execute(_SQL["drop"], destination, list(contact_ids))


def _names(names: frozenset[str]) -> str:
    return orjson.dumps(sorted(names)).decode()


def _change(row: asyncpg.Record) -> ContactChange:
    stored = orjson.loads(row["fields"])
    return ContactChange(
        Effect(row["effect"]),
        {name: changed_field(each) for name, each in stored.items()},
        frozenset(row["tags_added"]),
        frozenset(row["tags_removed"]),
        row["external_id"],
    )
