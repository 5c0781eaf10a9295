"""Every named statement is prepared against the migrated schema; templates with the
fragments of sample sources.

Statements that make tables (the demo's) are run before, since others stand on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib import resources
from string import Formatter

import asyncpg
import pytest
import pytest_asyncio

from syncengine.storage import array_types
from syncengine.storage.connect import connect, transaction
from syncengine.storage.source.inspection import inspect
from syncengine.storage.source.spec import Source, SourceSpec
from syncengine.storage.statements import statements
from tests.support.databases import Databases

FILES = sorted(
    file.name.removesuffix(".sql")
    for file in resources.files("syncengine.storage").joinpath("sql").iterdir()
    if file.name.endswith(".sql")
)
NAMES = [
    (file, name)
    for file in FILES
    for name, text in statements(file).items()
    if not text.startswith("CREATE")
]
MAKERS = [
    text
    for file in FILES
    for text in statements(file).values()
    if text.startswith("CREATE")
]

_SAMPLES = """
CREATE SCHEMA sample;
CREATE TABLE sample.by_number ("the key" bigint PRIMARY KEY, name text, tags text[]);
CREATE TABLE sample.by_text ("the key" text COLLATE "C" PRIMARY KEY, name text,
    tags text[]);
"""


def _placeholders(template: str) -> set[str]:
    try:
        fields = [
            field for _, field, _, _ in Formatter().parse(template) if field is not None
        ]
    except ValueError:  # a lone brace: no template
        return set()
    return {field for field in fields if field.isidentifier()}


@pytest.fixture(scope="module")
def filled(databases: Databases) -> Iterator[str]:
    """The DSN of a database for all statements, since none is carried out."""
    dsn = databases.create(migrated=True)
    asyncio.run(_fill(dsn))
    yield dsn
    databases.drop(dsn)


async def _fill(dsn: str) -> None:
    connection = await connect(dsn)
    for statement in (_SAMPLES, *MAKERS):
        await connection.execute(statement)
    await connection.close()


@pytest_asyncio.fixture
async def connection(
    filled: str,
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await connect(filled)
    for statement in MAKERS:
        if statement.startswith("CREATE TEMP"):
            await connection.execute(statement)
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def _no_question_about_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every statement fail for which asyncpg would ask the server about a type."""

    async def ask(_connection: object, numbers: object, _timeout: object) -> None:
        raise AssertionError(f"array_types should know the types {numbers}")

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", ask)


@pytest.mark.asyncio
async def test_array_types_are_known_as_the_server_describes_them(
    connection: asyncpg.Connection[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    known, _ = await connection._introspect_types(array_types._ELEMENTS, None)  # type: ignore[attr-defined]
    monkeypatch.undo()
    said, _ = await asyncpg.Connection._introspect_types(  # type: ignore[attr-defined]
        connection, array_types._ELEMENTS, None
    )
    described = {row["oid"]: dict(row) for row in said}
    assert len(known) == len(array_types._ELEMENTS)
    for row in known:
        expected = described[row["oid"]]
        # Neither is read of a type whose elements asyncpg knows by itself.
        del expected["depth"], expected["elemtype_name"]
        assert {name: row[name] for name in expected} == expected


@pytest.mark.asyncio
async def test_a_type_of_somebody_else_is_asked_for(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    connection = await connect(database)
    try:
        await connection.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        assert tuple(
            await connection.fetchrow(
                "SELECT $1::mood[], $2::bigint[], $3::jsonb[]", ["sad"], [2**40], [None]
            )
            or ()
        ) == (["sad"], [2**40], [None])
    finally:
        await connection.close()


def _fragments(source: Source, bound: str) -> dict[str, str]:
    known = (
        "relation",
        "where",
        "key",
        "key_type",
        "contact_id",
        "equals",
        "hash",
        "text_order",
    )
    literals = {
        "order": source.text_order,
        "destination": "'whatsapp'",
        "low": "NULL",
        "high": bound,
    }
    literals |= {"values": "NULL::text", "column": "'[]'::json"}
    literals |= {"place": source.key, "tried": source.hash, "selected": source.where}
    literals |= {
        "columns": f"{source.key} AS c1",
        "drawing": "",
        "texts": "(1, c1::text)",
    }
    literals |= {"within": "$1::text IS NULL AND $2::text IS NULL"}
    return {name: getattr(source, name) for name in known} | literals


def test_there_are_statements() -> None:
    assert {"connect", "diff", "source"} <= set(FILES)
    assert ("diff", "range_by_number") in NAMES


@pytest.mark.parametrize(("file", "name"), NAMES)
@pytest.mark.asyncio
async def test_statement_fits_the_schema(
    connection: asyncpg.Connection[asyncpg.Record], file: str, name: str
) -> None:
    statement = statements(file)[name]
    if not _placeholders(statement):
        async with transaction(connection, read_only=True):
            await connection.prepare(statement)
        return
    if name.endswith("by_text"):
        table, bound = "by_text", "'k'"
    else:
        table, bound = "by_number", "'17'"
    spec = SourceSpec(
        table=f"sample.{table}",
        key="the key",
        columns=("name", "tags"),
        where="name <> 'a{b}$1'",
        salt="it's {x}",
    )
    source = await inspect(connection, spec)
    async with transaction(connection, read_only=True):
        await connection.prepare(statement.format(**_fragments(source, bound)))
