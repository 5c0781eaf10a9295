"""Sources of every kind, each diffed and read for real.

With all kinds of keys, tables, views and queries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from syncengine.errors import SourceError
from syncengine.storage.source.spec import KeyKind, SourceSpec
from tests.support.databases import Databases
from tests.support.diff_scene import Scene, scene

_MOOD = "CREATE TYPE mood AS ENUM ('calm', 'keen')"


@pytest_asyncio.fixture
async def here(database: str) -> AsyncIterator[Scene]:
    """Set up a source and a state in one database."""
    async with scene(database) as opened:
        yield opened


@pytest.fixture
def elsewhere(databases: Databases) -> Iterator[str]:
    dsn = databases.create(migrated=False)
    yield dsn
    databases.drop(dsn)


_KEYS = [
    ("bigint", ["-9223372036854775808", "-1", "0", "9", "10", "9223372036854775807"]),
    ("integer", ["-2147483648", "2", "10", "2147483647"]),
    ("smallint", ["-32768", "3", "20"]),
    ("natural_number", ["3", "20"]),
    (
        "uuid",
        [
            "00000000-0000-0000-0000-000000000001",
            "fedcba98-0000-0000-0000-000000000001",
        ],
    ),
    (
        "text",
        [
            "",
            "a",
            "A",
            "é",
            "z",
            "Ω",
            "10",
            "9",
            "a\tb",
            "a\nb",
            "a\\b",
            "\\N",
            "'q'",
            '"',
            "🎈",
            "\ufffd",
        ],
    ),
    (
        'text COLLATE "C"',
        [
            "",
            "a",
            "A",
            "é",
            "z",
            "10",
            "9",
            "a\tb",
            "a\nb",
            "\\",
            "\\N",
            "'q'",
            "🎈",
            "\ufffd",
        ],
    ),
    ("varchar(40)", ["a", "B", "ü"]),
    ('varchar(40) COLLATE "POSIX"', ["a", "B", "ü"]),
    ("char(4)", ["a", "ab", "abcd"]),
    ("citext", ["a", "B"]),
    ("numeric", ["-1.5", "2", "10", "100000000000000000000"]),
    ("date", ["2024-12-31", "2025-01-01"]),
    ("timestamptz", ["2025-01-01 00:00:00+00", "2024-05-05 05:05:05.5+00"]),
    ("boolean", ["false", "true"]),
    ("mood", ["calm", "keen"]),
    ("inet", ["10.0.0.1/32", "10.0.0.2/32"]),
]


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(("kind", "keys"), _KEYS, ids=[kind for kind, _ in _KEYS])
@pytest.mark.asyncio
async def test_keys_of_every_kind(
    database: str,
    elsewhere: str,
    kind: str,
    keys: list[str],
    *,
    apart: bool,
    unique: bool,
) -> None:
    async with scene(database, elsewhere if apart else None) as both:
        await both.execute(
            "CREATE EXTENSION citext",
            _MOOD,
            "CREATE DOMAIN natural_number AS integer CHECK (VALUE >= 0)",
            f"CREATE TABLE contacts (id {kind}{' PRIMARY KEY' if unique else ''}, name text)",
        )
        async with both.source.acquire() as connection:
            base = kind.partition(" COLLATE")[0]
            insert = f"INSERT INTO contacts VALUES ($1::text::{base}, 'n')"
            await connection.executemany(insert, [(key,) for key in keys])
        source = await both.inspect(
            SourceSpec(table="contacts", key="id", columns=("name",))
        )

        found = await both.settle(source)
        assert sorted(found.changes) == sorted(keys)
        assert (found.totals.source_rows, found.totals.known_contacts) == (len(keys), 0)

        again = await both.diff(source)
        assert (again.changes, again.removals) == ((), ())
        assert (again.totals.source_rows, again.totals.known_contacts) == (
            len(keys),
            len(keys),
        )
        assert sorted((await both.diff(source, everything=True)).changes) == sorted(
            keys
        )

        await both.execute(
            f"UPDATE contacts SET name = 'new' WHERE id = {_literal(keys[1])}"
        )
        await both.execute(f"DELETE FROM contacts WHERE id = {_literal(keys[0])}")
        found = await both.settle(source)
        assert (found.changes, found.removals) == ((keys[1],), (keys[0],))
        assert set(await both.load(source, *keys)) == set(keys[1:])
        found = await both.diff(source)
        assert (found.changes, found.removals) == ((), ())


def _literal(key: str) -> str:
    quoted = key.replace("'", "''").replace("\\", "\\\\")
    return f"E'{quoted}'"


@pytest.mark.asyncio
async def test_a_numeric_key_is_its_canonical_text(here: Scene) -> None:
    await here.execute(
        "CREATE TABLE contacts (id numeric PRIMARY KEY, name text)",
        "INSERT INTO contacts VALUES (1.50, 'a'), (2, 'b')",
    )
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    assert set((await here.settle(source)).changes) == {"1.5", "2"}
    await here.execute("UPDATE contacts SET id = 2.00 WHERE id = 2")
    found = await here.diff(source)
    assert (found.changes, found.removals) == ((), ())
    assert set(await here.load(source, "1.5", "2")) == {"1.5", "2"}


@pytest.mark.asyncio
async def test_an_equal_key_of_another_spelling_is_another_contact(here: Scene) -> None:
    await here.execute(
        "CREATE EXTENSION citext",
        "CREATE TABLE contacts (id citext PRIMARY KEY, name text)",
        "INSERT INTO contacts VALUES ('Ann', 'a')",
    )
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    await here.settle(source)
    await here.execute("UPDATE contacts SET id = 'ANN'")
    found = await here.diff(source)
    assert (found.changes, found.removals) == (("ANN",), ("Ann",))
    assert set(await here.load(source, "Ann")) == set()


class _KeyKind(NamedTuple):
    """A table with a key of this type, and its ids as text in order."""

    table: str
    key: str
    columns: tuple[str, ...]
    ids: set[str] | None


@pytest.mark.parametrize(
    ("table", "key", "columns", "ids"),
    [
        _KeyKind(
            table="SELECT 'c-' || id AS code, name, vip FROM people",
            key="code",
            columns=("name", "vip"),
            ids={"c-1", "c-2", "c-3"},
        ),
        _KeyKind(
            table="SELECT id * 10 AS id, name FROM people",
            key="id",
            columns=("name",),
            ids={"10", "20", "30"},
        ),
        _KeyKind(
            table="SELECT id::numeric(9,2) / 2 AS half, name FROM people",
            key="half",
            columns=("name",),
            ids={"0.5", "1", "1.5"},
        ),
        _KeyKind(
            table="SELECT md5(id::text)::uuid AS id, name FROM people WHERE id < 2",
            key="id",
            columns=("name",),
            ids=None,
        ),
        _KeyKind(
            table="WITH p AS (SELECT * FROM people) SELECT p.id, max(p.name) AS name FROM p GROUP BY id",
            key="id",
            columns=("name",),
            ids=None,
        ),
        _KeyKind(
            table="SELECT * FROM people -- all of them",
            key="id",
            columns=("name", "vip"),
            ids={"1", "2", "3"},
        ),
    ],
)
@pytest.mark.parametrize("form", ["view", "materialized view", "query"])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.asyncio
async def test_views_and_queries(
    database: str,
    elsewhere: str,
    table: str,
    key: str,
    columns: tuple[str, ...],
    ids: set[str] | None,
    form: str,
    *,
    apart: bool,
) -> None:
    async with scene(database, elsewhere if apart else None) as both:
        await both.execute(
            "CREATE TABLE people (id integer PRIMARY KEY, name text, vip boolean)",
            "INSERT INTO people VALUES (1, 'a', true), (2, 'b', false), (3, 'c', NULL)",
        )
        if form == "query":
            spec = SourceSpec(
                query=f"{table};" if "--" not in table else table,
                key=key,
                columns=columns,
            )
        else:
            await both.execute(f"CREATE {form} wanted AS {table}")
            spec = SourceSpec(table="wanted", key=key, columns=columns)
        source = await both.inspect(spec)
        found = await both.settle(source)
        assert ids is None or set(found.changes) == ids
        await both.execute("UPDATE people SET name = 'z' WHERE id = 1")
        if form == "materialized view":
            await both.execute("REFRESH MATERIALIZED VIEW wanted")
        assert len((await both.settle(source)).changes) == 1
        assert (await both.diff(source)).changes == ()


@pytest.mark.asyncio
async def test_partitions_and_heirs(here: Scene) -> None:
    await here.execute(
        "CREATE TABLE parts (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (10) TO (20)",
        "INSERT INTO parts VALUES (3, 'a'), (13, 'b')",
        "CREATE TABLE parent (id integer PRIMARY KEY, name text)",
        "CREATE TABLE heir () INHERITS (parent)",
        "INSERT INTO parent VALUES (1, 'a')",
        "INSERT INTO heir VALUES (2, 'b')",
    )
    parts = await here.inspect(SourceSpec(table="parts", key="id", columns=("name",)))
    assert parts.unique
    assert set((await here.settle(parts)).changes) == {"3", "13"}
    assert (await here.diff(parts)).changes == ()

    # The parent's index says nothing of its heirs.
    parent = await here.inspect(SourceSpec(table="parent", key="id", columns=("name",)))
    assert (parent.indexed, parent.unique) == (False, False)
    assert set((await here.diff(parent)).changes) == {"1", "2"}
    await here.execute("INSERT INTO heir VALUES (1, 'c')")
    with pytest.raises(SourceError, match=r"same key more than once, such as 1;"):
        await here.diff(parent)


@pytest.mark.asyncio
async def test_names_are_taken_as_they_are(here: Scene) -> None:
    await here.execute(
        'CREATE SCHEMA "C r.M"',
        """CREATE TABLE "C r.M"."con'tacts" ("select" integer PRIMARY KEY, "a""b{x}" text, "source_hash" text)""",
        """INSERT INTO "C r.M"."con'tacts" VALUES (1, 'v', 'w')""",
    )
    spec = SourceSpec(
        table="""\"C r.M"."con'tacts\"""",
        key="select",
        columns=('a"b{x}', "source_hash"),
        salt="it's $1 {y} \\",
    )
    source = await here.inspect(spec)
    assert (await here.settle(source)).changes == ("1",)
    assert (await here.load(source, "1"))["1"].values == ("v", "w")


