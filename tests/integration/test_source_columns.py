"""A change in a column of any type is seen, and an equal rewrite is not.

Values are read as JSON values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio

from syncengine.model.http import Json
from syncengine.model.work import Unusable
from syncengine.storage.source.spec import SourceSpec
from tests.support.diff_scene import Scene, scene

NO_NUMBER = Unusable("holds NaN or infinity, which is not a number")
NO_DATE = Unusable(
    "holds a date that is infinite, before the year 1 or after the year 9999"
)
NO_TEXT = Unusable(
    "holds a character that no text may hold (NUL, or half of a character)"
)
TOO_DEEP = Unusable("holds a value that nests deeper than 32 levels")
TOO_LONG = Unusable("holds more than 100,000 characters")
BIG = ["999999999999999999999999", "9223372036854775808", 12.0]


def nested(levels: int) -> list[Json]:
    """Return empty lists nested to this depth."""
    value: list[Json] = []
    for _ in range(levels - 1):
        value = [value]
    return value


_TYPES = """
CREATE TYPE mood AS ENUM ('calm', 'keen');
CREATE DOMAIN score AS numeric(9, 2) CHECK (VALUE >= 0);
CREATE TYPE pair AS (a text, b integer);
"""


@pytest_asyncio.fixture
async def here(database: str) -> AsyncIterator[Scene]:
    """Set up a source and a state in one database."""
    async with scene(database) as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("text", "'Zoë'", "'zoë'"),
        ("text", "NULL", "''"),
        ("varchar(20)", "'a'", "'b'"),
        ("char(5)", "'a'", "'b'"),
        ("citext", "'Ann'", "'ANN'"),
        ("numeric", "10.5", "10.51"),
        ("numeric", "0.1", "0.1000000000000000000000000001"),
        ("boolean", "true", "NULL"),
        ("boolean", "true", "false"),
        ("integer", "1", "2"),
        ("bigint", "9223372036854775807", "9223372036854775806"),
        ("real", "1.5", "1.25"),
        ("double precision", "0.1", "0.30000000000000004"),
        ("date", "'2025-06-01'", "'2025-06-02'"),
        ("time", "'10:00'", "'10:01'"),
        ("timestamp", "'2025-06-01 10:00'", "'2025-06-01 10:00:00.000001'"),
        ("timestamptz", "'2025-06-01 10:00+00'", "'2025-06-01 10:00+01'"),
        ("timetz", "'10:00+00'", "'11:00+01'"),
        ("interval", "'1 month'", "'30 days'"),
        ("json", """'{"a": 1}'""", """'{"a": 2}'"""),
        ("jsonb", """'{"a": 1, "b": [1, null]}'""", """'{"a": 1, "b": [null, 1]}'"""),
        ("text[]", "'{a,b}'", "'{b,a}'"),
        ("text[]", "'{a}'", "'{a,NULL}'"),
        ("citext[]", "'{a}'", "'{A}'"),
        ("interval[]", "ARRAY['1 month'::interval]", "ARRAY['30 days'::interval]"),
        ("jsonb[]", """ARRAY['{"a": 1}'::jsonb]""", """ARRAY['{"a": 2}'::jsonb]"""),
        ("json[]", """ARRAY['{"a": 1}'::json]""", """ARRAY['{"a": 2}'::json]"""),
        ("mood", "'calm'", "'keen'"),
        ("mood[]", "'{calm}'", "'{keen}'"),
        ("score", "1.5", "1.51"),
        ("pair", "('a', 1)", "('a', 2)"),
        (
            "uuid",
            "'00000000-0000-0000-0000-000000000001'",
            "'00000000-0000-0000-0000-000000000002'",
        ),
        ("bytea", r"'\xde'", r"'\xdf'"),
        ("xml", "'<a/>'", "'<b/>'"),
        ("money", "1", "2"),
        ("point", "'(1,2)'", "'(1,3)'"),
        ("inet", "'10.0.0.1'", "'10.0.0.1/8'"),
        ("tsvector", "'a'", "'b'"),
        ("bit(3)", "B'101'", "B'111'"),
        ("int4range", "'[1,3)'", "'[1,4)'"),
        ("hstore", "'a=>1'", "'a=>2'"),
    ],
)
@pytest.mark.asyncio
async def test_a_change_is_seen_and_an_equal_rewrite_is_not(
    here: Scene, kind: str, before: str, after: str
) -> None:
    await here.execute(
        "CREATE EXTENSION citext",
        "CREATE EXTENSION hstore",
        _TYPES,
        f"CREATE TABLE contacts (id integer PRIMARY KEY, value {kind}, other text)",
    )
    try:
        await here.execute(
            f"INSERT INTO contacts VALUES (1, {before}, 'o'), (2, {before}, 'o')"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip(f"this server was built without {kind}")
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("value", "other"))
    )
    assert set((await here.settle(source)).changes) == {"1", "2"}
    old = await here.load(source, "1")

    await here.execute("UPDATE contacts SET value = value, other = other")
    assert (await here.diff(source)).changes == ()

    await here.execute(f"UPDATE contacts SET value = {after} WHERE id = 1")
    assert (await here.diff(source)).changes == ("1",)
    new = await here.load(source, "1")
    assert new["1"].source_hash != old["1"].source_hash
    await here.settle(source)
    assert (await here.diff(source)).changes == ()


@pytest.mark.asyncio
async def test_a_renamed_label_of_an_enum_is_a_change(here: Scene) -> None:
    await here.execute(
        _TYPES,
        "CREATE TABLE contacts (id integer PRIMARY KEY, mood mood)",
        "INSERT INTO contacts VALUES (1, 'calm'), (2, 'keen')",
    )
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("mood",))
    )
    await here.settle(source)
    await here.execute("ALTER TYPE mood RENAME VALUE 'calm' TO 'serene'")
    assert (await here.diff(source)).changes == ("1",)


@pytest.mark.asyncio
async def test_a_collation_that_ignores_case_hides_no_change(here: Scene) -> None:
    try:
        await here.execute(
            "CREATE COLLATION ignoring (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this server was built without ICU")
    await here.execute(
        "CREATE TABLE contacts (id text COLLATE ignoring PRIMARY KEY, name text COLLATE ignoring)",
        "INSERT INTO contacts VALUES ('k', 'ann')",
    )
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    await here.settle(source)
    await here.execute("UPDATE contacts SET name = 'ANN'")
    assert (await here.settle(source)).changes == ("k",)
    await here.execute("UPDATE contacts SET id = 'K'")
    found = await here.diff(source)
    assert (found.changes, found.removals) == (("K",), ("k",))
    assert set(await here.load(source, "k")) == set()


@pytest.mark.asyncio
async def test_columns_of_every_type_can_be_hashed_and_read(here: Scene) -> None:
    async with here.source.acquire() as connection:
        types = [
            row["name"]
            for row in await connection.fetch(
                "SELECT format_type(t.oid, NULL) AS name FROM pg_type AS t"
                " WHERE t.typtype IN ('b', 'r', 'm') AND t.typnamespace = 'pg_catalog'::regnamespace"
                " AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.oid = t.typelem AND e.typtype IN ('c', 'p'))"
                " ORDER BY t.oid"
            )
        ]
    assert len(types) > 100
    columns = tuple(f"c{number}" for number in range(len(types)))
    await here.execute(
        f"CREATE TABLE contacts (id integer PRIMARY KEY, {', '.join(map(' '.join, zip(columns, types, strict=True)))})",
        "INSERT INTO contacts VALUES (1)",
    )
    source = await here.inspect(SourceSpec(table="contacts", key="id", columns=columns))
    assert (await here.settle(source)).changes == ("1",)
    assert (await here.load(source, "1"))["1"].values == (None,) * len(columns)


@pytest.mark.parametrize(
    ("kind", "literal", "value"),
    [
        ("text", "'Zoë 🎈 \"quoted\" \\ tab\t'", 'Zoë 🎈 "quoted" \\ tab\t'),
        ("text", r"'\u0000'", r"\u0000"),
        ("citext", "'Ann'", "Ann"),
        ("char(5)", "'ab'", "ab"),
        ("char(5)[]", "'{ab}'", ["ab"]),
        ("numeric", "12.00", 12),
        ("numeric", "12.50", 12.5),
        ("numeric", "0.1", 0.1),
        ("numeric", "-0.00", 0),
        ("numeric", "0.00000001", 1e-08),
        ("numeric", "12345678901234567890.1", "12345678901234567890.1"),
        ("numeric", "1234567890.1234567890", "1234567890.123456789"),
        ("numeric", "12345678901234567890", "12345678901234567890"),
        ("numeric", "-9223372036854775808", -9223372036854775808),
        ("numeric", "'NaN'", NO_NUMBER),
        ("numeric", "'-Infinity'", NO_NUMBER),
        ("numeric", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("numeric(30, 20)", "0.12345678901234567890", "0.1234567890123456789"),
        ("numeric", "(10::numeric ^ 400) + 0.5", "1" + "0" * 400 + ".5"),
        ("numeric[]", "'{1.0,1.5,NULL}'", [1, 1.5, None]),
        ("numeric[]", "'{1.0,NaN}'", NO_NUMBER),
        ("numeric[]", "'{{1.0},{2.5}}'", [[1], [2.5]]),
        ("score", "3.10", 3.1),
        ("bigint", "9223372036854775807", 9223372036854775807),
        ("double precision", "0.1", 0.1),
        ("double precision", "'NaN'", NO_NUMBER),
        ("double precision", "'Infinity'", NO_NUMBER),
        ("double precision[]", "'{1,NaN}'", NO_NUMBER),
        ("real", "'-Infinity'", NO_NUMBER),
        ("double precision", "1e300", 1e300),
        ("double precision", "5e-324", 5e-324),
        ("real", "0.1", 0.1),
        ("boolean", "true", True),
        ("date", "'2025-06-01'", "2025-06-01"),
        ("date", "'infinity'", NO_DATE),
        ("date", "'-infinity'", NO_DATE),
        ("date", "'0044-03-15 BC'", NO_DATE),
        ("date", "'20000-01-01'", NO_DATE),
        ("date", "'9999-12-31'", "9999-12-31"),
        ("date", "'0001-01-01'", "0001-01-01"),
        ("date[]", "'{2025-06-01,infinity}'", NO_DATE),
        ("timestamp", "'infinity'", NO_DATE),
        ("timestamp", "'0044-03-15 10:00 BC'", NO_DATE),
        ("timestamptz", "'0044-03-15 10:00 BC'", NO_DATE),
        ("timestamptz", "'20000-03-15 10:00'", NO_DATE),
        ("timestamp", "'2025-06-01 10:00'", "2025-06-01T10:00:00"),
        ("timestamptz", "'2025-06-01 10:00+02'", "2025-06-01T08:00:00+00:00"),
        ("timestamptz", "'2025-06-01 10:00:00.25+00'", "2025-06-01T10:00:00.25+00:00"),
        ("interval", "'1 day 2 hours'", "P1DT2H"),
        ("mood", "'keen'", "keen"),
        ("mood[]", "'{keen}'", ["keen"]),
        (
            "uuid",
            "'ABCDEF00-0000-0000-0000-000000000001'",
            "abcdef00-0000-0000-0000-000000000001",
        ),
        ("text[]", "'{a,NULL,\"c,d\"}'", ["a", None, "c,d"]),
        ("text[]", "'{}'", []),
        ("json", """'{"a": [1, {"b": null}]}'""", {"a": [1, {"b": None}]}),
        ("jsonb", """'{"a": [1, {"b": null}]}'""", {"a": [1, {"b": None}]}),
        ("jsonb", "'null'", None),
        ("json", r"""'{"a": "x\u0000"}'""", NO_TEXT),
        ("json", r"""'{"a\u0000": 1}'""", NO_TEXT),
        ("json", r"""'["\ud800"]'""", NO_TEXT),
        ("json", r"""'[1, {"a": ["\uDC00x"]}]'""", NO_TEXT),
        ("json", r"""'["\ud83c\udf88", "\\u0000"]'""", ["🎈", "\\u0000"]),
        ("json", "'1e400'", "1e400"),
        ("json", "'[1e400, -1E-400, 1.50e10]'", ["1e400", "-1E-400", 1.5e10]),
        ("json", "'1e99999999999999999999'", "1e99999999999999999999"),
        ("jsonb", "'1e400'", "1" + "0" * 400),
        ("jsonb", "'[999999999999999999999999, 9223372036854775808, 12.00]'", BIG),
        (
            "jsonb",
            """'{"a": [{"n": 0.1234567890123456789}]}'""",
            {"a": [{"n": "0.1234567890123456789"}]},
        ),
        ("jsonb", "'1.0'", 1.0),
        ("jsonb", "(repeat('[', 32) || repeat(']', 32))::jsonb", nested(32)),
        ("jsonb", "(repeat('[', 33) || repeat(']', 33))::jsonb", TOO_DEEP),
        ("json", "(repeat('[', 5000) || repeat(']', 5000))::json", TOO_DEEP),
        ("json[]", r"""ARRAY['"\ud800"'::json]""", NO_TEXT),
        ("text", "repeat('x', 99000)", "x" * 99_000),
        ("text", "repeat('x', 100000)", TOO_LONG),
        ("jsonb", "to_jsonb(repeat('x', 100000))", TOO_LONG),
        ("pair", "('a', 1)", {"a": "a", "b": 1}),
        ("bytea", r"'\xdead'", "\\xdead"),
        ("text", "NULL", None),
    ],
)
@pytest.mark.asyncio
async def test_values_come_as_json_values(
    here: Scene, kind: str, literal: str, value: object
) -> None:
    await here.execute(
        "CREATE EXTENSION citext",
        _TYPES,
        f"CREATE TABLE contacts (id integer PRIMARY KEY, value {kind}, last text)",
        f"INSERT INTO contacts VALUES (1, {literal}, 'last')",
    )
    source = await here.inspect(
        SourceSpec(table="contacts", key="id", columns=("last", "value"))
    )
    row = (await here.load(source, "1"))["1"]
    assert row.values == ("last", value)
    assert type(row.values[1]) is type(value)


@pytest.mark.asyncio
async def test_more_columns_than_a_function_takes_arguments(here: Scene) -> None:
    columns = tuple(f"c{number}" for number in range(300))
    await here.execute(
        f"CREATE TABLE contacts (id integer PRIMARY KEY, {', '.join(f'{column} numeric' for column in columns)})",
        "INSERT INTO contacts (id, c0, c299) VALUES (1, 1.5, 2)",
    )
    source = await here.inspect(SourceSpec(table="contacts", key="id", columns=columns))
    row = (await here.load(source, "1"))["1"]
    assert (row.values[0], row.values[1], row.values[299], len(row.values)) == (
        1.5,
        None,
        2,
        300,
    )


@pytest.mark.asyncio
async def test_text_that_cannot_be_converted_ends_with_its_contact(
    here: Scene, database: str
) -> None:
    """WIN1252 has bytes without a meaning.

    A statement that reads such a row fails for all rows beside it.
    """
    name = f"{urlsplit(database).path.removeprefix('/')}_win"
    async with here.state.acquire() as admin:
        # Until version 14 there was no other provider, and no word for it.
        has_providers = admin.get_server_version().major > 14
        provider = "LOCALE_PROVIDER libc" if has_providers else ""
        await admin.execute(
            f"CREATE DATABASE {name} ENCODING WIN1252 TEMPLATE template0 "
            f"LOCALE 'C' {provider}"
        )
    try:
        async with scene(
            database, urlunsplit(urlsplit(database)._replace(path=f"/{name}"))
        ) as odd:
            await odd.execute(
                "CREATE TABLE contacts (id integer PRIMARY KEY, name text, city text)",
                "INSERT INTO contacts SELECT n, 'Zo' || chr(235), 'Ulm' "
                "FROM generate_series(1, 40) AS n",
                "UPDATE contacts SET name = 'a' || chr(129) WHERE id IN (7, 8, 33)",
                "UPDATE contacts SET city = chr(141) WHERE id IN (8, 40)",
            )
            source = await odd.inspect(
                SourceSpec(table="contacts", key="id", columns=("name", "city"))
            )
            assert len((await odd.diff(source)).changes) == 40
            rows = await odd.load(source, *(str(number) for number in range(1, 41)))
            assert len(rows) == 40
            unreadable = Unusable("holds text that cannot be converted to UTF-8")
            assert {
                number: row.values
                for number, row in rows.items()
                if row.values != ("Zo\u00eb", "Ulm")
            } == {
                "7": (unreadable, "Ulm"),
                "8": (unreadable, unreadable),
                "33": (unreadable, "Ulm"),
                "40": ("Zo\u00eb", unreadable),
            }
            await odd.acknowledge(list(rows.values()))
            assert (await odd.diff(source)).changes == ()
    finally:
        async with here.state.acquire() as admin:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
