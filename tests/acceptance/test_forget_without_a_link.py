"""``forget`` of a contact whose link was lost with the state.

The vendor is asked before a receipt says done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.erasure import Erased, Receipt
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.dumps import dump, lose, restore_whole
from tests.support.people_project import (
    CHARLES,
    CHARTMOGUL,
    DM_CHAMP,
    RESPOND_IO_V2,
    People,
    people,
)

pytestmark = pytest.mark.asyncio
NAME = "respond_io_v2"
V2: dict[str, Any] = {**RESPOND_IO_V2, "on_removed": "delete"}
RESTORED = frozenset({"restored"})
CONTACT_1 = Subject(SubjectKind.CONTACT, "1")


async def _receipt(here: People, contact: str = "1", name: str = NAME) -> Receipt:
    return next(
        each
        for each in await app.forget(here.config, contact)
        if each.destination == name
    )


def _held(here: People, name: str) -> dict[int, str]:
    """Return the vendor's ids by our ids, which the names contain."""
    contacts: list[Any] = here.sandbox.contacts(name)
    names = {str(each["id"]): each["fields"] for each in contacts}
    return {
        int(str(named.get("firstName", named.get("first_name"))).split()[1]): each
        for each, named in names.items()
    }


async def _lost(here: People, database: str, name: str = NAME) -> None:
    """Lose the state after contact 1 was sent and has opted out."""
    await here.add([1, 2])
    assert exit_code(await here.run(name)) == 0
    await lose(database)
    await app.migrate(here.config)
    await app.suppress(here.config, [CONTACT_1])
    assert exit_code(await here.run(name, accept=RESTORED)) == 0
    assert (await here.states(name))[1]["external_id"] is None


@pytest.mark.parametrize(("name", "keys"), [(NAME, V2), ("chartmogul", CHARTMOGUL)])
async def test_it_is_looked_up_by_its_row_and_deleted(
    database: str, tmp_path: Path, name: str, keys: dict[str, Any]
) -> None:
    async with people(database, tmp_path, {name: keys}, twins=[name]) as here:
        await _lost(here, database, name)
        receipt = await _receipt(here, name=name)
        assert (receipt.status, receipt.message) == (Erased.DONE, "deleted there")
        assert _held(here, name).keys() == {2}
        again = await _receipt(here, name=name)
        assert (again.status, again.message) == (
            Erased.DONE,
            "nothing is known of it there",
        )


async def test_a_dead_vendor_leaves_it_open(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: V2}, twins=[NAME]) as here:
        await _lost(here, database)
        here.fail(NAME, Rule(FaultKind.ERROR_HTML, status=503))
        assert (await _receipt(here)).status is Erased.OPEN
        here.heal(NAME)
        assert (await _receipt(here)).message == "deleted there"
        assert _held(here, NAME).keys() == {2}


async def test_another_contact_of_ours_keeps_what_is_its_own(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: V2}, twins=[NAME]) as here:
        await _lost(here, database)
        await here.change(
            1,
            phone=(await here.one("SELECT phone FROM crm.people WHERE id = 2"))[
                "phone"
            ],
        )
        external_id = _held(here, NAME)[2]
        receipt = await _receipt(here)
        assert receipt.status is Erased.IMPOSSIBLE
        assert f"contact {external_id} belongs to {NAME}/2" in receipt.message
        assert "forget 1 --confirmed -d respond_io_v2" in receipt.full_message
        assert 2 in _held(here, NAME)


async def test_without_a_row_nobody_says_that_it_is_done(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: V2}, twins=[NAME]) as here:
        await _lost(here, database)
        await here.remove([1])
        receipt = await _receipt(here)
        assert receipt.status is Erased.IMPOSSIBLE
        assert "no row tells whom to look for" in receipt.message
        assert 1 in _held(here, NAME)
        await app.confirm(here.config, "1", [NAME])
        assert (await _receipt(here)).message == "confirmed"


async def test_a_vendor_without_a_look_up_is_to_be_asked(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await _lost(here, database, "charles")
        receipt = await _receipt(here, name="charles")
        assert receipt.status is Erased.IMPOSSIBLE
        assert receipt.message.endswith(
            "ask them to delete what they hold under external_reference_id 1"
        )
        assert (await _receipt(here, name="charles")) == receipt


async def test_each_copy_of_which_a_part_is_kept_is_asked_for(
    database: str, tmp_path: Path
) -> None:
    silenced = {
        **DM_CHAMP,
        "settings": {**DM_CHAMP["settings"], "delete_as": "silenced"},
    }
    async with people(
        database, tmp_path, {"dm_champ": silenced}, twins=["dm_champ"]
    ) as here:
        await _lost(here, database, "dm_champ")
        external_id = _held(here, "dm_champ")[1]
        receipt = await _receipt(here, name="dm_champ")
        assert (
            receipt.message
            == f"dm_champ keeps part of it: ask them to delete contact {external_id}"
        )


async def test_before_the_acceptance_it_is_open_and_asks_for_no_import(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: V2}, twins=[NAME]) as here:
        await here.add([1])
        assert exit_code(await here.run(NAME)) == 0
        dump(database, tmp_path / "state.dump")
        await here.change(1, name="Later")
        assert exit_code(await here.run(NAME)) == 0
        await restore_whole(database, tmp_path / "state.dump")
        receipt = await _receipt(here)
        assert receipt.status is Erased.OPEN
        assert f"syncengine run -d {NAME} --accept restored" in receipt.message
        assert "import --consent" not in receipt.message


