"""``syncengine check`` prints a list that a newcomer can work off."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncengine import __version__
from syncengine.app.markers import NEW_STATE
from syncengine.storage.failures import describe
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

OWN_PACKAGE = f"the package syncengine {__version__}"

EMPTY = (
    "note {}: source: the role {} sees no row of crm.people, so a run would send "
    "nothing. It is empty, `where` selects "
    "none, or row level security of a table behind it hides them"
)
NOT_ASKED = (
    "not asked, because charles has no harmless request to ask with. "
    "`syncengine run -d charles --contact ID` shows"
)


async def checked(here: People, code: int, *, files: str = "") -> list[str]:
    """Return what check prints, without addresses and folders (new ones each time)."""
    ended, said = await here.command("check")
    assert ended == code, said
    text = said.replace(f"{here.file.parent}/", files).replace(
        describe(here.environ["STATE_URL"]), "database crm"
    )
    for twin in ("charles", "respond_io"):
        text = text.replace(here.sandbox.url(twin), f"http://{twin}")
    return text.splitlines()


@pytest.mark.asyncio
async def test_what_is_ready_is_listed_with_the_pace_and_the_next_step(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world") as here:
        here.configure(
            "respond_io",
            limits=[{"calls": 200, "per": "1m"}],
            account="crm",
            in_flight=4,
        )
        role = await here.source.fetchval("SELECT current_user")
        assert await checked(here, 0) == [
            (
                "ok   configuration: syncengine.yaml, with the destinations charles, "
                "respond_io"
            ),
            "ok   database: database crm: reachable, schema up to date",
            f"note consent: {NEW_STATE}",
            "ok   charles: source: crm.people by id (int4), 3 columns, 0 rows",
            EMPTY.format("charles", role),
            f"ok   charles: credentials: {NOT_ASKED} whether http://charles takes them",
            f"note charles: vendor: charles, from {OWN_PACKAGE}",
            "note charles: pace: account charles: no limit, 8 requests at once",
            "ok   respond_io: source: crm.people by id (int4), 4 columns, 0 rows",
            EMPTY.format("respond_io", role),
            "ok   respond_io: credentials: accepted at http://respond_io",
            f"note respond_io: vendor: respond_io, from {OWN_PACKAGE}",
            "note respond_io: pace: account crm: 200 per 60 s, 4 requests at once",
            "Ready: `syncengine plan` shows what a run would send.",
        ]
        assert here.requests("charles") == 0
        assert here.requests("respond_io") == 1


@pytest.mark.asyncio
async def test_each_mistake_in_a_source_is_a_line_with_file_and_key(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world") as here:
        here.configure("charles", source={"table": "crm.peoples"})
        here.configure(
            "respond_io", fields={"crm_id": "id", "firstName": "nmae"}, where="name ="
        )
        bad = [line for line in await checked(here, 2) if line.startswith("BAD")]
        has = "(it has: id, name, phone, tags, opted_in, company)"
        assert bad == [
            (
                "BAD  charles: source: destinations/charles.yaml: source.table: "
                "there is no table or view crm.peoples "
                'in the state database (database crm); did you mean "crm.people"?'
            ),
            (
                "BAD  respond_io: source: destinations/respond_io.yaml: "
                'fields.firstName.from: column "nmae" is not in '
                f'crm.people {has}; did you mean "name"?'
            ),
            (
                "BAD  respond_io: source: destinations/respond_io.yaml: where: "
                'its SQL has a syntax error: ")" (SQLSTATE 42601)'
            ),
        ]


@pytest.mark.asyncio
async def test_credentials_and_addresses_are_named_with_file_and_key(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", {"respond_io": RESPOND_IO}) as here:
        place, asked = (
            "BAD  respond_io: credentials: destinations/respond_io.yaml",
            "GET /contact/by_custom_field",
        )
        good = here.environ["RESPOND_IO_TOKEN"], here.environ["RESPOND_IO_URL"]
        wrong = "a-token-of-somebody-else"
        for token, url, told in [
            (
                wrong,
                good[1],
                rf"settings\.token: {asked}: the vendor does not accept the credentials \(status 401\)",
            ),
            (
                good[0],
                "http://127.0.0.1:1",
                rf"settings\.base_url: {asked}: no connection to the vendor",
            ),
            (
                good[0],
                "https://no-such-host.invalid",
                rf"settings\.base_url: {asked}: the vendor's host name is unknown",
            ),
            (good[0], f"{good[1]}/v2", r"settings\.base_url: "),
        ]:
            here.environ |= {"RESPOND_IO_TOKEN": token, "RESPOND_IO_URL": url}
            lines = await checked(here, 2)
            assert [line for line in lines if re.match(f"{place}: {told}", line)], lines
            assert lines[-1] == (
                "1 check failed (BAD above): a run would send nothing there. "
                "Correct what is named, then run `syncengine check` again."
            )
            assert wrong not in "".join(lines)


@pytest.mark.asyncio
async def test_without_a_database_the_vendors_are_asked_all_the_same(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", {"respond_io": RESPOND_IO}) as here:
        here.environ["STATE_URL"] = "postgresql://me:geheim@127.0.0.1:1/crm"
        assert (await checked(here, 2))[1:3] == [
            (
                "BAD  database: syncengine.yaml: database: database crm: "
                "nothing listens "
                "there; check host and port, and whether the server runs"
            ),
            "ok   respond_io: credentials: accepted at http://respond_io",
        ]


@pytest.mark.asyncio
async def test_a_source_that_is_away_is_one_line_for_all_who_read_it(
    database: str, tmp_path: Path
) -> None:
    away = "${AWAY_URL}"
    async with people(
        database, tmp_path / "world", {"charles": CHARLES, "respond_io": RESPOND_IO}
    ) as here:
        here.environ["AWAY_URL"] = "postgresql://me:geheim@127.0.0.1:1/crm"
        here.configure_engine(
            source={"database": away, "table": "crm.people", "key": "id"}
        )
        bad = [line for line in await checked(here, 2) if line.startswith("BAD")]
        why = "database crm at 127.0.0.1:1 as user me: nothing listens there"
        assert len(bad) == 1
        assert bad[0].startswith(
            f"BAD  charles, respond_io: source: source.database: {why}"
        )

        here.configure(
            "charles", source={"database": away, "table": "crm.people", "key": "id"}
        )
        (one,) = [line for line in await checked(here, 2) if line.startswith("BAD")]
        assert one.startswith(
            "BAD  charles, respond_io: source: destinations/charles.yaml: "
            "source.database, "
        )


@pytest.mark.asyncio
async def test_every_verb_names_the_database_it_cannot_use(
    empty_database: str, tmp_path: Path
) -> None:
    async with people(
        empty_database, tmp_path / "world", {"respond_io": RESPOND_IO}
    ) as here:
        for verb in (
            ("plan",),
            ("run",),
            ("check",),
            ("verify",),
            ("prune",),
            ("suppress", "--contact", "1"),
        ):
            code, said = await here.command(*verb)
            assert code == 2
            assert (
                f"the state database ({describe(empty_database)}) lacks the migrations 0001_"
                in said
            ), said


@pytest.mark.asyncio
async def test_what_a_run_would_refuse_is_reported_before(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", {"charles": CHARLES}) as here:
        await here.add([1])
        await here.run("charles")
        here.environ["CHARLES_URL"] += "/elsewhere"
        bad = [line for line in await checked(here, 2) if line.startswith("BAD")]
        assert len(bad) == 1
        told = (
            "charles: base_url was http://charles and is now http://charles/elsewhere "
            "(destinations/charles.yaml)."
        )
        assert bad[0].startswith(f"BAD  charles: identity: {told}")


@pytest.mark.asyncio
async def test_what_may_surprise_is_reported(database: str, tmp_path: Path) -> None:
    twins = ("dm_champ", "respond_io")
    champ = {
        "vendor": "dm_champ",
        "settings": {
            "base_url": "${DM_CHAMP_URL}/v1",
            "api_key": "${CHARLES_KEY}",
            "bot_active": True,
        },
        "match_on": ["phoneNumber"],
        "fields": {"phoneNumber": "phone"},
    }
    removing = {**RESPOND_IO, "on_removed": "delete"}
    async with people(
        database, tmp_path / "world", {"champ": champ, "respond_io": removing}, twins
    ) as here:
        _, said = await here.command("check")
        notes = [
            line.replace(f"{here.file.parent}/", "")
            for line in said.splitlines()
            if ": caution: " in line
        ]
        assert notes == [
            (
                "note champ: caution: settings.bot_active: "
                "the bot answers every contact that is created, and a "
                "campaign may write to it at once"
            ),
            (
                "note respond_io: caution: destinations/respond_io.yaml: on_removed: "
                "respond_io cannot delete "
                "contacts, so removed contacts are reported as unsupported"
            ),
        ]


@pytest.mark.asyncio
async def test_a_proxy_is_reported_and_one_that_only_the_environment_names_too(
    database: str, tmp_path: Path
) -> None:
    nowhere = "http://me:hidden-word@127.0.0.1:1"
    async with people(
        database, tmp_path / "world", {"charles": CHARLES, "respond_io": RESPOND_IO}
    ) as here:
        here.environ |= {"HTTPS_PROXY": nowhere}
        here.configure("respond_io", proxy="${HTTPS_PROXY:-}")
        lines = await checked(here, 2)
        assert [line for line in lines if "proxy" in line] == [
            (
                "note proxy: HTTPS_PROXY is set in the environment, but not used by "
                "charles. A destination that has "
                "to go through a proxy says so itself, such as proxy: ${HTTPS_PROXY}"
            ),
            (
                "BAD  respond_io: credentials: destinations/respond_io.yaml: proxy: "
                "GET /contact/by_custom_field: the proxy cannot be reached; check proxy"
            ),
            "note respond_io: proxy: through 127.0.0.1:1",
        ]
        assert "hidden-word" not in "".join(lines)


@pytest.mark.asyncio
async def test_the_time_zone_of_a_moment_s_date_is_reported_and_kept(
    database: str, tmp_path: Path
) -> None:
    fields = {
        "crm_id": "id",
        "birthday": {"from": "born", "as": "date"},
        "first_seen": {"from": "seen", "as": "date", "zone": "Europe/Berlin"},
        "since": {"from": "since", "as": "date"},
        "until": {"from": "until", "as": "date"},
    }
    async with people(
        database, tmp_path / "world", {"respond_io": {**RESPOND_IO, "fields": fields}}
    ) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD born timestamptz, ADD seen timestamptz, "
            "ADD since timestamp, ADD until date"
        )
        notes = [line for line in await checked(here, 0) if "dates: " in line]
        assert notes == [
            (
                "note respond_io: dates: fields.birthday: "
                'column "born" (timestamp with time zone) holds moments, '
                "whose date is taken in UTC; `zone` in the field names another time "
                "zone"
            ),
            (
                "note respond_io: dates: fields.first_seen: "
                'column "seen" (timestamp with time zone) holds moments, '
                "whose date is taken in Europe/Berlin"
            ),
        ]
        await here.add([1, 2])
        await here.source.execute(
            "UPDATE crm.people SET born = '1980-06-02 00:00+02', "
            "seen = '1980-06-02 00:00+02', since = '1980-06-02 00:00', "
            "until = '1980-06-02' WHERE id = 1"
        )
        await here.source.execute(
            "UPDATE crm.people SET until = '0044-03-15 BC' WHERE id = 2"
        )
        report = await here.run("respond_io")
        assert (report.contacts["applied"], report.contacts["rejected"]) == (1, 1)
        sent = here.held("respond_io")[1]["fields"]
        assert [
            sent[name] for name in ("birthday", "first_seen", "since", "until")
        ] == [
            "1980-06-01",
            *["1980-06-02"] * 3,
        ]
        refused = (await here.outcomes(report.run_id))[2]
        assert (refused["code"], "0044" in refused["message"]) == (
            "invalid_value",
            False,
        )
        assert 'column "until" for field "until"' in refused["message"]


@pytest.mark.asyncio
async def test_what_every_run_would_refuse_for_consent_is_bad(
    database: str, tmp_path: Path
) -> None:
    file = {**RESPOND_IO, "where": "opted_in", "opted_out": "no"}
    async with people(database, tmp_path / "world", {"respond_io": file}) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD COLUMN no boolean NOT NULL DEFAULT false"
        )
        await here.add([1])
        await here.run("respond_io")
        assert not [line for line in await checked(here, 0) if line.startswith("BAD")]
        here.configure("respond_io", where="opted_in OR id = 1", opted_out=None)
        (bad,) = [line for line in await checked(here, 2) if line.startswith("BAD")]
        told = 'opted_out named the column "no" and now names none; the condition on opted_in changed'
        assert f"brake consent: {told} (destinations/respond_io.yaml)" in bad
        assert "`syncengine run -d respond_io --accept consent` lets it pass" in bad


@pytest.mark.asyncio
async def test_contacts_of_a_destination_without_a_file_are_bad_before_the_run(
    database: str, tmp_path: Path
) -> None:
    files = {
        name: {**RESPOND_IO, "account": "one", "where": where}
        for name, where in (("a", "id < 3"), ("b", "id > 2"))
    }
    async with people(database, tmp_path / "world", files) as here:
        await here.add(range(1, 5))
        await here.run("a")
        await here.run("b")
        here.destination_file("b").unlink()
        assert not [line for line in await checked(here, 0) if line.startswith("BAD")]
        here.configure("a", where="id > 0")
        (bad,) = [line for line in await checked(here, 2) if line.startswith("BAD")]
        told = (
            "2 contacts of this run belong to b of the same account, for which there "
            "is no file"
        )
        assert told in bad
        assert told in str((await here.run("a")).error)


@pytest.mark.asyncio
async def test_a_form_that_hardly_a_value_has_is_named_by_field_and_column(
    database: str, tmp_path: Path
) -> None:
    file = {
        **RESPOND_IO,
        "fields": {
            **RESPOND_IO["fields"],
            "firstName": {"from": "name", "as": "number"},
        },
    }
    async with people(database, tmp_path / "world", {"respond_io": file}) as here:
        await here.add(range(1, 4))
        await here.change(3, name="3")
        (said,) = [line for line in await checked(here, 0) if ": values: " in line]
        assert said == (
            "note respond_io: values: destinations/respond_io.yaml: fields.firstName: "
            "2 of 3 values looked at of "
            'column "name" are invalid, such as one that is not a number. '
            "For each of them its contact is rejected "
            "(invalid_value): correct the mapping or the rows"
        )
        told = (
            'column "name" for field "firstName" is not a number: '
            "correct the row or the mapping"
        )
        assert (await here.plan("respond_io")).public()["invalid"] == {told: 2}
        _, said = await here.command("plan")
        assert f"respond_io: 2 contacts rejected (invalid_value): {told}" in said
        await here.change(2, name="2")
        assert not [line for line in await checked(here, 0) if ": values: " in line]