@pytest.mark.parametrize(
    "name",
    ["contact_id", "source_hash", "values", "key", "hash", "destination", "status"],
)
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.asyncio
async def test_a_key_may_be_named_like_something_of_ours(
    database: str, elsewhere: str, name: str, *, apart: bool
) -> None:
    async with scene(database, elsewhere if apart else None) as both:
        await both.execute(
            f'CREATE TABLE contacts ("{name}" bigint PRIMARY KEY, n text)',
            f"INSERT INTO contacts SELECT n, n::text FROM generate_series(1, 120) AS n",  # noqa: F541
        )
        source = await both.inspect(
            SourceSpec(
                table="contacts", key=name, columns=("n",), where=f'"{name}" <> 7'
            )
        )
        assert set((await both.settle(source)).changes) == {
            str(n) for n in range(1, 121) if n != 7
        }
        assert (await both.diff(source)).changes == ()


@pytest.mark.asyncio
async def test_a_source_without_mapped_columns(here: Scene) -> None:
    await here.execute(
        "CREATE TABLE contacts (id integer PRIMARY KEY)",
        "INSERT INTO contacts VALUES (1)",
    )
    source = await here.inspect(SourceSpec(table="contacts", key="id", columns=()))
    assert (await here.load(source, "1"))["1"].values == ()
    assert (await here.settle(source)).changes == ("1",)
    assert (await here.diff(source)).changes == ()


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("bigint", KeyKind.NUMBER),
        ("uuid", KeyKind.UUID),
        ('text COLLATE "C"', KeyKind.TEXT),
    ],
)
@pytest.mark.parametrize(
    ("index", "indexed", "unique"),
    [
        ("UNIQUE INDEX ON contacts (id)", True, True),
        ("UNIQUE INDEX ON contacts (id DESC)", True, True),
        ("UNIQUE INDEX ON contacts (id) INCLUDE (name)", True, True),
        ("INDEX ON contacts (id)", True, False),
        ("UNIQUE INDEX ON contacts (id, name)", True, False),
        ("UNIQUE INDEX ON contacts (name, id)", False, False),
        ("UNIQUE INDEX ON contacts (id) WHERE name IS NOT NULL", False, False),
        ("INDEX ON contacts USING hash (id)", False, False),
    ],
)
@pytest.mark.asyncio
async def test_which_index_can_be_used(
    here: Scene, kind: str, order: KeyKind, index: str, *, indexed: bool, unique: bool
) -> None:
    await here.execute(
        f"CREATE TABLE contacts (id {kind} NOT NULL, name text)", f"CREATE {index}"
    )
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    assert (source.kind, source.indexed, source.unique, source.nullable) == (
        order,
        indexed,
        unique,
        False,
    )