async def test_an_erasure_is_not_taken_back_by_a_plain_lift(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"chartmogul": CHARTMOGUL}, twins=["chartmogul"]
    ) as here:
        await here.add([1, 2])
        await here.run("chartmogul")
        await app.suppress(here.config, [Subject(SubjectKind.CONTACT, "2")])
        await app.forget(here.config, "1")
        code, said = await here.command(
            "suppress", "--lift", "--contact", "1", "--contact", "2"
        )
        said = " ".join(said.split())
        assert code == 2
        assert "contact 1 was forgotten: the next run would create it again" in said
        assert "`syncengine suppress --lift --forgotten --contact 1`" in said
        assert (
            "`syncengine suppress --lift --forgotten --contact 1`"
            in (await here.command("show", "1"))[1]
        )
        phone = tmp_path / "phones"
        phone.write_text(
            str((await here.one("SELECT phone FROM crm.people WHERE id = 1"))["phone"])
        )
        assert (await here.command("suppress", "--lift", "--phones", str(phone)))[
            0
        ] == 0
        await here.add([9])
        await here.change(9, phone=phone.read_text())
        await here.run("chartmogul")
        assert _held(here, "chartmogul").keys() == {2}, (
            "nor under another id, by its phone"
        )
        code, said = await here.command(
            "suppress", "--lift", "--forgotten", "--contact", "1"
        )
        assert (code, said) == (0, "lifted: 1 of 1\n")
        await here.run("chartmogul")
        assert _held(here, "chartmogul").keys() == {1, 2, 9}
        assert (await here.command("suppress", "--forgotten", "--contact", "1"))[0] == 2


async def test_verify_and_adopt_say_who_may_not_be_written_to(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**V2, "opted_out": "opted_in"}}, twins=[NAME]
    ) as here:
        await here.add([1, 2, 3, 4], opted_in=False)
        assert exit_code(await here.run(NAME)) == 0
        await here.change(2, opted_in=True)
        await app.suppress(here.config, [CONTACT_1])
        assert exit_code(await here.run(NAME)) == 0
        here.fail(NAME, Rule(FaultKind.ERROR_HTML, status=503))
        await app.forget(here.config, "3")
        here.heal(NAME)
        (before,) = await app.verify(here.config, (NAME,))
        assert (before.in_doubt, before.erasing) == (0, ("3",))
        assert "`syncengine forget 3` finishes it" in (await here.command("verify"))[1]
        await here.run(NAME, resync=True)
        (verified,) = await app.verify(here.config, (NAME,))
        assert (verified.in_doubt, verified.silent) == (0, 2)
        said = (await here.command("verify"))[1]
        assert "2 contacts were not compared: nothing may be sent about them" in said
        await app.forget(here.config, "3")
        await lose(database)
        await app.migrate(here.config)
        await app.suppress(here.config, [CONTACT_1])
        assert exit_code(await here.run(NAME, accept=RESTORED)) == 0
        (adopted,) = await app.adopt(here.config, (NAME,))
        assert (adopted.silent, adopted.linked) == (2, 0)
        assert (
            "2 contacts were not looked up and not linked"
            in (await here.command("adopt"))[1]
        )
        assert (
            "2 contacts at the vendor belong to no contact known here"
            in (await here.command("verify"))[1]
        )


async def test_show_promises_nothing_by_a_state_that_was_not_accepted(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: V2}, twins=[NAME]) as here:
        await here.add([1])
        assert exit_code(await here.run(NAME)) == 0
        dump(database, tmp_path / "state.dump")
        await here.change(1, name="Name 1 later")
        assert exit_code(await here.run(NAME)) == 0
        await restore_whole(database, tmp_path / "state.dump")
        (shown,) = await app.show(here.config, (NAME,), "1")
        assert shown.next_run == "is refused, and suppressions may be missing here"
        assert any(
            "is older than the last runs from here" in each for each in shown.remarks
        )
        assert exit_code(await here.run(NAME, accept=RESTORED)) == 0
        (shown,) = await app.show(here.config, (NAME,), "1")
        assert "refused" not in shown.next_run
