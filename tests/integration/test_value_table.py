"""Every type of Postgres in every form that ``as`` can name.

Each cell states what is sent, or who refuses it. ``TYPE`` is refused by check, plan and
run for the column's type; ``VALUE`` is rejected for that contact alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from syncengine.model.http import Json
from syncengine.model.mapping import Form
from tests.support.diff_scene import Scene, scene
from tests.support.people_project import RESPOND_IO, people
from tests.support.value_cells import PURPOSES, TYPE, VALUE, Refusal, cells, lacks

_EXTENSIONS = (
    "CREATE EXTENSION citext",
    "CREATE EXTENSION hstore",
    "CREATE TYPE mood AS ENUM ('calm', 'keen')",
    "CREATE DOMAIN score AS numeric(9, 2) CHECK (VALUE >= 0)",
    "CREATE TYPE pair AS (a text, b integer)",
)
_LONG = "123456789012345678901234567890"
_FRACTION = "0.12345678901234567890123"
_E300 = "1" + "0" * 300
_UUID = "abcdef00-0000-0000-0000-000000000001"
_NEVER = (VALUE, VALUE, VALUE)
_AT, _IN_UTC = "2025-06-01 23:30:00+02", "2025-06-01T21:30:00+00:00"

# Columns: type, literal | plain, text, lower | number, boolean, date | e164 (region
# DE).
_ROWS: list[tuple[Any, ...]] = [
    ("boolean", "true", True, "true", TYPE, 1, True, TYPE, TYPE),
    ("boolean", "false", False, "false", TYPE, 0, False, TYPE, TYPE),
    ("smallint", "5", 5, "5", "5", 5, VALUE, TYPE, VALUE),
    ("integer", "-7", -7, "-7", "-7", -7, VALUE, TYPE, VALUE),
    ("integer", "0", 0, "0", "0", 0, False, TYPE, VALUE),
    ("integer", "1", 1, "1", "1", 1, True, TYPE, VALUE),
    (
        "bigint",
        "491711000006",
        491711000006,
        "491711000006",
        "491711000006",
        491711000006,
        VALUE,
        TYPE,
        "+491711000006",
    ),
    (
        "bigint",
        "9223372036854775807",
        2**63 - 1,
        str(2**63 - 1),
        str(2**63 - 1),
        2**63 - 1,
        VALUE,
        TYPE,
        VALUE,
    ),
    ("oid", "42", "42", "42", "42", 42, VALUE, TYPE, VALUE),
    ("numeric", "12.50", 12.5, "12.5", "12.5", 12.5, VALUE, TYPE, VALUE),
    ("numeric", "5.00", 5, "5", "5", 5, VALUE, TYPE, VALUE),
    ("numeric", _LONG, _LONG, _LONG, _LONG, VALUE, VALUE, TYPE, VALUE),
    ("numeric", _FRACTION, _FRACTION, _FRACTION, _FRACTION, VALUE, VALUE, TYPE, VALUE),
    ("numeric", "'NaN'", *_NEVER, VALUE, VALUE, TYPE, VALUE),
    ("numeric", "'Infinity'", *_NEVER, VALUE, VALUE, TYPE, VALUE),
    ("score", "3.10", 3.1, "3.1", "3.1", 3.1, VALUE, TYPE, VALUE),
    ("real", "1.5", 1.5, "1.5", "1.5", 1.5, VALUE, TYPE, VALUE),
    ("double precision", "0.1", 0.1, "0.1", "0.1", 0.1, VALUE, TYPE, VALUE),
    ("double precision", "1e300", 1e300, _E300, _E300, 1e300, VALUE, TYPE, VALUE),
    ("double precision", "'NaN'", *_NEVER, VALUE, VALUE, TYPE, VALUE),
    ("double precision", "'-Infinity'", *_NEVER, VALUE, VALUE, TYPE, VALUE),
    ("text", "NULL", None, None, None, None, None, None, None),
    ("text", "''", "", "", None, None, None, None, None),
    ("text", "' Zoë '", " Zoë ", " Zoë ", "zoë", *_NEVER, VALUE),
    ("text", "'yes'", "yes", "yes", "yes", VALUE, True, VALUE, VALUE),
    ("text", "'0'", "0", "0", "0", 0, False, VALUE, VALUE),
    ("text", "'-3.5'", "-3.5", "-3.5", "-3.5", -3.5, VALUE, VALUE, VALUE),
    ("text", "'1e400'", "1e400", "1e400", "1e400", *_NEVER, VALUE),
    ("text", f"'{_LONG}'", _LONG, _LONG, _LONG, *_NEVER, VALUE),
    ("text", "'NaN'", "NaN", "NaN", "nan", *_NEVER, VALUE),
    (
        "text",
        "'2025-06-01'",
        "2025-06-01",
        "2025-06-01",
        "2025-06-01",
        VALUE,
        VALUE,
        "2025-06-01",
        VALUE,
    ),
    ("text", f"'{_AT}'", _AT, _AT, _AT, VALUE, VALUE, "2025-06-01", VALUE),
    ("text", "'01.06.2025'", "01.06.2025", "01.06.2025", "01.06.2025", *_NEVER, VALUE),
    (
        "text",
        "'0044-03-15 BC'",
        "0044-03-15 BC",
        "0044-03-15 BC",
        "0044-03-15 bc",
        *_NEVER,
        VALUE,
    ),
    (
        "text",
        "'0171 1000006'",
        "0171 1000006",
        "0171 1000006",
        "0171 1000006",
        *_NEVER,
        "+491711000006",
    ),
    (
        "text",
        "'A@Example.org'",
        "A@Example.org",
        "A@Example.org",
        "a@example.org",
        *_NEVER,
        VALUE,
    ),
    (
        "date",
        "'2025-06-01'",
        "2025-06-01",
        "2025-06-01",
        TYPE,
        TYPE,
        TYPE,
        "2025-06-01",
        TYPE,
    ),
    ("date", "'infinity'", VALUE, VALUE, TYPE, TYPE, TYPE, VALUE, TYPE),
    ("date", "'0044-03-15 BC'", VALUE, VALUE, TYPE, TYPE, TYPE, VALUE, TYPE),
    ("date", "'20000-01-01'", VALUE, VALUE, TYPE, TYPE, TYPE, VALUE, TYPE),
    (
        "timestamp",
        f"'{_AT}'",
        "2025-06-01T23:30:00",
        "2025-06-01T23:30:00",
        TYPE,
        TYPE,
        TYPE,
        "2025-06-01",
        TYPE,
    ),
    ("timestamp", "'infinity'", VALUE, VALUE, TYPE, TYPE, TYPE, VALUE, TYPE),
    ("timestamptz", f"'{_AT}'", _IN_UTC, _IN_UTC, TYPE, TYPE, TYPE, "2025-06-01", TYPE),
    ("timestamptz", "'-infinity'", VALUE, VALUE, TYPE, TYPE, TYPE, VALUE, TYPE),
    ("json", "'5'", 5, "5", "5", 5, VALUE, VALUE, VALUE),
    ("json", "'\"a\"'", "a", "a", "a", *_NEVER, VALUE),
    ("json", "'true'", True, "true", "true", 1, True, VALUE, VALUE),
    ("json", "'null'", None, None, None, None, None, None, None),
    ("json", "'1e400'", "1e400", "1e400", "1e400", *_NEVER, VALUE),
    ("json", "'[1, \"a\"]'", [1, "a"], VALUE, VALUE, *_NEVER, VALUE),
    ("json", "'{\"a\": 1}'", {"a": 1}, VALUE, VALUE, *_NEVER, VALUE),
    ("json", '\'{"a": 1, "a": 2}\'', {"a": 2}, VALUE, VALUE, *_NEVER, VALUE),
    (
        "json",
        '\'{"n": {"a": 10000000000000000001, "a": 2}}\'',
        {"n": {"a": 2}},
        VALUE,
        VALUE,
        *_NEVER,
        VALUE,
    ),
    ("json", "'\"\\u0000\"'", VALUE, VALUE, VALUE, *_NEVER, VALUE),
    ("jsonb", f"'{_LONG}'", _LONG, _LONG, _LONG, *_NEVER, VALUE),
    (
        "jsonb",
        "'\"2025-06-01\"'",
        "2025-06-01",
        "2025-06-01",
        "2025-06-01",
        VALUE,
        VALUE,
        "2025-06-01",
        VALUE,
    ),
    (
        "jsonb",
        "'{\"n\": [1.10, 9999999999999999999]}'",
        {"n": [1.1, "9999999999999999999"]},
        *_NEVER,
        *_NEVER,
    ),
    ("pair", "('a', 1)", {"a": "a", "b": 1}, TYPE, TYPE, TYPE, TYPE, TYPE, TYPE),
    ("hstore", "'a=>1'", {"a": "1"}, TYPE, TYPE, TYPE, TYPE, TYPE, TYPE),
]

# Types that are text to everybody: sent as they are, which is no number, no truth, no
# day and no phone here.
_TEXTS = [
    ("varchar(30)", "'Zoë'", "Zoë"),
    ("char(5)", "'Ab'", "Ab"),
    ("name", "'Ab'", "Ab"),
    ('"char"', "'A'", "A"),
    ("citext", "'Ann'", "Ann"),
    ("mood", "'keen'", "keen"),
    ("uuid", f"'{_UUID.upper()}'", _UUID),
    ("inet", "'10.0.0.1/8'", "10.0.0.1/8"),
    ("cidr", "'10.0.0.0/8'", "10.0.0.0/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", "08:00:2b:01:02:03:04:05"),
]

# All other types: sent as Postgres writes them, plain or as: text; no other form is
# made of them.
_WRITTEN = [
    ("money", "5", "$5.00"),
    ("time", "'10:00'", "10:00:00"),
    ("timetz", "'10:00+02'", "10:00:00+02"),
    ("interval", "'1 day 2 hours'", "P1DT2H"),
    ("interval", "'1 month -2 days'", "P1M-2D"),
    ("interval", "'-90 seconds'", "PT-1M-30S"),
    ("interval", "'0'", "PT0S"),
    ("bytea", r"'\xdead'", r"\xdead"),
    ("bit(3)", "B'101'", "101"),
    ("varbit(9)", "B'101'", "101"),
    ("xml", "'<a/>'", "<a/>"),
    ("point", "'(1,2)'", "(1,2)"),
    ("line", "'{1,2,3}'", "{1,2,3}"),
    ("lseg", "'[(1,2),(3,4)]'", "[(1,2),(3,4)]"),
    ("box", "'(3,4),(1,2)'", "(3,4),(1,2)"),
    ("path", "'[(1,2),(3,4)]'", "[(1,2),(3,4)]"),
    ("polygon", "'((1,2),(3,4))'", "((1,2),(3,4))"),
    ("circle", "'<(1,2),3>'", "<(1,2),3>"),
    ("int4range", "'[1,3)'", "[1,3)"),
    ("int8range", "'[1,3)'", "[1,3)"),
    ("numrange", "'[1.5,3)'", "[1.5,3)"),
    ("tsrange", "'[2025-06-01,)'", '["2025-06-01 00:00:00",)'),
    ("tstzrange", "'[2025-06-01,)'", '["2025-06-01 00:00:00+00",)'),
    ("daterange", "'[2025-06-01,infinity)'", "[2025-06-01,infinity)"),
    ("int4multirange", "'{[1,3)}'", "{[1,3)}"),
    ("int8multirange", "'{[1,3)}'", "{[1,3)}"),
    ("nummultirange", "'{[1.5,3)}'", "{[1.5,3)}"),
    ("tsmultirange", "'{[2025-06-01,)}'", '{["2025-06-01 00:00:00",)}'),
    ("tstzmultirange", "'{[2025-06-01,)}'", '{["2025-06-01 00:00:00+00",)}'),
    ("datemultirange", "'{[2025-06-01,)}'", "{[2025-06-01,)}"),
    ("tsvector", "'a'", "'a'"),
    ("tsquery", "'a'", "'a'"),
    ("jsonpath", "'$.a'", '$."a"'),
    ("pg_lsn", "'16/B374D848'", "16/B374D848"),
    ("pg_snapshot", "'10:20:10'", "10:20:10"),
    ("txid_snapshot", "'10:20:10'", "10:20:10"),
    ("refcursor", "'a'", "a"),
    ("tid", "'(1,2)'", "(1,2)"),
    ("xid", "'5'", "5"),
    ("xid8", "'5'", "5"),
    ("cid", "'5'", "5"),
    ("regclass", "'pg_class'", "pg_class"),
    ("regcollation", "'\"C\"'", '"C"'),
    ("regconfig", "'simple'", "simple"),
    ("regdictionary", "'simple'", "simple"),
    ("regnamespace", "'pg_catalog'", "pg_catalog"),
    ("regoper", "'|/'", "|/"),
    ("regoperator", "'+(integer,integer)'", "+(integer,integer)"),
    ("regproc", "'pg_backend_pid'", "pg_backend_pid"),
    ("regprocedure", "'abs(integer)'", "abs(integer)"),
    ("regrole", "'pg_monitor'", "pg_monitor"),
    ("regtype", "'integer'", "integer"),
    # The server's own, of which nobody can write a value down.
    *(
        (kind, "NULL", None)
        for kind in (
            "aclitem",
            "gtsvector",
            "pg_node_tree",
            "pg_ndistinct",
            "pg_dependencies",
            "pg_mcv_list",
            "pg_brin_bloom_summary",
            "pg_brin_minmax_multi_summary",
        )
    ),
]
_TAGS = {
    "text",
    "varchar",
    "char",
    "name",
    '"char"',
    "citext",
    "mood",
    "uuid",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
}
_TAGS |= {"smallint", "integer", "bigint", "oid", "numeric", "score"}
"""Types whose arrays can be tags and lists."""


def _table() -> list[tuple[str, str, list[Json]]]:
    """Type, literal, and the cells of all forms."""
    rows = [(kind, literal, list(sent)) for kind, literal, *sent in _ROWS]
    rows += [
        (kind, literal, [sent, sent, sent.lower(), *_NEVER, VALUE])
        for kind, literal, sent in _TEXTS
    ]
    rows += [
        (kind, literal, [sent, sent, TYPE, TYPE, TYPE, TYPE, TYPE])
        for kind, literal, sent in _WRITTEN
    ]
    return rows


def _name(kind: str) -> str:
    return kind.partition("(")[0]


@pytest_asyncio.fixture
async def here(database: str) -> AsyncIterator[Scene]:
    async with scene(database) as opened:
        await opened.execute(*_EXTENSIONS)
        yield opened


@pytest.mark.asyncio
async def test_every_type_under_every_form(here: Scene) -> None:
    rows = [row for row in _table() if not await lacks(here, *row[:2])]
    found = await cells(here, [(kind, literal) for kind, literal, _ in rows])
    for (kind, literal, expected), cell in zip(rows, found, strict=True):
        # Tags come from arrays, or from lists in JSON.
        tags = cell.pop("tags")
        assert list(cell.values()) == expected, (kind, literal)
        assert [type(value) for value in cell.values()] == [
            type(value) for value in expected
        ], (kind, literal)
        if kind not in ("json", "jsonb"):
            assert tags == TYPE, kind


@pytest.mark.asyncio
async def test_arrays_of_every_type_are_lists_and_some_of_them_tags(
    here: Scene,
) -> None:
    rows = [
        row for row in _table() if not await lacks(here, *row[:2]) and row[1] != "NULL"
    ]
    found = await cells(
        here,
        [(f"{kind}[]", f"ARRAY[({literal})::{kind}]") for kind, literal, _ in rows],
    )
    for (kind, literal, (plain, text, *_)), cell in zip(rows, found, strict=True):
        assert cell["plain"] == (plain if isinstance(plain, Refusal) else [plain]), (
            kind,
            literal,
        )
        expected: Json = TYPE
        if _name(kind) in _TAGS:
            expected = (
                text if isinstance(text, Refusal) else [item for item in [text] if item]
            )
        assert cell["tags"] == expected, (kind, literal)
        assert {
            cell[form] for form in PURPOSES if isinstance(PURPOSES[form], Form)
        } == {TYPE}, (kind, literal)


@pytest.mark.parametrize(
    ("kind", "literal", "tags"),
    [
        ("text[]", "'{a,NULL,\"\",b}'", ["a", "b"]),
        ("text[]", "'{}'", []),
        ("text[]", "NULL", []),
        ("text[]", "'{{a,b},{c,d}}'", VALUE),
        ("numeric[]", f"'{{12.50,{_LONG}}}'", ["12.5", _LONG]),
        ("numeric[]", "'{1,NaN}'", VALUE),
        (
            "jsonb",
            """'["a", 1, null, 12345678901234567890]'""",
            ["1", "12345678901234567890", "a"],
        ),
        ("jsonb", "'[]'", []),
        ("jsonb", """'["a", true]'""", VALUE),
        ("jsonb", """'["a", ["b"]]'""", VALUE),
        ("jsonb", """'{"a": 1}'""", VALUE),
        ("json", """'"a"'""", VALUE),
        ("json", r"""'["\ud800"]'""", VALUE),
        ("json", r"""'["\u0000"]'""", VALUE),
        ("jsonb[]", """ARRAY['"a"'::jsonb]""", TYPE),
        ("boolean[]", "'{t}'", TYPE),
        ("double precision[]", "'{1}'", TYPE),
        ("text", "'a,b'", TYPE),
    ],
)
@pytest.mark.asyncio
async def test_tags(here: Scene, kind: str, literal: str, tags: Json) -> None:
    assert (await cells(here, [(kind, literal)]))[0]["tags"] == tags


@pytest.mark.asyncio
async def test_every_type_of_this_server_is_in_the_table(here: Scene) -> None:
    async with here.source.acquire() as connection:
        there = await connection.fetch(
            "SELECT t.typname AS name FROM pg_type AS t "
            "WHERE t.typnamespace = 'pg_catalog'::regnamespace "
            "AND t.typtype IN ('b', 'r', 'm') AND t.typarray <> 0 "
            "AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.oid = t.typelem "
            "AND e.typarray = t.oid)"
        )
        named = [_name(kind) for kind, _, _ in _table()]
        stated = await connection.fetch(
            "SELECT t.typname AS name FROM unnest($1::text[]) AS named (name)"
            " JOIN pg_type AS t ON t.oid = to_regtype(named.name)",
            named,
        )
    vectors = {
        "int2vector",
        "oidvector",
    }  # arrays of the catalogs that name themselves otherwise
    assert {row["name"] for row in there} - vectors <= {row["name"] for row in stated}


_SAMPLE = [
    row
    for row in _table()
    if _name(row[0]) in {"text", "numeric", "bigint", "date", "jsonb", "mood"}
][::2]


@pytest.mark.asyncio
async def test_a_sample_of_it_by_a_run(database: str, tmp_path: Path) -> None:
    """One contact a value and form: sent as stated, or rejected alone."""
    forms = [purpose for purpose in PURPOSES if purpose != "tags"]
    wanted = [
        (kind, literal, form, cell)
        for kind, literal, sent in _SAMPLE
        for form, cell in zip(forms, sent, strict=True)
        if cell != TYPE
    ]
    fields = {"crm_id": "id"}
    for number, (_, _, form, _) in enumerate(wanted):
        as_form = (
            {}
            if form == "plain"
            else {"as": form} | ({"region": "DE"} if form == "e164" else {})
        )
        fields[f"f{number}"] = {"from": f"c{number}", **as_form}  # type: ignore[assignment]
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "fields": fields}}
    ) as here:
        await here.source.execute("CREATE TYPE mood AS ENUM ('calm', 'keen')")
        await here.add(range(1, len(wanted) + 1))
        for number, (kind, literal, _, _) in enumerate(wanted):
            await here.source.execute(f"ALTER TABLE crm.people ADD c{number} {kind}")
            await here.source.execute(
                f"UPDATE crm.people SET c{number} = {literal} WHERE id = $1",
                number + 1,
            )
        report = await here.run("respond_io")
        refused = {
            number for number, (*_, cell) in enumerate(wanted, 1) if cell == VALUE
        }
        outcomes = await here.outcomes(report.run_id)
        rejected = {
            number: row
            for number, row in outcomes.items()
            if row["outcome"] == "rejected"
        }
        assert rejected.keys() == refused
        for number, row in rejected.items():
            assert row["code"] == "invalid_value"
            assert f'column "c{number - 1}" for field "f{number - 1}"' in row["message"]
        held = here.held("respond_io")
        for number, (kind, literal, form, cell) in enumerate(wanted, 1):
            if cell not in (VALUE, None, ""):
                assert held[number]["fields"][f"f{number - 1}"] in (
                    cell,
                    _as_text(cell),
                ), (kind, literal, form)


def _as_text(cell: Json) -> str:
    """Return a value as a vendor takes it whose fields hold only text."""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
