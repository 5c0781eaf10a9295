"""Problems of a source are all reported at once, before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
import pytest_asyncio

from syncengine.errors import Problem, SourceError
from syncengine.storage.connect import open_pool
from syncengine.storage.source.spec import SourceSpec
from tests.support.diff_scene import Scene, scene

_CONTACTS = SourceSpec(table="crm.contacts", key="id", columns=("first_name", "mobile"))


@pytest_asyncio.fixture
async def here(database: str) -> AsyncIterator[Scene]:
    async with scene(database) as opened:
        await opened.execute(
            "CREATE SCHEMA crm",
            "CREATE TABLE crm.contacts (id bigint PRIMARY KEY, first_name text, "
            "mobile text, score numeric, extra json)",
            "INSERT INTO crm.contacts SELECT n, 'Ann', '+49 151 000' || n, n "
            "FROM generate_series(1, 20) AS n",
        )
        yield opened


async def _problems(here: Scene, spec: SourceSpec) -> list[Problem]:
    with pytest.raises(SourceError) as caught:
        await here.inspect(spec)
    assert str(caught.value) == "\n".join(
        str(problem) for problem in caught.value.problems
    )
    return list(caught.value.problems)


@pytest.mark.asyncio
async def test_every_missing_column_is_named_with_its_place_and_a_guess(
    here: Scene,
) -> None:
    spec = SourceSpec(
        table="crm.contacts",
        key="Id",
        columns=("first_name", "mobil", "plan"),
        where="scor > 1",
        places={
            "mobil": "whatsapp_de.yaml: fields.phone.from",
            "plan": "whatsapp_de.yaml: fields.plan",
        },
        key_place="syncengine.yaml: source.key",
        where_place="whatsapp_de.yaml: where",
    )
    has = "(it has: id, first_name, mobile, score, extra)"
    assert await _problems(here, spec) == [
        Problem(
            "syncengine.yaml: source.key",
            f'column "Id" is not in crm.contacts {has}; did you mean "id"?',
        ),
        Problem(
            "whatsapp_de.yaml: fields.phone.from",
            f'column "mobil" is not in crm.contacts {has}; did you mean "mobile"?',
        ),
        Problem(
            "whatsapp_de.yaml: fields.plan",
            f'column "plan" is not in crm.contacts {has}',
        ),
        Problem(
            "whatsapp_de.yaml: where",
            'it names a column that is not there: "scor" (SQLSTATE 42703)',
        ),
    ]


@pytest.mark.asyncio
async def test_a_column_dropped_since_yesterday(here: Scene) -> None:
    source = await here.inspect(_CONTACTS)
    await here.settle(source)
    await here.execute("ALTER TABLE crm.contacts DROP COLUMN mobile")
    [problem] = await _problems(here, _CONTACTS)
    assert problem.what.startswith(
        'column "mobile" is not in crm.contacts (it has: id, first_name'
    )
    # And dropped in the middle of a run:
    with pytest.raises(
        SourceError,
        match=r'a column that is not there: "contacts.mobile" \(SQLSTATE 42703\)',
    ):
        await here.load(source, "1")


@pytest.mark.parametrize(
    ("spec", "where", "what"),
    [
        (
            SourceSpec(table="crm.contact", key="id", columns=()),
            "source.table",
            'there is no table or view crm.contact; did you mean "crm.contacts"?',
        ),
        (
            SourceSpec(table="contacts", key="id", columns=()),
            "source.table",
            'there is no table or view contacts; did you mean "crm.contacts"?',
        ),
        (
            SourceSpec(table='"crm', key="id", columns=()),
            "source.table",
            'there is no table or view "crm',
        ),
        (
            SourceSpec(table="a.b.c.d", key="id", columns=()),
            "source.table",
            "there is no table or view a.b.c.d",
        ),
        (
            SourceSpec(table="crm.contacts_pkey", key="id", columns=()),
            "source.table",
            "crm.contacts_pkey is not a table or view",
        ),
        (
            SourceSpec(query="SELECT 1 FROM WHERE", key="id", columns=()),
            "source.query",
            'its SQL has a syntax error: "WHERE" (SQLSTATE 42601)',
        ),
        (
            SourceSpec(query="SELECT 1 AS id, 2 AS id", key="id", columns=()),
            "source.key",
            'column "id" comes 2 times in the source query; name it once',
        ),
        (
            SourceSpec(table="crm.contacts", key="extra", columns=()),
            "source.key",
            (
                'the key column "extra" has type json, whose text cannot tell '
                "contacts apart for sure; choose a column"
            ),
        ),
        (
            SourceSpec(
                table="crm.contacts", key="id", columns=(), where="first_name = 'x"
            ),
            "where",
            "its SQL has a syntax error (SQLSTATE 42601)",
        ),
        (
            SourceSpec(table="crm.contacts", key="id", columns=(), where="score"),
            "where",
            (
                "it compares or returns another type than is asked for: "
                '"score" (SQLSTATE 42804)'
            ),
        ),
    ],
)
@pytest.mark.asyncio
async def test_one_problem(
    here: Scene, spec: SourceSpec, where: str, what: str
) -> None:
    [problem] = await _problems(here, spec)
    assert problem.where == where
    assert problem.what.startswith(what)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("pg_advisory_lock(1) IS NULL", "pg_advisory_lock"),
        ("pg_try_advisory_xact_lock (1)", "pg_try_advisory_xact_lock"),
        ("lo_create(0) > 0", "lo_create"),
        ("score > pg_catalog.NEXTVAL('numbers')", "nextval"),
        ("\"set_config\"('search_path', '', false) = ''", "set_config"),
        ("/* ' */ pg_terminate_backend(1)", "pg_terminate_backend"),
        ("first_name <> 'it''s' AND pg_notify('a', 'b') IS NULL", "pg_notify"),
        ("query_to_xml('SELECT 1', true, true, '') IS NULL", "query_to_xml"),
        (
            "first_name = 'nextval(1)' OR first_name = $$lo_create(1)$$ -- setval(1)",
            None,
        ),
        ("score > 1 AND length(first_name) > 0", None),
    ],
)
@pytest.mark.asyncio
async def test_what_does_more_than_read_is_refused(
    here: Scene, sql: str, name: str | None
) -> None:
    await here.execute("CREATE SEQUENCE numbers")
    specs = {
        "where": SourceSpec(table="crm.contacts", key="id", columns=(), where=sql),
        "source.query": SourceSpec(
            query=f"SELECT id FROM crm.contacts WHERE {sql}",
            key="id",
            columns=(),
        ),
    }
    for place, spec in specs.items():
        if name is None:
            await here.inspect(spec)
        else:
            what = (
                f"calls {name}(), which does more than read; "
                "a source is only read, so leave it out"
            )
            assert await _problems(here, spec) == [Problem(place, what)]


@pytest.mark.asyncio
async def test_a_view_that_does_more_than_read_is_refused(here: Scene) -> None:
    await here.execute(
        "CREATE SEQUENCE numbers",
        "CREATE VIEW counting AS SELECT id, nextval('numbers') AS number "
        "FROM crm.contacts",
        "CREATE VIEW above AS SELECT * FROM counting",
        "CREATE MATERIALIZED VIEW counted AS SELECT * FROM counting",
        "CREATE VIEW later AS SELECT * FROM counted",
    )
    what = (
        "the view public.counting calls nextval(), which does more than read; "
        "a source is only read, so leave it out"
    )
    for table in ("counting", "above"):
        spec = SourceSpec(table=table, key="id", columns=())
        assert await _problems(here, spec) == [Problem("source.table", what)]
    await here.inspect(SourceSpec(table="later", key="id", columns=("number",)))


@pytest.mark.asyncio
async def test_missing_rights(here: Scene, database: str) -> None:
    user = f"reader_{urlsplit(database).path.rpartition('_')[2]}"
    await here.execute(
        f"CREATE ROLE {user} LOGIN PASSWORD 'se/cret'",
        f"GRANT USAGE ON SCHEMA crm TO {user}",
        f"GRANT SELECT (id, first_name) ON crm.contacts TO {user}",
    )
    try:
        parts = urlsplit(database)
        host = parts.netloc.rpartition("@")[2]
        as_reader = urlunsplit(
            parts._replace(netloc=f"{user}:{quote('se/cret', safe='')}@{host}")
        )
        async with open_pool(as_reader, read_only=True) as pool:
            restricted = Scene(pool, pool)
            [problem] = await _problems(restricted, _CONTACTS)
            assert problem.where == "source.table"
            assert problem.what.startswith(
                "this user lacks a right (SQLSTATE 42501); grant"
            )
            source = await restricted.inspect(
                SourceSpec(table="crm.contacts", key="id", columns=("first_name",))
            )
            assert set(await restricted.load(source, "1", "2")) == {"1", "2"}
    finally:
        await here.execute(f"DROP OWNED BY {user}", f"DROP ROLE {user}")


@pytest.mark.parametrize("constraint", ["", "UNIQUE"])
@pytest.mark.asyncio
async def test_rows_without_a_key(here: Scene, constraint: str) -> None:
    await here.execute(
        f"CREATE TABLE keyless (id integer {constraint}, name text)",
        "INSERT INTO keyless SELECT nullif(n, 3 * (n / 3)), 'n' "
        "FROM generate_series(1, 9) AS n",
    )
    source = await here.inspect(
        SourceSpec(table="keyless", key="id", columns=("name",))
    )
    assert source.unique is bool(constraint)
    with pytest.raises(SourceError) as caught:
        await here.diff(source)
    assert str(caught.value) == (
        'source.key: 3 selected rows of keyless have no key: column "id" is NULL; '
        "every contact needs one. "
        "Fill it in, or leave these rows out (where)"
    )
    chosen = await here.inspect(
        SourceSpec(table="keyless", key="id", columns=("name",), where="id IS NOT NULL")
    )
    assert len((await here.diff(chosen)).changes) == 6


@pytest.mark.parametrize("kind", ["integer", "text", 'text COLLATE "C"', "uuid"])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.asyncio
async def test_repeated_keys(
    here: Scene, kind: str, *, index: bool, known: bool
) -> None:
    key = "md5(n::text)::uuid" if kind == "uuid" else "n"
    await here.execute(
        f"CREATE TABLE doubled (id {kind}, name text)",
        f"INSERT INTO doubled SELECT {key}, 'n' FROM generate_series(1, 40) AS n",
        *(["CREATE INDEX ON doubled (id)"] if index else []),
    )
    source = await here.inspect(
        SourceSpec(table="doubled", key="id", columns=("name",))
    )
    if known:
        await here.settle(source)
    await here.execute(
        "INSERT INTO doubled SELECT * FROM doubled ORDER BY id DESC LIMIT 7"
    )
    async with here.source.acquire() as connection:
        repeated = {
            row["id"]
            for row in await connection.fetch(
                "SELECT id::text FROM doubled GROUP BY id HAVING count(*) > 1"
            )
        }
    assert len(repeated) == 7
    with pytest.raises(SourceError) as caught:
        await here.diff(source)
    [problem] = caught.value.problems
    start = 'column "id" of doubled holds the same key more than once, such as '
    assert problem.what.startswith(start)
    examples = problem.what.removeprefix(start).partition(";")[0].split(", ")
    assert len(set(examples)) == 5
    assert set(examples) <= repeated
    with pytest.raises(SourceError, match="is there twice"):
        await here.load(source, *repeated)


@pytest.mark.asyncio
async def test_a_value_never_gets_into_a_message(here: Scene) -> None:
    spec = SourceSpec(
        table="crm.contacts",
        key="id",
        columns=("first_name",),
        where="mobile::integer > 1",
    )
    source = await here.inspect(spec)
    for attempt in (here.diff(source), here.load(source, "1")):
        with pytest.raises(
            Exception, match="a value of a row cannot be read as its type"
        ) as caught:
            await attempt
        assert "151" not in str(caught.value)
        assert caught.value.__suppress_context__
        assert "22P02" in str(caught.value)


@pytest.mark.asyncio
async def test_an_empty_table(here: Scene) -> None:
    source = await here.inspect(_CONTACTS)
    await here.settle(source)
    await here.execute("DELETE FROM crm.contacts")
    found = await here.diff(source)
    assert (found.changes, set(found.removals)) == ((), {str(n) for n in range(1, 21)})
    assert (found.totals.source_rows, found.totals.known_contacts) == (0, 20)
    assert await here.load(source, "1", "2") == {}
    await here.settle(source)
    found = await here.diff(source)
    assert (found.changes, found.removals, found.totals.known_contacts) == ((), (), 0)


@pytest.mark.asyncio
async def test_where_is_applied_again_when_rows_are_loaded(here: Scene) -> None:
    spec = SourceSpec(
        table="crm.contacts",
        key="id",
        columns=("first_name",),
        where="score < 10 -- only the new ones",
    )
    source = await here.inspect(spec)
    assert set((await here.settle(source)).changes) == {str(n) for n in range(1, 10)}
    await here.execute("UPDATE crm.contacts SET first_name = 'Bea' WHERE id IN (3, 4)")
    assert set((await here.diff(source)).changes) == {"3", "4"}
    await here.execute("UPDATE crm.contacts SET score = 99 WHERE id = 3")
    assert set(await here.load(source, "3", "4")) == {"4"}
    found = await here.diff(source)
    assert (set(found.changes), found.removals) == ({"4"}, ("3",))


@pytest.mark.asyncio
async def test_settings_of_the_role_change_nothing(here: Scene, database: str) -> None:
    await here.execute(
        "CREATE TABLE crm.times (id integer PRIMARY KEY, at timestamptz, "
        "ats timestamptz[], took interval, raw bytea, score double precision, "
        "scores double precision[])",
        "INSERT INTO crm.times VALUES (1, now(), ARRAY[now()], "
        "'1 mon 2 days 03:04:05', 'x', pi(), ARRAY[pi()])",
    )
    spec = SourceSpec(
        table="crm.times",
        key="id",
        columns=("at", "ats", "took", "raw", "score", "scores"),
    )
    source = await here.inspect(spec)
    rows = await here.load(source, "1")
    await here.settle(source)
    name = urlsplit(database).path.removeprefix("/")
    await here.execute(
        *(
            f'ALTER DATABASE "{name}" SET {setting}'
            for setting in (
                "TimeZone = 'Asia/Kathmandu'",
                "DateStyle = 'SQL, DMY'",
                "IntervalStyle = 'sql_standard'",
                "bytea_output = 'escape'",
                "extra_float_digits = 0",
                "statement_timeout = '1h'",
            )
        )
    )
    async with scene(database) as later:
        async with later.source.acquire() as connection:
            assert await connection.fetchval("SHOW TimeZone") == "Asia/Kathmandu"
        assert await later.load(await later.inspect(spec), "1") == rows
        assert (await later.diff(source)).changes == ()
        async with later.source.acquire() as connection:  # as a pooler would hand it on
            assert await connection.fetchval("SHOW TimeZone") == "Asia/Kathmandu"
            assert await connection.fetchval("SHOW statement_timeout") == "1h"
            assert (
                await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
                == 0
            )


@pytest.mark.asyncio
async def test_ids_of_a_former_key_are_not_found(here: Scene) -> None:
    source = await here.inspect(_CONTACTS)
    odd = [
        "abc",
        "",
        "1 ",
        "01",
        "1.0",
        "99999999999999999999",
        "{1}",
        "\\",
        "'",
        "NULL",
        "é",
        "2",
    ]
    assert set(await here.load(source, *odd)) == {"2"}
    assert set(await here.load(source, "1", "3", "21")) == {"1", "3"}
    assert await here.load(source) == {}
