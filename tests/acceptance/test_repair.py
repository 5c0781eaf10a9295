"""``verify --repair`` mends what it was asked to mend.

It leaves alone what somebody decided at the vendor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app, vendors
from syncengine.cli.exits import exit_code
from syncengine.errors import ConfigError
from syncengine.model.copies import VerifyReport
from syncengine.model.work import Standing
from tests.simulation.pair import Pair, pairs
from tests.support.any_vendor import Anyone, anyone
from tests.support.people_project import RESPOND_IO, People, people

SHOWN = [
    pair
    for pair in (pairs(vendor)[0] for vendor in vendors.names())
    if pair.capabilities.find_by
]
"""Vendors that show what they hold."""
READ = [pair for pair in SHOWN if pair.capabilities.reads]
NAME = "respond_io"
TAGGED: dict[str, Any] = {
    **RESPOND_IO,
    "on_null": "clear",
    "tags": {"from": "tags", "prefix": "crm:"},
}
LOW = {
    "brakes": {
        name: {"share": 0.3, "at_least": 3}
        for name in ("nulls", "tags", "gone", "repair")
    }
}


async def verified(here: Anyone | People, name: str, **options: Any) -> VerifyReport:
    (report,) = await app.verify(here.config, (name,), **options)
    return report


async def _in_step(here: Anyone, contacts: int) -> None:
    for contact in range(1, contacts + 1):
        await here.put(contact, contact, tags=["a"])
    assert exit_code(await here.run(accept=frozenset({"empty_state"}))) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", READ, ids=[pair.name for pair in READ])
async def test_who_was_deleted_is_created_again_only_if_somebody_says_so(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair, find_first=False) as here:
        await _in_step(here, 4)
        here.screen.delete(await here.external_id(1))
        report = await verified(here, here.name, repair=True)
        assert (exit_code(report), report.repaired, report.left) == (0, 0, {"gone": 1})
        for _ in range(3):
            run = await here.run()
            assert (exit_code(run), run.standing, here.copies(1)) == (
                0,
                {Standing.GONE: 1},
                [],
            )
        assert (await here.run()).requests == 0

        report = await verified(here, here.name, repair=True, recreate=True)
        assert (exit_code(report), report.repaired, report.left) == (0, 1, {})
        run = await here.run()
        assert (exit_code(run), run.standing, run.contacts["applied"]) == (0, {}, 1), (
            run
        )
        (copy,) = here.copies(1)
        row = here.pair.row(1, 1, (1, 1), ())
        assert all(
            here.pair.vendor.same(name, row[name], copy.fields.get(name))
            for name in here.pair.values
        )
        assert (
            (await verified(here, here.name)).drifted,
            (await here.run()).requests,
        ) == (0, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("recreate", [False, True])
@pytest.mark.parametrize("pair", READ, ids=[pair.name for pair in READ])
async def test_who_was_created_again_by_hand_is_linked_and_not_made_twice(
    database: str, tmp_path: Path, pair: Pair, *, recreate: bool
) -> None:
    async with anyone(database, tmp_path / "config", pair, find_first=False) as here:
        await _in_step(here, 4)
        made = here.screen.recreate(await here.external_id(1))
        await verified(here, here.name, repair=True, recreate=recreate)
        run = await here.run()
        assert (exit_code(run), run.standing) == (0, {}), run
        assert await here.external_id(1) == made
        assert len(here.copies(1)) == 1
        assert (
            (await verified(here, here.name)).drifted,
            (await here.run()).requests,
        ) == (0, 0)


@pytest.mark.asyncio
async def test_a_vendor_that_finds_nobody_by_the_known_keys_is_asked_by_the_id(
    database: str, tmp_path: Path
) -> None:
    pair = next(pair for pair in SHOWN if not pair.capabilities.reads)
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here, 4)
        here.screen.delete(await here.external_id(1))
        report = await verified(here, here.name, repair=True)
        assert (report.repaired, report.left) == (1, {}), (
            "a look-up that finds nothing does not prove it"
        )
        run = await here.run()
        assert (exit_code(run), run.standing, here.copies(1)) == (
            0,
            {Standing.GONE: 1},
            [],
        ), run
        assert (await here.run()).requests == 0


@pytest.mark.asyncio
async def test_fields_and_contacts_that_nobody_named_are_left_alone(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: TAGGED}) as here:
        await here.add(range(1, 6), tags=["vip"])
        await here.run(NAME)
        screen = here.sandbox.twin(NAME).screen(0.0)
        ids = {
            number: str(contact["id"]) for number, contact in here.held(NAME).items()
        }
        for number in (1, 2):
            screen.edit(
                ids[number], {"firstName": "By hand", "phone": f"+4917600000{number}"}
            )
            screen.untag(ids[number], "crm:vip")
        screen.edit(ids[3], {"firstName": "By hand"})

        report = await verified(
            here, NAME, repair=True, fields=["phone"], contacts=["1"]
        )
        assert (exit_code(report), report.compared, report.repaired, report.left) == (
            0,
            1,
            1,
            {},
        )
        run = await here.run(NAME)
        assert run.requests == 1
        held = here.held(NAME)
        assert (held[1]["fields"]["phone"], held[1]["fields"]["firstName"]) == (
            "+491510000001",
            "By hand",
        )
        assert held[1]["tags"] == []
        assert held[2]["fields"]["phone"] == "+49176000002"

        report = await verified(here, NAME, repair=True, fields=["tags"])
        assert (exit_code(report), report.drifted, report.repaired, report.left) == (
            0,
            3,
            2,
            {"not_asked": 1},
        )
        await here.run(NAME)
        held = here.held(NAME)
        assert [held[number]["tags"] for number in (1, 2)] == [["crm:vip"]] * 2
        assert [held[number]["fields"]["firstName"] for number in (1, 2, 3)] == [
            "By hand"
        ] * 3


@pytest.mark.asyncio
async def test_contacts_without_a_copy_are_named(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: TAGGED}) as here:
        await here.add([1])
        await here.run(NAME)
        report = await verified(here, NAME, contacts=["1", "77"])
        assert (exit_code(report), report.compared, report.requests) == (1, 1, 1)
        assert report.error == (
            "respond_io: no vendor contact is known of contact 77: nothing to compare"
        )


_ACTS: dict[str, Any] = {
    "repair": lambda screen, id_: screen.edit(id_, {"firstName": "By hand"}),
    "tags": lambda screen, id_: screen.untag(id_, "crm:vip"),
    "nulls": lambda screen, id_: screen.edit(id_, {"phone": "+4917612345"}),
    "gone": lambda screen, id_: screen.delete(id_),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("brake", list(_ACTS))
async def test_a_brake_stops_the_whole_repair_and_is_accepted_by_name(
    database: str, tmp_path: Path, brake: str
) -> None:
    brakes = {
        "brakes": {
            **LOW["brakes"],
            "repair": {"share": 0.3 if brake == "repair" else 1.0, "at_least": 3},
        }
    }
    async with people(database, tmp_path, {NAME: {**TAGGED, **brakes}}) as here:
        await here.add(range(1, 11), tags=["vip"])
        if brake == "nulls":
            await here.source.execute("UPDATE crm.people SET phone = NULL")
        await here.run(NAME)
        screen = here.sandbox.twin(NAME).screen(0.0)
        for number in range(1, 5):
            _ACTS[brake](screen, str(here.held(NAME)[number]["id"]))
        screen.edit(str(here.held(NAME)[9]["id"]), {"firstName": "By hand"})
        before = await _known(here)

        report = await verified(here, NAME, repair=True)
        assert (exit_code(report), report.status, report.repaired, report.left) == (
            2,
            "refused",
            0,
            {"brake": 5},
        )
        assert f"brake {brake}: " in str(report.error)
        assert (
            f"`syncengine verify -d {NAME} --repair --accept {brake}` lets it pass"
            in str(report.error)
        )
        assert [
            dict(row)
            for row in await here.source.fetch(
                "SELECT * FROM syncengine.sync_known ORDER BY 2"
            )
        ] == before
        assert (await here.run(NAME)).requests == 0

        report = await verified(here, NAME, repair=True, accept=[brake])
        assert exit_code(report) == 0
        assert report.repaired + report.left.get("gone", 0) == 5
        assert (
            exit_code(await verified(here, NAME, repair=True, contacts=list("1234")))
            == 0
        ), "no brake judges them"


async def _known(here: People) -> list[dict[str, Any]]:
    """Return what is recorded as known of every contact."""
    return [
        dict(row)
        for row in await here.source.fetch(
            "SELECT * FROM syncengine.sync_known ORDER BY contact_id"
        )
    ]


@pytest.mark.asyncio
async def test_an_account_without_any_known_contact_is_another_account(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: TAGGED}) as here:
        await here.add([1, 2, 3])
        await here.run(NAME)
        screen = here.sandbox.twin(NAME).screen(0.0)
        screen.empty()
        for recreate in (False, True):
            report = await verified(here, NAME, repair=True, recreate=recreate)
            assert (exit_code(report), report.left) == (2, {"brake": 3})
            assert "Do the credentials still lead to the same account?" in str(
                report.error
            )
        assert all(row["external_id"] for row in (await here.states(NAME)).values())


@pytest.mark.asyncio
async def test_an_opt_out_there_stays_whatever_the_row_and_the_repair_say(
    database: str, tmp_path: Path
) -> None:
    settings = {**RESPOND_IO["settings"], "opt_outs": {"newsletter": False}}
    fields = {
        **RESPOND_IO["fields"],
        "newsletter": {"from": "company", "as": "boolean", "default": True},
    }
    async with people(
        database, tmp_path, {NAME: {**TAGGED, "settings": settings, "fields": fields}}
    ) as here:
        await here.add([1, 2, 3])
        await here.run(NAME)
        screen = here.sandbox.twin(NAME).screen(0.0)
        contacts = here.held(NAME)
        ids = {number: str(contact["id"]) for number, contact in contacts.items()}
        # The vendor keeps it as a boolean or as a text, by its settings.
        is_boolean = contacts[1]["fields"]["newsletter"] is True
        no = {"newsletter": False if is_boolean else "false"}
        screen.edit(ids[1], no)
        screen.edit(ids[2], {**no, "firstName": "By hand"})
        report = await verified(here, NAME, repair=True)
        assert (exit_code(report), report.repaired, report.left) == (
            0,
            1,
            {"opted_out": 1},
        )
        await here.run(NAME)
        await here.run(NAME, backfill=True)
        held = here.held(NAME)
        assert [
            str(held[number]["fields"]["newsletter"]).lower() for number in (1, 2, 3)
        ] == ["false", "false", "true"]
        assert held[2]["fields"]["firstName"] == "Name 2"


@pytest.mark.asyncio
async def test_options_that_do_not_go_together_are_refused(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: TAGGED}) as here:
        for options, told in (
            ({"recreate": True}, "give that too"),
            ({"fields": ["phone"]}, "give that too"),
            (
                {"repair": True, "fields": ["fone"]},
                'no field is called "fone"; there are crm_id, firstName, phone, tags',
            ),
            ({"repair": True, "accept": ["repairs"]}, 'did you mean "repair"?'),
            ({"repair": True, "recreate": True, "fields": ["phone"]}, "give one"),
            ({"sample": 1, "contacts": ["1"]}, "give one"),
        ):
            with pytest.raises(
                ConfigError, match=r"verify|--field|--accept"
            ) as refused:
                await verified(here, NAME, **options)
            assert told in str(refused.value)


@pytest.mark.asyncio
async def test_the_command_says_what_was_left_alone_and_why(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: TAGGED}) as here:
        await here.add(range(1, 5))
        await here.run(NAME)
        screen = here.sandbox.twin(NAME).screen(0.0)
        ids = {
            number: str(contact["id"]) for number, contact in here.held(NAME).items()
        }
        screen.delete(ids[1])
        screen.edit(ids[2], {"firstName": "By hand"})
        code, said = await here.command("verify", "--repair")
        assert code == 0
        assert "the next `syncengine run -d respond_io` repairs 1 contact" in said
        assert (
            "respond_io: 1 not repaired: they are gone, deleted or merged at the vendor"
            in said
        )
        code, said = await here.command(
            "verify", "--contact", "1", "--repair", "--recreate", "--json"
        )
        assert code == 0
        assert '"repaired":1,"left":{}' in said
        assert (await here.command("run"))[0] == 0
        assert len(here.held(NAME)) == 4
