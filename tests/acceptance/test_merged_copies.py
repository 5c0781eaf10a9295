"""``merge`` of a contact's copy with a stranger at the vendor.

The contact is linked to whichever of the two the vendor keeps.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.acceptance.test_forget import free_the_lease
from tests.support.people_project import CHARTMOGUL, RESPOND_IO_V2, People, people

CAN_MERGE = {"respond_io_v2": RESPOND_IO_V2, "chartmogul": CHARTMOGUL}
every_vendor = pytest.mark.parametrize("name", CAN_MERGE)
every_pair = pytest.mark.parametrize(
    ("name", "older"),
    [("respond_io_v2", "ours"), ("respond_io_v2", "stranger"), ("chartmogul", "ours")],
)


async def pair(here: People, name: str, older: str, **columns: Any) -> tuple[str, str]:
    """Create the copy of contact 1 and a stranger with a note and a tag.

    ``older`` says which of the two is there first.
    """
    strangers: list[str] = []

    def meet() -> None:
        fields = {
            "lastName" if name == "respond_io_v2" else "title": "CTO",
            "email": "x@y.example",
        }
        first = {"firstName" if name == "respond_io_v2" else "first_name": "Stranger"}
        tags = ("own", "vip") if name == "respond_io_v2" else ()
        strangers.extend(
            here.sandbox.twin(name).seed([Seed({**first, **fields}, tags)], time.time())
        )

    if older == "stranger":
        meet()
    await here.add(
        [1, 2], **({"tags": ["vip"]} if name == "respond_io_v2" else {}), **columns
    )
    await here.run(name)
    if older == "ours":
        meet()
    ours = str((await here.states(name))[1]["external_id"])
    return ours, strangers[0]


async def assert_one_is_kept(here: People, name: str, former: set[str]) -> str:
    """Check that contact 1 has the one that was kept, and is in step with its row."""
    left = [
        contact for contact in here.sandbox.contacts(name) if contact["id"] in former
    ]
    assert len(left) == 1
    state = (await here.states(name))[1]
    assert (state["external_id"], state["status"]) == (left[0]["id"], "synced")
    held: Any = left[0]["fields"]
    row = await here.one("SELECT name FROM crm.people WHERE id = 1")
    assert held["firstName" if name == "respond_io_v2" else "first_name"] == row["name"]
    assert len(here.sandbox.contacts(name)) == 2
    assert (await here.run(name)).requests == 0
    assert (await here.run(name, backfill=True)).requests == 0
    return str(left[0]["id"])


@pytest.mark.asyncio
@every_pair
async def test_the_copy_that_the_vendor_keeps_is_linked(
    database: str, tmp_path: Path, name: str, older: str
) -> None:
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        ours, stranger = await pair(here, name, older)
        report = await app.merge(here.config, name, ours, stranger)
        left = stranger if (name, older) == ("respond_io_v2", "stranger") else ours
        assert (report.status, report.left, report.contact_id, exit_code(report)) == (
            "done",
            left,
            "1",
            0,
        )
        state = (await here.states(name))[1]
        assert (state["external_id"], state["status"]) == (left, "pending")
        await here.change(1, name="Changed")
        assert exit_code(await here.run(name)) == 0
        assert await assert_one_is_kept(here, name, {ours, stranger}) == left

        await here.change(1, tags=[])
        assert exit_code(await here.run(name)) == 0
        held: Any = {
            contact["id"]: contact["tags"] for contact in here.sandbox.contacts(name)
        }
        kept = set(held[left])
        assert kept == ({"own", "vip"} if name == "respond_io_v2" else set()), (
            "tags of the stranger are not ours"
        )


@pytest.mark.asyncio
@every_pair
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_answer_is_settled_by_the_next_run(
    database: str, tmp_path: Path, name: str, older: str, when: Any
) -> None:
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        ours, stranger = await pair(here, name, older)
        here.fail(
            name, Rule(FaultKind.RESET, method="POST", path="merge", when=when, times=1)
        )
        report = await app.merge(here.config, name, ours, stranger)
        assert (report.status, exit_code(report)) == ("incomplete", 1)
        assert "run -d" in (report.error or "")
        again = await app.merge(here.config, name, ours, stranger)
        assert (again.status, exit_code(again)) == ("refused", 2)
        assert exit_code(await here.run(name)) == 0
        if when == "before":
            assert len(here.sandbox.contacts(name)) == 3
            assert (await app.merge(here.config, name, ours, stranger)).status == "done"
            await here.run(name)
        await assert_one_is_kept(here, name, {ours, stranger})


@pytest.mark.asyncio
@every_pair
@pytest.mark.parametrize(
    ("kind", "arrives"),
    [
        (FaultKind.HOLD_BEFORE_COMMIT, False),
        (FaultKind.HOLD_BEFORE_COMMIT, True),
        (FaultKind.HOLD_AFTER_COMMIT, False),
    ],
)
async def test_killed_at_any_moment_of_it(
    database: str,
    tmp_path: Path,
    name: str,
    older: str,
    kind: FaultKind,
    *,
    arrives: bool,
) -> None:
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        ours, stranger = await pair(here, name, older)
        here.fail(name, Rule(kind, method="POST", path="merge", times=1))
        command = here.start("merge", ours, stranger, "-d", name)
        await here.sandbox.holds(name).wait_for(1)
        await command.kill()
        if arrives:
            here.heal(name)
            here.sandbox.holds(name).release()
        await free_the_lease(here)
        await here.change(1, name="Changed")
        assert exit_code(await here.run(name)) == 0
        if len(here.sandbox.contacts(name)) == 2:
            await assert_one_is_kept(here, name, {ours, stranger})
        else:
            assert (await here.states(name))[1]["external_id"] == ours
            assert (await here.run(name)).requests == 0


@pytest.mark.asyncio
@every_vendor
async def test_a_refused_merge_changes_nothing(
    database: str, tmp_path: Path, name: str
) -> None:
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        ours, stranger = await pair(here, name, "stranger")
        here.fail(name, Rule(FaultKind.REFUSE, method="POST", path="merge", status=400))
        report = await app.merge(here.config, name, ours, stranger)
        assert (report.status, exit_code(report)) == ("rejected", 1)
        here.heal(name)
        assert (await here.run(name)).requests == 0
        assert (await here.states(name))[1]["external_id"] == ours
        nobody = "177640999" if name == "respond_io_v2" else "con_nobody"
        report = await app.merge(here.config, name, ours, nobody)
        assert (report.status, exit_code(report)) == ("rejected", 1)
        assert f"no contact {nobody}" in (report.error or "")
        assert (await here.run(name)).requests == 0


@pytest.mark.asyncio
@every_vendor
async def test_the_copies_of_two_contacts_are_not_merged(
    database: str, tmp_path: Path, name: str
) -> None:
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        await here.add([1, 2])
        await here.run(name)
        states = await here.states(name)
        one, two = str(states[1]["external_id"]), str(states[2]["external_id"])
        requests = here.requests(name)
        for into, other in ((one, two), (two, one)):
            report = await app.merge(here.config, name, into, other)
            assert (report.status, exit_code(report)) == ("refused", 2)
            assert "Take one of the two out of the source" in (report.error or "")
        assert here.requests(name) == requests


@pytest.mark.asyncio
@every_vendor
async def test_the_copy_of_another_destination_is_no_stranger(
    database: str, tmp_path: Path, name: str
) -> None:
    one = {**CAN_MERGE[name], "account": "shared", "where": "id = 1"}
    two = {**CAN_MERGE[name], "account": "shared", "where": "id = 2"}
    async with people(
        database, tmp_path, {"one": one, "two": two}, twins=[name]
    ) as here:
        await here.add([1, 2])
        await here.runs()
        ours = str((await here.states("one"))[1]["external_id"])
        theirs = str((await here.states("two"))[2]["external_id"])
        (stranger,) = here.sandbox.twin(name).seed(
            [Seed({"email": "x@y.example"})], 0.0
        )
        requests = here.requests(name)
        for into, other, command in (
            (ours, theirs, "Take one"),
            (theirs, stranger, f"merge {theirs} {stranger} -d two"),
            (stranger, theirs, f"merge {theirs} {stranger} -d two"),
        ):
            report = await app.merge(here.config, "one", into, other)
            assert (report.status, exit_code(report)) == ("refused", 2)
            assert command in (report.error or "")
        assert here.requests(name) == requests


@pytest.mark.asyncio
@every_vendor
async def test_an_answer_with_a_third_id_leaves_it_to_the_next_run(
    database: str, tmp_path: Path, name: str
) -> None:
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        ours, stranger = await pair(here, name, "stranger")
        here.fail(name, Rule(FaultKind.OTHER_ID, method="POST", path="merge"))
        report = await app.merge(here.config, name, ours, stranger)
        here.heal(name)
        assert exit_code(await here.run(name)) == 0
        await assert_one_is_kept(here, name, {ours, stranger})
        assert report.status in ("incomplete", "done")


@pytest.mark.asyncio
async def test_a_removed_contact_keeps_the_copy_that_the_vendor_keeps(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io_v2"
    async with people(
        database, tmp_path, {name: CAN_MERGE[name]}, twins=[name]
    ) as here:
        ours, stranger = await pair(here, name, "stranger")
        await here.remove([1])
        await here.run(name, accept=frozenset({"removals"}))
        report = await app.merge(here.config, name, ours, stranger)
        assert (report.status, report.left, report.contact_id) == (
            "done",
            stranger,
            "1",
        )
        await here.run(name, accept=frozenset({"removals"}))
        await here.add([1])
        assert exit_code(await here.run(name)) == 0
        await assert_one_is_kept(here, name, {ours, stranger})


HUBSPOT: dict[str, Any] = {
    "vendor": "hubspot",
    "settings": {
        "base_url": "${HUBSPOT_URL}",
        "token": "${RESPOND_IO_TOKEN}",
        "unique_properties": ["crm_id", "email"],
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 2,
    "match_on": ["crm_id", "email"],
    "fields": {"crm_id": "id", "firstname": "name", "email": "company"},
    "brakes": {"gone": {"share": 1.0, "at_least": 1}},
}


@pytest.mark.asyncio
@pytest.mark.parametrize("ids", ["new", "keep"])
async def test_two_of_ours_that_somebody_merged_stay_the_winners(
    database: str, tmp_path: Path, ids: str
) -> None:
    """Whichever of the rows changes first, and whatever id the vendor gives."""
    async with people(
        database, tmp_path, {"hubspot": HUBSPOT}, twins=["hubspot"]
    ) as here:
        here.sandbox.twin("hubspot").configure({"merge_ids": ids})
        for number in (1, 2):
            await here.add([number], company=f"{number}@crm.example")
        assert exit_code(await here.run("hubspot")) == 0
        before = await here.states("hubspot")
        winner, loser = (str(before[number]["external_id"]) for number in (1, 2))
        left = here.sandbox.twin("hubspot").screen(time.time()).merge(winner, loser)
        assert (left == winner) is (ids == "keep")

        _, said = await here.command("verify")
        said = " ".join(said.split())
        dead = "2 contacts were" if ids == "new" else "1 contact was"
        named = "1, 2" if ids == "new" else "2"
        assert f"{dead} not compared: merged at the vendor, which shows" in said
        assert f"instead: {named}. Once the row of one changes" in said
        assert "could not be read" not in said
        assert "no contact known here" not in said

        # HubSpot writes the loser's values to the one that is left.
        await here.change(2, name="Loser")
        await here.run("hubspot")
        states = await here.states("hubspot")
        assert (states[1]["external_id"], states[2]["external_id"]) == (winner, None)
        assert (states[1]["status"], states[2]["standing"]) == ("pending", "gone")
        _, why = await here.command("why", "2")
        assert "contact hubspot/1 has the one with its match key" in " ".join(
            why.split()
        )

        # The next run mends them, and links the winner; then its own row changes.
        for name in (None, "Winner"):
            if name is not None:
                await here.change(1, name=name)
            assert exit_code(await here.run("hubspot")) == 0
            states = await here.states("hubspot")
            assert (states[1]["external_id"], states[1]["status"]) == (left, "synced")
            assert states[2]["standing"] == "gone"
            (held,) = here.sandbox.contacts("hubspot")
            fields: Any = held["fields"]
            row = await here.one("SELECT name FROM crm.people WHERE id = 1")
            assert (held["id"], fields["crm_id"], fields["email"]) == (
                left,
                "1",
                "1@crm.example",
            )
            assert fields["firstname"] == row["name"]
        assert (await here.run("hubspot")).requests == 0
