"""A person suppressed or forgotten under one id is recognised under another.

Somebody else who shares the phone is not taken for that person.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.work import Standing
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

NAME = "charles"
OTHER_KEY = {"table": "crm.people", "key": "uid"}
ACCEPTED = frozenset({"source", "creates", "shrunk_source"})


async def _give_uids(here: People) -> None:
    await here.source.execute(
        "ALTER TABLE crm.people ADD COLUMN IF NOT EXISTS uid text UNIQUE; "
        "UPDATE crm.people SET uid = (id + 100)::text"
    )


async def _suppress(here: People, *contacts: str) -> None:
    await app.suppress(here.config, app.named(contacts, [], []))


async def _lift(here: People, *contacts: str) -> int:
    return (await app.lift(here.config, app.named(contacts, [], []))).changed


@pytest.mark.asyncio
async def test_another_key_brings_nobody_back(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 11))
        await here.run(NAME)
        await _suppress(here, "5")
        (receipt,) = await app.forget(here.config, "6")
        assert receipt.status in ("done", "scheduled")
        await _give_uids(here)
        await here.source.execute("UPDATE crm.people SET name = 'Changed'")
        await here.run(NAME)
        here.configure(NAME, source=OTHER_KEY)
        report = await here.run(NAME, accept=ACCEPTED)
        assert (exit_code(report), report.contacts["rejected"], report.actions) == (
            1,
            2,
            {"upsert": 8},
        )
        refused = {note.contact_id: note for note in report.noteworthy}
        assert refused.keys() == {"105", "106"}
        for number, note in refused.items():
            assert note.code == "same_person"
            assert (
                f"`syncengine suppress --lift --contact {number}` lets it through"
                in note.message
            )
        held = here.held(NAME)
        assert not {6, 105, 106} & held.keys()
        assert held[5]["fields"]["first_name"] == "Name 5"

        silent = await here.run(NAME)
        assert (exit_code(silent), silent.requests) == (0, 0), "once is enough"
        assert silent.standing is not None
        assert silent.standing[Standing.SUPPRESSED] == 2
        assert await _lift(here, "106") == 1
        report = await here.run(NAME)
        assert (exit_code(report), report.actions) == (0, {"upsert": 1}), (
            "the other one is not told of again"
        )
        assert 106 in here.held(NAME)
        assert 105 not in here.held(NAME)


@pytest.mark.asyncio
async def test_a_household_is_not_silenced_with_one_of_its_members(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 4), phone="+4915100000001")
        await here.run(NAME)
        await app.forget(here.config, "1")
        await here.remove([1])
        await here.change(2, name="Changed")
        report = await here.run(NAME)
        assert (exit_code(report), report.actions) == (0, {"upsert": 1}), (
            "it was there before, as somebody else"
        )

        await here.add([4, 5], phone="+49 151 00000001")
        report = await here.run(NAME)
        assert (exit_code(report), report.contacts["rejected"]) == (1, 2)
        await here.change(5, phone="+4915100000005")
        report = await here.run(NAME)
        assert (exit_code(report), report.actions) == (0, {"upsert": 1}), (
            "the source decided"
        )
        assert await _lift(here, "4") == 1
        assert (await here.run(NAME)).actions == {"upsert": 1}, "and a person did"
        assert here.held(NAME).keys() == {2, 3, 4, 5}

        await _suppress(here, "4")
        await here.change(4, name="Changed")
        assert (await here.run(NAME)).contacts["suppressed"] == 1


@pytest.mark.asyncio
async def test_suppressions_by_id_alone_have_to_be_settled_first(
    database: str, tmp_path: Path
) -> None:
    plain = {**CHARLES, "fields": {"first_name": "name"}}
    async with people(database, tmp_path, {NAME: plain}) as here:
        await here.add(range(1, 11), phone=None)
        await here.run(NAME)
        await _suppress(here, "5", "7")
        await app.forget(here.config, "6")
        await _give_uids(here)
        await here.run(NAME)
        here.configure(NAME, source=OTHER_KEY)
        sent = here.requests(NAME)
        for options in ({}, {"contacts": ("106",)}):
            report = await here.run(NAME, accept=ACCEPTED, **options)
            assert (report.status, exit_code(report)) == ("refused", 2)
            said = str(report.error)
            assert "the source's key was id and is now uid" in said
            assert (
                "2 suppressed contacts and 1 forgotten contact are known by a "
                "former id only"
            ) in said
            assert "--accept suppressions" in said
        assert "--accept suppressions" in str(
            (await here.plan(NAME, accept=ACCEPTED)).brake
        )
        assert here.requests(NAME) == sent
        assert await _lift(here, "7") == 1
        assert "1 suppressed contact and 1 forgotten" in str(
            (await here.run(NAME, accept=ACCEPTED)).error
        )
        await _suppress(here, "105", "106")
        report = await here.run(NAME, accept=ACCEPTED | {"suppressions"})
        assert exit_code(report) == 0, report.error
        assert not {105, 106} & here.held(NAME).keys()
        assert 107 in here.held(NAME)


@pytest.mark.asyncio
async def test_ids_renumbered_in_place_strand_suppressions_as_well(
    database: str, tmp_path: Path
) -> None:
    plain = {**CHARLES, "fields": {"first_name": "name"}}
    async with people(database, tmp_path, {NAME: plain}) as here:
        await here.add(range(1, 11))
        await here.run(NAME)
        await _suppress(here, "5")
        await here.run(NAME)
        await here.source.execute("UPDATE crm.people SET id = id + 100")
        report = await here.run(NAME, accept=frozenset({"creates"}))
        assert "most contacts have other ids now" in str(report.error)
        assert "1 suppressed contact is known by a former id only" in str(report.error)


@pytest.mark.asyncio
async def test_what_an_older_version_kept_by_id_alone_is_recognised_by_what_is_known(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 11))
        await here.run(NAME)
        await _suppress(here, "5")
        await here.source.execute("DELETE FROM syncengine.sync_suppressed_value")
        await _give_uids(here)
        await here.run(NAME)
        here.configure(NAME, source=OTHER_KEY)
        report = await here.run(NAME, accept=ACCEPTED)
        assert (report.contacts["rejected"], report.actions) == (1, {"upsert": 9}), (
            report.error
        )
        assert 105 not in here.held(NAME)


@pytest.mark.asyncio
async def test_who_was_never_sent_is_recognised_by_the_source(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 6))
        await _suppress(here, "5")
        await here.remove([5])
        await here.add([50], phone="+491510000005")
        report = await here.run(NAME)
        assert (report.contacts["rejected"], report.actions) == (1, {"upsert": 4})
        assert 50 not in here.held(NAME)
        for verb in (("show", "50"), ("run", "--contact", "50")):
            code, said = await here.command(*verb)
            assert code == 0
            assert (
                "`syncengine suppress --lift --contact 50` lets it through"
                in " ".join(said.split())
            )


@pytest.mark.asyncio
async def test_a_forgotten_person_is_not_linked_under_another_id_either(
    database: str, tmp_path: Path
) -> None:
    by_phone = {**RESPOND_IO, "match_on": ["phone"]}
    async with people(database, tmp_path, {"respond_io": by_phone}) as here:
        await here.add([1, 2])
        await here.run("respond_io")
        (receipt,) = await app.forget(here.config, "1")
        assert receipt.status == "impossible", "this vendor cannot delete"
        await here.source.execute("UPDATE crm.people SET id = 10 WHERE id = 1")
        (adopted,) = await app.adopt(here.config, ("respond_io",))
        assert (adopted.linked, adopted.refused) == (0, 1)
        await here.change(10, name="Changed")
        assert (await here.run("respond_io")).contacts["rejected"] == 1
        names = [contact["fields"] for contact in here.sandbox.contacts("respond_io")]
        assert "Changed" not in str(names)
