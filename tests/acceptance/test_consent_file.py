"""Suppressions and tombstones survive a restored and a lost state, as a file."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.errors import ConfigError, StorageError
from syncengine.model.consent import Subject, SubjectKind
from tests.support.dumps import dump, restore, restore_whole
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
CONTACT_1, CONTACT_2 = (Subject(SubjectKind.CONTACT, str(number)) for number in (1, 2))
pytestmark = pytest.mark.asyncio
PHONE_3 = Subject(SubjectKind.PHONE, "491510000003")


async def test_what_was_refused_since_the_dump_stays_refused(
    database: str, tmp_path: Path
) -> None:
    """Suppressed and forgotten people stay so; restored data of the latter go."""
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 6))
        assert exit_code(await here.run(NAME)) == 0
        dump(database, tmp_path / "state.dump")
        await app.suppress(here.config, [CONTACT_1, PHONE_3])
        await app.forget(here.config, "2")
        file = tmp_path / "consent"
        code, said = await here.command("export", "--consent", str(file))
        assert (code, said.strip()) == (
            0,
            f"3 suppressions and 1 erasure exported to {file}",
        )
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "Name" not in file.read_text()

        await restore_whole(database, tmp_path / "state.dump")
        code, said = await here.command("import", "--consent", str(file))
        assert (code, said.splitlines()) == (
            1,
            [
                "3 suppressions and 1 erasure read, 4 of them new here",
                (
                    "1 forgotten contact has data here again. "
                    "Nothing is sent about them. Erase them again, once "
                    "`syncengine run --accept restored` has accepted the restore:"
                ),
                "  syncengine forget 2",
            ],
        )
        for number in range(1, 6):
            await here.change(number, name="DO NOT SEND" if number < 4 else "Anew")
        report = await here.run(NAME, accept=frozenset({"restored"}))
        assert (exit_code(report), report.contacts["suppressed"]) == (0, 3)
        names = {
            each: contact["fields"]["firstName"]
            for each, contact in here.held(NAME).items()
        }
        assert {each for each, name in names.items() if name == "DO NOT SEND"} == set()
        assert {each for each, name in names.items() if name == "Anew"} == {4, 5}

        await here.add([20])
        await here.change(20, phone="+491510000002")
        again = await here.run(NAME)
        assert 20 not in here.held(NAME), "the same person under another id"
        assert again.contacts["rejected"] + again.contacts["suppressed"] == 1
        assert {each.status for each in await app.forget(here.config, "2")} <= {
            "done",
            "impossible",
        }
        code, said = await here.command("import", "--consent", str(file), "--json")
        assert (
            code,
            orjson.loads(said)["new"],
            orjson.loads(said)["forgotten_here"],
        ) == (0, 0, [])


async def test_an_older_file_lifts_nothing(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await app.suppress(here.config, [CONTACT_1, CONTACT_2])
        content, _ = await app.export_consent(here.config)
        await app.suppress(here.config, [PHONE_3])
        await app.forget(here.config, "1")
        before = await _suppressions(here)
        report = await app.import_consent(here.config, "file", content)
        assert (report.suppressions, report.new) == (2, 0)
        assert await _suppressions(here) == before


async def test_the_salt_goes_along_into_an_empty_state_only(
    database: str, empty_database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await app.suppress(here.config, [CONTACT_1, PHONE_3])
        content, _ = await app.export_consent(here.config)
    other = empty_database
    async with people(other, tmp_path / "other", {NAME: RESPOND_IO}) as there:
        await app.migrate(there.config)
        await app.suppress(there.config, [CONTACT_2])
        with pytest.raises(ConfigError, match="another salt"):
            await app.import_consent(there.config, "file", content)
        await app.lift(there.config, [CONTACT_2])
        assert (await app.import_consent(there.config, "file", content)).new == 2
        await there.add(range(1, 5))
        assert (await there.run(NAME)).contacts["suppressed"] == 2
        assert there.held(NAME).keys() == {2, 4}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda _: b"", "not a file of"),
        (lambda _: b"contact,phone\n1,2\n", "not a file of"),
        (lambda whole: whole.replace(b'"version":1', b'"version":2'), "version 2"),
        (lambda whole: b"".join(whole.splitlines(keepends=True)[:-1]), "is incomplete"),
        (
            lambda whole: b"".join(whole.splitlines(keepends=True)[::2]),
            "is incomplete|cannot be read",
        ),
        (
            lambda whole: whole.replace(b'"suppressed"', b'"allowed"'),
            "line 2 cannot be read",
        ),
        (
            lambda whole: whole.replace(b'"suppression":', b'"other":'),
            "line 2 cannot be read",
        ),
    ],
)
async def test_a_file_that_is_not_whole_is_refused(
    database: str, tmp_path: Path, broken: object, told: str
) -> None:
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await app.suppress(here.config, [CONTACT_1, PHONE_3])
        content, _ = await app.export_consent(here.config)
        await app.lift(here.config, [CONTACT_1, PHONE_3])
        assert callable(broken)
        with pytest.raises(ConfigError, match=told):
            await app.import_consent(here.config, "file", broken(content))
        assert await _suppressions(here) == []


async def test_data_without_their_salt_are_refused_by_every_verb(
    database: str, empty_database: str, tmp_path: Path
) -> None:
    """In a database that was migrated anew they would match no contact."""
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await app.suppress(here.config, [PHONE_3])
        dump(database, tmp_path / "state.dump")
    other = empty_database
    async with people(other, tmp_path / "other", {NAME: RESPOND_IO}) as there:
        await app.migrate(there.config)
        await there.add(range(1, 5))
        restore(other, tmp_path / "state.dump", "--data-only")
        for verb in (
            ["run"],
            ["plan"],
            ["retry", "1"],
            ["verify"],
            ["adopt"],
            ["forget", "1"],
        ):
            code, said = await there.command(*verb)
            assert code == 2, (verb, said)
            assert "hashed with another salt" in said, verb
        code, said = await there.command("check")
        assert code == 2, said
        with pytest.raises(StorageError, match="1 of its 1 suppressions"):
            await app.suppress(there.config, [CONTACT_1])
        assert there.requests(NAME) <= 1, "only check has asked whether the key is good"

        await there.source.execute("DELETE FROM syncengine.sync_salt")
        restore(
            other,
            tmp_path / "state.dump",
            "--data-only",
            "--schema=syncengine",
            "--table=sync_salt",
        )
        assert (await there.run(NAME)).contacts["suppressed"] == 1
        assert there.held(NAME).keys() == {1, 2, 4}


async def _suppressions(here: People) -> list[tuple[str, str]]:
    rows = await here.source.fetch(
        "SELECT encode(subject_hash, 'hex') AS subject, reason "
        "FROM syncengine.sync_suppression ORDER BY 1"
    )
    return [(row["subject"], row["reason"]) for row in rows]
