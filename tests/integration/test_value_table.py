"""Every type of Postgres in every form that ``as`` can name.

Each cell states what is sent, or who refuses it. ``TYPE`` is refused by check, plan and
run for the column's type; ``VALUE`` is rejected for that contact alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from syncengine.model.http import Json
from syncengine.model.mapping import Form
from tests.support.diff_scene import Scene, scene
from tests.support.people_project import RESPOND_IO, People, people
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
_AT, _IN_UTC = "2025-06-01 23:30:00+02", "2025-06-01T21:30:00+00:00"


class _Row(NamedTuple):
    """A value of a type, and what becomes of it in each form.

    A form that a row does not name rejects the value. Phones are read in region DE.
    """

    kind: str
    literal: str
    plain: Json = VALUE
    text: Json = VALUE
    lower: Json = VALUE
    number: Json = VALUE
    boolean: Json = VALUE
    date: Json = VALUE
    e164: Json = VALUE

    @property
    def expected(self) -> list[Json]:
        """The cells of all forms, in the order of ``PURPOSES``."""
        _, _, *by_form = self
        return by_form


_ROWS = [
    _Row(
        "boolean",
        "true",
        plain=True,
        text="true",
        lower=TYPE,
        number=1,
        boolean=True,
        date=TYPE,
        e164=TYPE,
    ),
    _Row(
        "boolean",
        "false",
        plain=False,
        text="false",
        lower=TYPE,
        number=0,
        boolean=False,
        date=TYPE,
        e164=TYPE,
    ),
    _Row("smallint", "5", plain=5, text="5", lower="5", number=5, date=TYPE),
    _Row("integer", "-7", plain=-7, text="-7", lower="-7", number=-7, date=TYPE),
    _Row(
        "integer", "0", plain=0, text="0", lower="0", number=0, boolean=False, date=TYPE
    ),
    _Row(
        "integer", "1", plain=1, text="1", lower="1", number=1, boolean=True, date=TYPE
    ),
    _Row(
        "bigint",
        "491711000006",
        plain=491711000006,
        text="491711000006",
        lower="491711000006",
        number=491711000006,
        date=TYPE,
        e164="+491711000006",
    ),
    _Row(
        "bigint",
        "9223372036854775807",
        plain=2**63 - 1,
        text=str(2**63 - 1),
        lower=str(2**63 - 1),
        number=2**63 - 1,
        date=TYPE,
    ),
    _Row("oid", "42", plain="42", text="42", lower="42", number=42, date=TYPE),
    _Row(
        "numeric",
        "12.50",
        plain=12.5,
        text="12.5",
        lower="12.5",
        number=12.5,
        date=TYPE,
    ),
    _Row("numeric", "5.00", plain=5, text="5", lower="5", number=5, date=TYPE),
    _Row("numeric", _LONG, plain=_LONG, text=_LONG, lower=_LONG, date=TYPE),
    _Row(
        "numeric",
        _FRACTION,
        plain=_FRACTION,
        text=_FRACTION,
        lower=_FRACTION,
        date=TYPE,
    ),
    _Row("numeric", "'NaN'", date=TYPE),
    _Row("numeric", "'Infinity'", date=TYPE),
    _Row("score", "3.10", plain=3.1, text="3.1", lower="3.1", number=3.1, date=TYPE),
    _Row("real", "1.5", plain=1.5, text="1.5", lower="1.5", number=1.5, date=TYPE),
    _Row(
        "double precision",
        "0.1",
        plain=0.1,
        text="0.1",
        lower="0.1",
        number=0.1,
        date=TYPE,
    ),
    _Row(
        "double precision",
        "1e300",
        plain=1e300,
        text=_E300,
        lower=_E300,
        number=1e300,
        date=TYPE,
    ),
    _Row("double precision", "'NaN'", date=TYPE),
    _Row("double precision", "'-Infinity'", date=TYPE),
    _Row(
        "text",
        "NULL",
        plain=None,
        text=None,
        lower=None,
        number=None,
        boolean=None,
        date=None,
        e164=None,
    ),
    _Row(
        "text",
        "''",
        plain="",
        text="",
        lower=None,
        number=None,
        boolean=None,
        date=None,
        e164=None,
    ),
    _Row("text", "' Zoë '", plain=" Zoë ", text=" Zoë ", lower="zoë"),
    _Row("text", "'yes'", plain="yes", text="yes", lower="yes", boolean=True),
    _Row("text", "'0'", plain="0", text="0", lower="0", number=0, boolean=False),
    _Row("text", "'-3.5'", plain="-3.5", text="-3.5", lower="-3.5", number=-3.5),
    _Row("text", "'1e400'", plain="1e400", text="1e400", lower="1e400"),
    _Row("text", f"'{_LONG}'", plain=_LONG, text=_LONG, lower=_LONG),
    _Row("text", "'NaN'", plain="NaN", text="NaN", lower="nan"),
    _Row(
        "text",
        "'2025-06-01'",
        plain="2025-06-01",
        text="2025-06-01",
        lower="2025-06-01",
        date="2025-06-01",
    ),
    _Row("text", f"'{_AT}'", plain=_AT, text=_AT, lower=_AT, date="2025-06-01"),
    _Row(
        "text",
        "'01.06.2025'",
        plain="01.06.2025",
        text="01.06.2025",
        lower="01.06.2025",
    ),
    _Row(
        "text",
        "'0044-03-15 BC'",
        plain="0044-03-15 BC",
        text="0044-03-15 BC",
        lower="0044-03-15 bc",
    ),
    _Row(
        "text",
        "'0171 1000006'",
        plain="0171 1000006",
        text="0171 1000006",
        lower="0171 1000006",
        e164="+491711000006",
    ),
    _Row(
        "text",
        "'A@Example.org'",
        plain="A@Example.org",
        text="A@Example.org",
        lower="a@example.org",
    ),
    _Row(
        "date",
        "'2025-06-01'",
        plain="2025-06-01",
        text="2025-06-01",
        lower=TYPE,
        number=TYPE,
        boolean=TYPE,
        date="2025-06-01",
        e164=TYPE,
    ),
    _Row("date", "'infinity'", lower=TYPE, number=TYPE, boolean=TYPE, e164=TYPE),
    _Row("date", "'0044-03-15 BC'", lower=TYPE, number=TYPE, boolean=TYPE, e164=TYPE),
    _Row("date", "'20000-01-01'", lower=TYPE, number=TYPE, boolean=TYPE, e164=TYPE),
    _Row(
        "timestamp",
        f"'{_AT}'",
        plain="2025-06-01T23:30:00",
        text="2025-06-01T23:30:00",
        lower=TYPE,
        number=TYPE,
        boolean=TYPE,
        date="2025-06-01",
        e164=TYPE,
    ),
    _Row("timestamp", "'infinity'", lower=TYPE, number=TYPE, boolean=TYPE, e164=TYPE),
    _Row(
        "timestamptz",
        f"'{_AT}'",
        plain=_IN_UTC,
        text=_IN_UTC,
        lower=TYPE,
        number=TYPE,
        boolean=TYPE,
        date="2025-06-01",
        e164=TYPE,
    ),
    _Row(
        "timestamptz", "'-infinity'", lower=TYPE, number=TYPE, boolean=TYPE, e164=TYPE
    ),
    _Row("json", "'5'", plain=5, text="5", lower="5", number=5),
    _Row("json", "'\"a\"'", plain="a", text="a", lower="a"),
    _Row(
        "json", "'true'", plain=True, text="true", lower="true", number=1, boolean=True
    ),
    _Row(
        "json",
        "'null'",
        plain=None,
        text=None,
        lower=None,
        number=None,
        boolean=None,
        date=None,
        e164=None,
    ),
    _Row("json", "'1e400'", plain="1e400", text="1e400", lower="1e400"),
    _Row("json", "'[1, \"a\"]'", plain=[1, "a"]),
    _Row("json", "'{\"a\": 1}'", plain={"a": 1}),
    _Row("json", '\'{"a": 1, "a": 2}\'', plain={"a": 2}),
    _Row(
        "json", '\'{"n": {"a": 10000000000000000001, "a": 2}}\'', plain={"n": {"a": 2}}
    ),
    _Row("json", "'\"\\u0000\"'"),
    _Row("jsonb", f"'{_LONG}'", plain=_LONG, text=_LONG, lower=_LONG),
    _Row(
        "jsonb",
        "'\"2025-06-01\"'",
        plain="2025-06-01",
        text="2025-06-01",
        lower="2025-06-01",
        date="2025-06-01",
    ),
    _Row(
        "jsonb",
        "'{\"n\": [1.10, 9999999999999999999]}'",
        plain={"n": [1.1, "9999999999999999999"]},
    ),
    _Row(
        "pair",
        "('a', 1)",
        plain={"a": "a", "b": 1},
        text=TYPE,
        lower=TYPE,
        number=TYPE,
        boolean=TYPE,
        date=TYPE,
        e164=TYPE,
    ),
    _Row(
        "hstore",
        "'a=>1'",
        plain={"a": "1"},
        text=TYPE,
        lower=TYPE,
        number=TYPE,
        boolean=TYPE,
        date=TYPE,
        e164=TYPE,
    ),
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


def _table() -> list[_Row]:
    """Return the rows of all types."""
    texts = [
        _Row(kind, literal, plain=sent, text=sent, lower=sent.lower())
        for kind, literal, sent in _TEXTS
    ]
    written = [
        _Row(
            kind,
            literal,
            plain=sent,
            text=sent,
            lower=TYPE,
            number=TYPE,
            boolean=TYPE,
            date=TYPE,
            e164=TYPE,
        )
        for kind, literal, sent in _WRITTEN
    ]
    return [*_ROWS, *texts, *written]


async def _known_here(here: Scene) -> list[_Row]:
    """Return the rows whose types this version of Postgres has."""
    return [row for row in _table() if not await lacks(here, row.kind, row.literal)]


def _name(kind: str) -> str:
    return kind.partition("(")[0]


@pytest_asyncio.fixture
async def here(database: str) -> AsyncIterator[Scene]:
    async with scene(database) as opened:
        await opened.execute(*_EXTENSIONS)
        yield opened


@pytest.mark.asyncio
async def test_every_type_under_every_form(here: Scene) -> None:
    rows = await _known_here(here)
    found = await cells(here, [(row.kind, row.literal) for row in rows])
    for row, cell in zip(rows, found, strict=True):
        # Tags come from arrays, or from lists in JSON.
        tags = cell.pop("tags")
        values = list(cell.values())
        assert values == row.expected, row
        # For Python 1, 1.0 and True are equal; for a vendor they are not.
        types = [type(value) for value in values]
        assert types == [type(value) for value in row.expected], row
        if row.kind not in ("json", "jsonb"):
            assert tags == TYPE, row


def _as_list(text: Json) -> Json:
    """Return the tags of an array with this one value, unless it is refused."""
    if isinstance(text, Refusal):
        return text
    return [text] if text else []


@pytest.mark.asyncio
async def test_arrays_of_every_type_are_lists_and_some_of_them_tags(
    here: Scene,
) -> None:
    rows = [row for row in await _known_here(here) if row.literal != "NULL"]
    arrays = [(f"{row.kind}[]", f"ARRAY[({row.literal})::{row.kind}]") for row in rows]
    forms = [name for name, purpose in PURPOSES.items() if isinstance(purpose, Form)]
    found = await cells(here, arrays)
    for row, cell in zip(rows, found, strict=True):
        plain = row.plain if isinstance(row.plain, Refusal) else [row.plain]
        assert cell["plain"] == plain, row
        tags = _as_list(row.text) if _name(row.kind) in _TAGS else TYPE
        assert cell["tags"] == tags, row
        # No other form is made of an array, whatever its items are.
        assert {cell[form] for form in forms} == {TYPE}, row


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
        named = [_name(row.kind) for row in _table()]
        stated = await connection.fetch(
            "SELECT t.typname AS name FROM unnest($1::text[]) AS named (name)"
            " JOIN pg_type AS t ON t.oid = to_regtype(named.name)",
            named,
        )
    # Arrays of the catalogs, whose names do not say so.
    vectors = {"int2vector", "oidvector"}
    assert {row["name"] for row in there} - vectors <= {row["name"] for row in stated}


_SAMPLED = {"text", "numeric", "bigint", "date", "jsonb", "mood"}


class _Sample(NamedTuple):
    """A value in one form: one contact, one column and one field of the run."""

    number: int
    """The contact's; column and field have the same."""
    kind: str
    literal: str
    form: str
    expected: Json

    @property
    def field(self) -> dict[str, str]:
        mapped = {"from": f"c{self.number}"}
        if self.form != "plain":
            mapped["as"] = self.form
        if self.form == "e164":
            mapped["region"] = "DE"
        return mapped


