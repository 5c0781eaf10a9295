"""A source in memory, and its diff with the state.

The counterpart of ``storage.source.rows`` (``ports.SourceReader``) and
``storage.diff``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from syncengine.model.http import Json
from syncengine.model.work import BatchKind, DiffSlice, DiffTotals, SourceRow, Status
from tests.support.memory.database import Database, Hop, at_once, kept

Row = Mapping[str, Json]


@dataclass(slots=True)
class Table:
    """The rows by key; their order is that of the mapped columns."""

    columns: tuple[str, ...]
    rows: dict[str, Row] = field(default_factory=dict)

    def read(self, contact_id: str) -> SourceRow:
        row = self.rows[contact_id]
        values = tuple(kept([row[column] for column in self.columns]))
        digest = hashlib.sha256(orjson.dumps(values)).digest()
        return SourceRow(
            contact_id, int.from_bytes(digest[:8], "big", signed=True), values
        )


class Source:
    def __init__(self, table: Table, hop: Hop = at_once) -> None:
        self._table = table
        self._hop = hop

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:
        await self._hop("load rows: asked")
        rows = [
            self._table.read(each)
            for each in dict.fromkeys(contact_ids)
            if each in self._table.rows
        ]
        await self._hop("load rows: read")
        return rows


def diff(
    table: Table, database: Database, destination: str, *, everything: bool = False
) -> tuple[list[DiffSlice], DiffTotals]:
    """Return the removals and changes, and the totals.

    Contacts that are ``removed`` count as if they had no state.
    """
    held = {
        contact_id: row.rejected_hash if row.status is Status.DEAD else row.source_hash
        for (place, contact_id), row in database.states.items()
        if place == destination and row.status is not Status.REMOVED
    }
    changes = [
        each
        for each in table.rows
        if everything or each not in held or held[each] != table.read(each).source_hash
    ]
    removals = [each for each in held if each not in table.rows]
    found = [(BatchKind.REMOVALS, removals), (BatchKind.CHANGES, changes)]
    totals = DiffTotals(len(table.rows), len(held), len(changes), len(removals))
    return [DiffSlice(kind, tuple(sorted(ids))) for kind, ids in found if ids], totals
