"""A value that no vendor can be sent costs its own contact alone.

A column that could never be right is refused before a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.contact_ids import LONGEST_KEY, contact_id_of
from tests.support.people_project import RESPOND_IO, people

_LONG = "k" * 400
_VALUES = {
    2: ("j", "'1e400'", None),
    3: ("j", r"""'{"a": ["\ud800"]}'""", "j"),
    4: ("j", r"""'"\u0000"'""", "j"),
    5: ("j", "(repeat('[', 3000) || repeat(']', 3000))", "j"),
    6: ("n", "'NaN'", "n"),
    7: ("n", "'Infinity'", "n"),
    8: ("n", "'12345678901234567890123.4500'", None),
    9: ("f", "'-Infinity'", "f"),
    10: ("d", "'infinity'", "d"),
    11: ("d", "'0044-03-15 BC'", "d"),
    12: ("at", "'20000-01-01'", "at"),
    13: ("big", "repeat('x', 3000000)", "big"),
    14: ("labels", "'{{a,b},{c,d}}'", "labels"),
    15: ("x", "'999999999999999999999999999999'", "x"),
    16: ("x", "'1e400'", "x"),
    17: ("x", "'NaN'", "x"),
    18: ("matched", f"'{_LONG}{_LONG}'", "matched"),
}
"""By contact: a column, what it is set to, and the column that the rejection names (None: it is sent)."""
_SENT = {
    2: ("extra", "1e400"),
    8: ("amount", "12345678901234567890123.45"),
}
_FIELDS: dict[str, Any] = {
    "crm_id": "matched",
    "firstName": "name",
    "extra": "j",
    "amount": "n",
    "share": "f",
    "birthday": "d",
    "seen": "at",
    "note": "big",
    "score": {"from": "x", "as": "number"},
}


@pytest.mark.asyncio
async def test_one_value_stops_nobody_else_and_costs_nothing_once_it_is_a_dead_letter(
    database: str, tmp_path: Path
) -> None:
    destination = {**RESPOND_IO, "fields": _FIELDS, "tags": {"from": "labels"}}
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD matched text, ADD j json, ADD n numeric, "
            "ADD f float8, ADD d date, ADD at timestamptz, ADD big text, ADD x text, "
            "ADD labels text[]"
        )
        await here.add(range(1, 21))
        await here.source.execute("UPDATE crm.people SET matched = id")
        for number, (column, value, _) in _VALUES.items():
            kind = {"j": "json", "n": "numeric"}.get(column)
            cast = f"({value})::{kind}" if kind else value
            await here.source.execute(
                f"UPDATE crm.people SET {column} = {cast} WHERE id = {number}"
            )

        bad = {number: column for number, (_, _, column) in _VALUES.items() if column}
        for _ in range(3):
            report = await here.run("respond_io")
            assert (report.status, exit_code(report)) == ("incomplete", 1), report.error
            outcomes = await here.outcomes(report.run_id)
            refused = {
                number: row
                for number, row in outcomes.items()
                if row["outcome"] == "rejected"
            }
            assert refused.keys() == bad.keys()
            for number, row in refused.items():
                column = bad[number]
                named = (
                    'field "crm_id"' if column == "matched" else f'column "{column}"'
                )
                assert row["code"] == "invalid_value"
                assert named in row["message"]
                assert not [
                    sign
                    for sign in ("999999", "kkkk", "xxxx", "20000", "1e400")
                    if sign in row["message"]
                ]
        held = here.held("respond_io")
        assert held.keys() == set(range(1, 21)) - bad.keys()
        for number, (field, value) in _SENT.items():
            assert held[number]["fields"][field] == value

        sent = here.requests("respond_io")
        report = await here.run("respond_io")
        assert (
            report.status,
            exit_code(report),
            report.contacts.get("rejected", 0),
        ) == ("done", 0, 0)
        assert here.requests("respond_io") == sent

        await here.source.execute(
            "UPDATE crm.people SET j = NULL, labels = '{a}' WHERE id IN (3, 14)"
        )
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["applied"]) == (0, 2)


@pytest.mark.asyncio
async def test_a_row_that_the_database_cannot_compute_is_named_by_every_verb(
    database: str, tmp_path: Path
) -> None:
    source = {"table": "crm.seen", "key": "id"}
    fields = {"crm_id": "id", "score": {"from": "ratio", "as": "number"}}
    destination = {**RESPOND_IO, "source": source, "fields": fields}
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.add(range(1, 21))
        await here.source.execute(
            "CREATE VIEW crm.seen AS SELECT id, tags, 1 / (id - 7) AS ratio, "
            "opted_in FROM crm.people"
        )
        said = (
            "destinations/respond_io.yaml: fields.score.from: "
            'column "ratio" of crm.seen in the state database'
        )
        why = (
            "cannot be computed for contact 7: "
            "something is divided by zero (SQLSTATE 22012). Correct the row"
        )
        for verb in (("check",), ("plan",), ("run",), ("run", "--contact", "7")):
            code, told = await here.command(*verb)
            assert code == 2, told
            assert why in told, verb
            # A run of one contact names the key and the column, and no file.
            if verb == ("run", "--contact", "7"):
                assert said.removeprefix("destinations/respond_io.yaml: ") in told
            else:
                assert said in told
        assert here.held("respond_io") == {}
        code, told = await here.command("run", "--contact", "6")
        assert code == 0, told
        await here.source.execute(
            "CREATE OR REPLACE VIEW crm.seen AS "
            "SELECT id, tags, 1 / nullif(id - 7, 0) AS ratio, opted_in FROM crm.people"
        )
        report = await here.run("respond_io")
        assert (exit_code(report), len(here.held("respond_io"))) == (0, 20), (
            report.error
        )


@pytest.mark.parametrize(
    "kind",
    ["text", 'text COLLATE "C" PRIMARY KEY', "citext UNIQUE", "varchar PRIMARY KEY"],
)
@pytest.mark.asyncio
async def test_a_key_too_long_to_be_kept_is_refused_like_a_bad_value(
    database: str, tmp_path: Path, kind: str
) -> None:
    source = {"table": "crm.texts", "key": "id"}
    fields = {"crm_id": "number", "firstName": "name"}
    destination = {
        **RESPOND_IO,
        "source": source,
        "fields": fields,
        "tags": None,
        "on_removed": "untag",
    }
    destination.pop("tags")
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.source.execute(
            "CREATE EXTENSION citext",
            timeout=30,
        )
        await here.source.execute(
            f"CREATE TABLE crm.texts (id {kind}, number integer, name text)"
        )
        long = (
            "m" * 30 + "ä" * 600,
            "m" * 30 + "ä" * 599 + "z",
            contact_id_of("q" * 900),
        )
        fits = ("a", "m" * LONGEST_KEY, "z", "")
        await here.source.executemany(
            "INSERT INTO crm.texts VALUES ($1, $2, 'Anna')",
            [(key, number) for number, key in enumerate((*long, *fits), 1)],
        )
        ids = [contact_id_of(key) for key in long]
        assert len({*ids, *long}) == 6

        for _ in range(3):
            report = await here.run("respond_io")
            assert (report.status, exit_code(report)) == ("incomplete", 1), report.error
            rows = await here.source.fetch(
                "SELECT * FROM syncengine.sync_outcome WHERE run_id = $1 "
                "AND outcome = 'rejected'",
                report.run_id,
            )
            assert {row["contact_id"] for row in rows} == set(ids)
            assert {row["code"] for row in rows} == {"invalid_value"}
            assert all('column "id"' in row["message"] for row in rows)
        assert here.held("respond_io").keys() == {4, 5, 6, 7}

        report = await here.run("respond_io")
        assert (report.status, exit_code(report)) == ("done", 0)
        plan = await here.plan("respond_io")
        assert (plan.error, plan.requests) == (None, 0)

        # A changed row is looked at again, whoever left is let go of, and a backfill
        # compares them too.
        await here.source.execute(
            "UPDATE crm.texts SET name = 'Bea' WHERE id = $1", long[0]
        )
        await here.source.execute("DELETE FROM crm.texts WHERE id = $1", long[1])
        report = await here.run("respond_io")
        outcomes = await here.source.fetch(
            "SELECT contact_id, outcome FROM syncengine.sync_outcome WHERE run_id = $1",
            report.run_id,
        )
        assert [tuple(row) for row in outcomes] == [(ids[0], "rejected")]
        state = await here.one(
            "SELECT status FROM syncengine.sync_state WHERE contact_id = $1", ids[1]
        )
        assert state["status"] == "removed"
        report = await here.run("respond_io", contacts=(long[0],))
        assert report.contacts["rejected"] == 1
        report = await here.run("respond_io", backfill=True)
        assert report.contacts["rejected"] == 2
        code, said = await here.command("check")
        assert code == 0
        assert (
            f"note respond_io: source: 1 row has a key longer than {LONGEST_KEY} "
            "characters"
        ) in said


_COLUMNS = (
    "ADD vip integer, ADD news text, ADD pair boolean[], ADD words text, ADD objects "
    "jsonb, ADD points point, "
    "ADD lists jsonb, ADD numbers bigint[], ADD flagged bool_domain, ADD span "
    "int4range, ADD at time, ADD day date"
)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"tags": {"columns": {"vip": "vip"}}},
            'tags.columns.vip: column "vip" has type integer, and has to be boolean',
        ),
        (
            {"tags": {"columns": {"news": "news"}}},
            'tags.columns.news: column "news" has type text, and has to be boolean',
        ),
        (
            {"tags": {"columns": {"p": "pair"}}},
            'tags.columns.p: column "pair" has type boolean[], and has to be boolean',
        ),
        (
            {"opted_out": "vip"},
            'opted_out: column "vip" has type integer, and has to be boolean',
        ),
        (
            {"tags": {"from": "words"}},
            'tags.from: column "words" has type text, and has to be an array of texts',
        ),
        (
            {"tags": {"from": "pair"}},
            (
                'tags.from: column "pair" has type boolean[], and has to be an array '
                "of texts"
            ),
        ),
        (
            {"tags": {"from": "flagged"}},
            'tags.from: column "flagged" has type boolean, and has to be an array',
        ),
        (
            {"tags": {"from": "objects"}},
            'tags.from: column "objects" has type jsonb, and holds no list of texts',
        ),
        (
            {"fields": {"crm_id": "id", "x": {"from": "pair", "as": "text"}}},
            (
                'fields.x.from: column "pair" has type boolean[], of which as: '
                "text makes nothing"
            ),
        ),
        (
            {"fields": {"crm_id": "id", "x": {"from": "at", "as": "date"}}},
            (
                'fields.x.from: column "at" has type time without time zone, of which '
                "as: date"
            ),
        ),
        (
            {"fields": {"crm_id": "id", "x": {"from": "day", "as": "number"}}},
            'fields.x.from: column "day" has type date, of which as: number',
        ),
        (
            {"source": {"key": "span"}},
            (
                'source.key: the key column "span" has type int4range, whose text '
                "cannot tell"
            ),
        ),
        (
            {"source": {"key": "objects"}},
            (
                'source.key: the key column "objects" has type jsonb, whose text '
                "cannot tell"
            ),
        ),
        ({"tags": {"columns": {"t": "flagged"}}}, None),
        ({"tags": {"from": "lists"}}, None),
        ({"tags": {"from": "numbers"}}, None),
        ({"fields": {"crm_id": "id", "x": "points", "y": "span", "z": "at"}}, None),
    ],
)
@pytest.mark.asyncio
async def test_a_column_that_could_never_be_right_is_refused_by_its_type(
    database: str, tmp_path: Path, keys: Mapping[str, Any], told: str | None
) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, **keys}}
    ) as here:
        await here.source.execute("CREATE DOMAIN bool_domain AS boolean")
        await here.source.execute(f"ALTER TABLE crm.people {_COLUMNS}")
        await here.add([1, 2])
        await here.source.execute(
            """UPDATE crm.people SET vip = 1, news = 'true', pair = '{t,f}', words = 'a,b', flagged = true,
            span = '[1,2)', objects = '[{"name": "vip"}]', lists = '["a", 5]', numbers = '{7,8}', points = '(1,2)' """
        )
        code, said = await here.command("check")
        plan = await here.plan("respond_io")
        report = await here.run("respond_io")
        if told is None:
            assert (code, plan.error, exit_code(report)) == (0, None, 0), said
            return
        assert code == 2
        place = f"{here.destination_file('respond_io')}: {told}"
        assert f"BAD  respond_io: source: {place}" in said, said
        assert place in str(plan.error)
        assert place in str(report.error)
        assert (report.status, exit_code(report), here.requests("respond_io")) == (
            "refused",
            2,
            1,
        ), "check asked once"


@pytest.mark.asyncio
async def test_tags_from_numbers_and_from_json_keep_every_digit(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "tags": {"from": "lists"}}}
    ) as here:
        await here.source.execute("ALTER TABLE crm.people ADD lists jsonb")
        await here.add([1, 2, 3])
        for number, lists in enumerate(
            ('["a", 5, 12345678901234567890123]', '["a", true]', '"a"'), 1
        ):
            await here.change(number, lists=lists)
        report = await here.run("respond_io")
        assert here.held("respond_io")[1]["tags"] == [
            "12345678901234567890123",
            "5",
            "a",
        ]
        outcomes = await here.outcomes(report.run_id)
        assert {number: row["code"] for number, row in outcomes.items()} == {
            1: None,
            2: "invalid_value",
            3: "invalid_value",
        }
        assert outcomes[3]["message"].startswith('column "lists" holds no list')


@pytest.mark.asyncio
async def test_a_key_that_comes_twice_or_not_at_all_is_counted_by_check_and_never_shown(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "source": {"key": "name"}}}
    ) as here:
        await here.add(range(1, 7))
        await here.source.execute(
            "UPDATE crm.people SET name = 'anna@example.org' WHERE id < 3"
        )
        await here.source.execute("UPDATE crm.people SET name = NULL WHERE id > 4")
        code, said = await here.command("check")
        file = here.destination_file("respond_io")
        assert code == 2
        assert f'{file}: source.key: column "name" is NULL in 2 of 6 rows' in said
        assert (
            f'{file}: source.key: column "name" of crm.people holds 1 key more '
            "than once"
        ) in said
        assert "anna" not in said
        assert (await here.plan("respond_io")).error is not None
        assert exit_code(await here.run("respond_io")) == 2


@pytest.mark.asyncio
async def test_a_first_run_over_no_row_says_so(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "where": "id > 10"}}
    ) as here:
        await here.add([1, 2])
        report = await here.run("respond_io")
        assert (report.status, exit_code(report)) == ("done", 0)
        assert "the source selects no row and no contact is known" in report.remarks[0]
        await here.add([11])
        assert (await here.run("respond_io")).remarks == ()
        assert (await here.run("respond_io")).remarks == (), "a quiet night"


@pytest.mark.asyncio
async def test_row_level_security_that_hides_all_rows_is_refused_else_reported(
    database: str, tmp_path: Path
) -> None:
    role = f"reader_{urlsplit(database).path.rpartition('_')[2]}"
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 6))
        await here.source.execute(
            f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA crm TO {role}; "
            f"GRANT SELECT ON crm.people TO {role}; "
            "ALTER TABLE crm.people ENABLE ROW LEVEL SECURITY"
        )
        try:
            here.environ["READER_URL"] = _as_role(database, role)
            here.configure_engine(
                source={"database": "${READER_URL}", "table": "crm.people", "key": "id"}
            )
            told = f"row level security of crm.people applies to the role {role}"
            code, said = await here.command("check")
            assert (code, f"{told}, which sees no row of it" in said) == (2, True)
            assert told in str((await here.plan("respond_io")).error)
            assert exit_code(await here.run("respond_io")) == 2
            await here.source.execute(
                f"CREATE POLICY three ON crm.people TO {role} USING (id < 4)"
            )
            code, said = await here.command("check")
            assert (
                code,
                f"note respond_io: source: {told}: it sees 3 rows" in said,
            ) == (0, True), said
            assert (await here.run("respond_io")).contacts["applied"] == 3

            # Nor does a query hide it, or a view that reads with the rights of whoever
            # asks.
            await here.source.execute("DROP POLICY three ON crm.people")
            here.configure(
                "respond_io", source={"query": "SELECT * FROM crm.people", "key": "id"}
            )
            code, said = await here.command("check")
            told = (
                f"row level security of the source query applies to the role {role}, "
                "which sees no row of it"
            )
            assert (code, told in said) == (2, True), said
        finally:
            await here.source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def _as_role(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(
        parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}")
    )