def _samples() -> list[_Sample]:
    """Return every second row of some types, in each form that its type allows."""
    forms = [purpose for purpose in PURPOSES if purpose != "tags"]
    rows = [row for row in _table() if _name(row.kind) in _SAMPLED][::2]
    samples: list[_Sample] = []
    for row in rows:
        for form, expected in zip(forms, row.expected, strict=True):
            # A mapping with such a field would be refused, with all other contacts.
            if expected != TYPE:
                number = len(samples) + 1
                samples.append(_Sample(number, row.kind, row.literal, form, expected))
    return samples


@pytest.mark.asyncio
async def test_a_sample_of_it_by_a_run(database: str, tmp_path: Path) -> None:
    """Each contact is sent as stated, or rejected alone."""
    samples = _samples()
    fields: dict[str, Any] = {"crm_id": "id"}
    fields |= {f"f{sample.number}": sample.field for sample in samples}
    destination = {**RESPOND_IO, "fields": fields}
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.source.execute("CREATE TYPE mood AS ENUM ('calm', 'keen')")
        await here.add(sample.number for sample in samples)
        for sample in samples:
            column = f"c{sample.number}"
            await here.source.execute(
                f"ALTER TABLE crm.people ADD {column} {sample.kind}"
            )
            await here.source.execute(
                f"UPDATE crm.people SET {column} = {sample.literal} WHERE id = $1",
                sample.number,
            )
        report = await here.run("respond_io")
        await _are_rejected(
            here,
            report.run_id,
            {sample.number for sample in samples if sample.expected == VALUE},
        )
        held = here.held("respond_io")
        for sample in samples:
            # Nothing is sent for these: a rejection, a NULL and an empty text.
            if sample.expected in (VALUE, None, ""):
                continue
            sent = held[sample.number]["fields"][f"f{sample.number}"]
            assert sent in (sample.expected, _as_text(sample.expected)), sample


async def _are_rejected(here: People, run_id: int | None, numbers: set[int]) -> None:
    """Check that these contacts, and no others, are rejected for their values."""
    outcomes = await here.outcomes(run_id)
    rejected = {
        number: row for number, row in outcomes.items() if row["outcome"] == "rejected"
    }
    assert rejected.keys() == numbers
    for number, row in rejected.items():
        assert row["code"] == "invalid_value"
        assert f'column "c{number}" for field "f{number}"' in row["message"]


def _as_text(cell: Json) -> str:
    """Return a value as a vendor takes it whose fields hold only text."""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
