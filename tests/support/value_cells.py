"""The results of one value of each type under each purpose.

They come from a real Postgres, by the real load path.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from syncengine.errors import SourceError
from syncengine.model.calls import Rejected
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form, Mapping, SetMapping
from syncengine.model.work import SourceRow
from syncengine.planning.mapping import map_row
from syncengine.storage.source.column_types import Purpose, Use
from syncengine.storage.source.spec import SourceSpec
from tests.support.diff_scene import Scene

PURPOSES: MappingType[str, Purpose] = {
    "plain": None,
    "text": Form.TEXT,
    "lower": Form.LOWER,
    "number": Form.NUMBER,
    "boolean": Form.BOOLEAN,
    "date": Form.DATE,
    "e164": Form.E164,
    "tags": Use.MEMBERS,
}


@dataclass(frozen=True)
class Refusal:
    """Instead of a value that is sent."""

    by: str


TYPE = Refusal("the column's type: check, plan and run refuse the mapping")
VALUE = Refusal("the value: this contact is rejected, invalid_value")


async def cells(
    here: Scene, columns: Sequence[tuple[str, str]]
) -> list[dict[str, Json]]:
    """Return for each (type, literal) what comes of it, by purpose.

    Each is in a column of one row. In another row the columns of JSON hold a list: their
    type alone does not say that there is none.
    """
    names = tuple(f"c{number}" for number in range(len(columns)))
    kinds = ", ".join(
        f"{name} {kind}" for name, (kind, _) in zip(names, columns, strict=True)
    )
    await here.execute(
        f"CREATE TABLE cells (id integer PRIMARY KEY, {kinds})",
        "INSERT INTO cells (id) VALUES (1), (2)",
    )
    for name, (kind, literal) in zip(names, columns, strict=True):
        await here.execute(f"UPDATE cells SET {name} = {literal} WHERE id = 1")
        if kind in ("json", "jsonb"):
            await here.execute(f"UPDATE cells SET {name} = '[]' WHERE id = 2")
    refused = await _refused(here, names)
    source = await here.inspect(SourceSpec(table="cells", key="id", columns=names))
    row = (await here.load(source, "1"))["1"]
    return [
        {
            purpose: TYPE
            if f"{name}.{purpose}" in refused
            else _cell(name, value, PURPOSES[purpose])
            for purpose in PURPOSES
        }
        for name, value in zip(names, row.values, strict=True)
    ]


async def _refused(here: Scene, names: Sequence[str]) -> set[str]:
    """The pairs of column and purpose that an inspection refuses."""
    purposes = [
        (name, PURPOSES[purpose], f"{name}.{purpose}")
        for name in names
        for purpose in PURPOSES
    ]
    try:
        await here.inspect(
            SourceSpec(
                table="cells", key="id", columns=tuple(names), purposes=tuple(purposes)
            )
        )
    except SourceError as error:
        return {problem.where for problem in error.problems}
    return set()


def _cell(name: str, value: Json, purpose: Purpose) -> Json:
    """Return what a row with this one column asks for."""
    row = SourceRow("1", 0, (value,))
    if purpose is Use.MEMBERS:
        desired = map_row(row, Mapping(tags=SetMapping(name)), None)
        sent = None if isinstance(desired, Rejected) else sorted(desired.tags)
    else:
        assert purpose is None or isinstance(purpose, Form)
        desired = map_row(
            row, Mapping((FieldMapping("x", name, purpose, region="DE"),)), None
        )
        sent = None if isinstance(desired, Rejected) else desired.fields.get("x")
    if isinstance(desired, Rejected):
        assert desired.code == "invalid_value"
        assert f'column "{name}"' in desired.message
        return VALUE
    return sent


async def lacks(here: Scene, kind: str, literal: str) -> bool:
    """Return whether this server was built without a type."""
    try:
        await here.execute(f"SELECT ({literal})::{kind}")
    except asyncpg.FeatureNotSupportedError:
        return True
    return False
