"""DM Champ takes one contact a phone, and reports a second one in three ways.

Contacts are in lists, and have tags that stay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.demo_project import KEY
from tests.support.people_project import DM_CHAMP, People, people

NAME = "dm_champ"
MODES = ("http409", "http200_error_code", "return_existing")
every_mode = pytest.mark.parametrize("mode", MODES)
DESTINATION: dict[str, Any] = {
    "vendor": NAME,
    "settings": {
        "base_url": "${DM_CHAMP_URL}/v1",
        "api_key": "${DM_CHAMP_KEY}",
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 2,
    "match_on": ["phoneNumber"],
    "fields": {
        "phoneNumber": "phone",
        "firstName": "name",
        "email": "email",
        "externalId": "id",
        "do_not_disturb": {"from": "opted_out", "default": True},
        "custom_fields.since": "since",
        "currentCampaignData": "campaign",
    },
    "tags": {"from": "tags"},
    "lists": {"from": "lists"},
}


@asynccontextmanager
async def champ(
    database: str,
    folder: Path,
    mode: str,
    *,
    more_fields: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[People]:
    """Set up ten people, each with two lists and a tag.

    The vendor is empty, and reformats the values it shows.
    """
    own = {**DESTINATION["settings"], "custom_fields": "create", **settings}
    mapped = {**DESTINATION["fields"], **(more_fields or {})}
    destination = {**DESTINATION, "settings": own, "fields": mapped}
    async with people(database, folder, {NAME: destination}, (NAME,)) as here:
        here.environ["DM_CHAMP_KEY"] = KEY
        here.sandbox.twin(NAME).configure(
            {
                "duplicate_mode": mode,
                "custom_fields": "create",
                "flags_as": "texts",
                "tags_as": "objects",
                "email_case": "lower",
                "phones": "digits",
                "store_plus": False,
            }
        )
        await here.source.execute(
            "ALTER TABLE crm.people ADD email text, ADD opted_out boolean, "
            "ADD lists text[] NOT NULL DEFAULT '{L-1,L-2}', "
            "ADD since timestamptz DEFAULT '2025-03-02T08:15:30Z', "
            "ADD campaign jsonb DEFAULT '{\"step\": 1}'"
        )
        await here.add(range(1, 11), tags=["vip"])
        await here.source.execute(
            "UPDATE crm.people SET email = 'Name' || id || '@Example.org' WHERE id > 2"
        )
        yield here


def at_vendor(here: People) -> dict[str, Any]:
    """Return the vendor's contacts by phone; fail if two of them share one."""
    held: list[Any] = here.sandbox.contacts(NAME)
    contacts = {contact["fields"]["phoneNumber"]: contact for contact in held}
    assert len(contacts) == len(held)
    return contacts


def phone(number: int) -> str:
    return f"49151{number:07}"


def lists(contact: dict[str, Any]) -> set[str]:
    return {
        name.removeprefix("lists.")
        for name in contact["fields"]
        if name.startswith("lists.")
    }


def stranger(number: int, **fields: Any) -> Seed:
    return Seed(
        {
            "phoneNumber": phone(number),
            "firstName": "Somebody",
            "do_not_disturb": False,
            **fields,
        },
        ("own",),
    )


def assert_in_step(here: People, numbers: Iterable[int]) -> None:
    held = at_vendor(here)
    for number in numbers:
        contact = held[phone(number)]
        fields = contact["fields"]
        assert (fields["firstName"], fields["do_not_disturb"]) == (
            f"Name {number}",
            True,
        )
        assert fields["email"] == (
            f"name{number}@example.org" if number > 2 else "unknown@unknown.com"
        )
        assert (lists(contact), {"vip"} - set(contact["tags"])) == (
            {"L-1", "L-2"},
            set(),
        )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("mode", "look_up"), [*zip(MODES, ("full", "id_only", "full"), strict=True)]
)
async def test_every_kind_of_field_is_synced_once(
    database: str, tmp_path: Path, mode: str, look_up: str
) -> None:
    async with champ(database, tmp_path, mode) as here:
        here.sandbox.twin(NAME).configure({"lookup_returns": look_up})
        first = await here.run(NAME)
        assert (first.status, first.contacts["applied"]) == ("done", 10)
        # Each is looked up in three spellings, created with its lists, looked up by its
        # phone once more, and tagged by it.
        assert first.requests == 10 * 6
        assert_in_step(here, range(1, 11))
        held = at_vendor(here)[phone(7)]
        assert held["fields"]["is_bot_active"] is False
        assert held["fields"]["externalId"] == "7"
        assert held["fields"]["currentCampaignData"] == {"step": 1}
        assert (await here.run(NAME)).requests == 0
        backfill = await here.run(NAME, backfill=True)
        assert backfill.requests == 0


@pytest.mark.asyncio
@every_mode
async def test_who_is_there_is_taken_over_and_brought_in_step(
    database: str, tmp_path: Path, mode: str
) -> None:
    settings: dict[str, Any] = (
        {} if mode == "return_existing" else {"duplicates": "refused"}
    )
    async with champ(database, tmp_path, mode, **settings) as here:
        here.sandbox.twin(NAME).seed(
            [stranger(3), stranger(4, firstName="Name 4")], 0.0
        )
        first = await here.run(NAME)
        assert (
            first.status,
            first.contacts["applied"] + first.contacts["unsupported"],
        ) == ("done", 10)
        assert_in_step(here, range(1, 11))
        outcomes = await here.outcomes(first.run_id)
        # What only a create can set, and no look-up shows, is told of once.
        unseen = ("externalId", "custom_fields.since", "currentCampaignData")
        assert unsupported(outcomes[3]) == {("set_field", name) for name in unseen}
        assert (await here.run(NAME)).requests == 0


def unsupported(outcome: Any) -> set[tuple[str, str]]:
    """Return code and subject of what could not be expressed."""
    return {(code, subject) for code, subject in orjson.loads(outcome["unsupported"])}


@pytest.mark.asyncio
@every_mode
async def test_a_lost_answer_makes_no_second_contact(
    database: str, tmp_path: Path, mode: str
) -> None:
    async with champ(database, tmp_path, mode) as here:
        here.fail(NAME, Rule(FaultKind.RESET, when="after", method="POST", times=4))
        await here.run(NAME)
        here.heal(NAME)
        await here.run(NAME)
        assert_in_step(here, range(1, 11))
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
@every_mode
async def test_two_rows_of_one_phone_do_not_share_a_contact(
    database: str, tmp_path: Path, mode: str
) -> None:
    async with champ(database, tmp_path, mode) as here:
        here.configure(NAME, match_on=["email"])
        await here.remove([1, 2])
        await here.change(4, phone="+" + phone(3))
        first = await here.run(NAME)
        outcomes = await here.outcomes(first.run_id)
        refused = [
            number
            for number, outcome in outcomes.items()
            if outcome["code"] == "ambiguous_match"
        ]
        assert len(refused) == 1
        assert refused[0] in (3, 4)
        ids = [
            state["external_id"]
            for state in (await here.states(NAME)).values()
            if state["external_id"]
        ]
        assert len(set(ids)) == len(ids) == 7
        assert len(at_vendor(here)) == 7


@pytest.mark.asyncio
async def test_a_change_is_an_update_a_list_call_or_unsupported(
    database: str, tmp_path: Path
) -> None:
    async with champ(database, tmp_path, "http409") as here:
        await here.run(NAME)
        await here.change(3, name="Ilse", phone="+49159")
        await here.change(4, lists=["L-2", "L-3"])
        await here.change(5, tags=["new"])
        second = await here.run(NAME)
        assert second.actions == {
            "update": 1,
            "join_lists": 1,
            "leave_lists": 1,
            "add_tags": 1,
        }
        assert second.requests == 5  # a tag takes a look-up as well
        held = at_vendor(here)
        assert held[phone(3)]["fields"]["firstName"] == "Ilse"
        assert lists(held[phone(4)]) == {"L-2", "L-3"}
        assert set(held[phone(5)]["tags"]) == {"vip", "new"}
        outcomes = await here.outcomes(second.run_id)
        assert unsupported(outcomes[3]) == {("change_field", "phoneNumber")}
        assert unsupported(outcomes[5]) == {("remove_tag", "vip")}
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_removed_contacts_are_silenced_only_where_on_removed_names_it(
    database: str, tmp_path: Path
) -> None:
    async with champ(database, tmp_path, "http409") as here:
        here.configure(NAME, on_removed="delete")
        await here.run(NAME)
        await here.remove([3])
        report = await here.run(NAME, accept=frozenset({"removals"}))
        assert (report.requests, report.contacts["unsupported"]) == (0, 1)
        assert_in_step(here, range(1, 11))

        here.configure(
            NAME,
            settings={**here.destinations[NAME]["settings"], "delete_as": "silenced"},
        )
        await here.remove([4])
        report = await here.run(NAME, accept=frozenset({"removals"}))
        assert report.actions == {"leave_lists": 2, "delete": 1}
        gone = at_vendor(here)[phone(4)]
        names = [gone["fields"][name] for name in ("firstName", "lastName", "email")]
        assert names == ["Unknown", "Unknown", "unknown@unknown.com"]
        assert (
            gone["fields"]["do_not_disturb"],
            gone["fields"]["is_bot_active"],
            lists(gone),
        ) == (True, False, set())
        assert (await here.run(NAME)).requests == 0

        await here.add([4], tags=["vip"])
        await here.source.execute(
            "UPDATE crm.people SET email = 'Name4@Example.org' WHERE id = 4"
        )
        await here.run(NAME)
        assert_in_step(here, range(1, 11))


@pytest.mark.asyncio
async def test_the_key_is_in_no_report_and_no_row(
    database: str, tmp_path: Path
) -> None:
    async with champ(database, tmp_path, "http409") as here:
        here.sandbox.twin(NAME).configure({"api_keys": ["s3cr3t-key"]})
        here.environ["DM_CHAMP_KEY"] = "s3cr3t-key"
        said = "no: /v1/contacts?apiKey=s3cr3t-key"
        here.fail(NAME, Rule(FaultKind.REFUSE, status=400, text=said, after=3, times=3))
        reports = [await here.run(NAME), await here.run(NAME)]
        here.environ["DM_CHAMP_KEY"] = "wr0ng-key"
        await here.change(3, name="Other")
        reports.append(await here.run(NAME))
        assert reports[-1].status == "halted"
        tables = ("sync_outcome", "sync_run", "sync_known", "sync_batch")
        every = " UNION ALL ".join(
            f"SELECT t::text FROM syncengine.{table} t" for table in tables
        )
        rows = await here.source.fetch(every)
        told = [repr(reports), repr(here.config), *(row[0] for row in rows)]
        assert len(rows) > 20
        assert not [
            text for text in told if "s3cr3t-key" in text or "wr0ng-key" in text
        ]


@pytest.mark.asyncio
@pytest.mark.parametrize("put_mode", ["partial", "replace"])
async def test_contacts_that_opted_out_at_the_vendor_are_left_in_peace(
    database: str, tmp_path: Path, put_mode: str
) -> None:
    never = {"from": "company", "as": "boolean", "default": False}
    more = {"lastName": "name", "is_bot_active": never}
    async with champ(
        database,
        tmp_path,
        "http409",
        more_fields=more,
        put_replaces=put_mode == "replace",
    ) as here:
        twin: Any = here.sandbox.twin(NAME)
        twin.configure({"put_mode": put_mode})
        (met,) = twin.seed([stranger(11)], 0.0)
        twin.screen(0.0).opt_out(met)
        await here.add([11])
        await here.source.execute(
            "UPDATE crm.people SET opted_out = false, email = id || '@example.org'"
        )
        await here.run(NAME)
        for number in range(1, 4):
            twin.screen(0.0).opt_out(at_vendor(here)[phone(number)]["id"])

        # Their rows change, and with 2 the very column.
        await here.source.execute(
            "UPDATE crm.people SET name = name || '!' WHERE id IN (1, 2, 11)"
        )
        await here.source.execute("UPDATE crm.people SET opted_out = true WHERE id = 2")
        assert (await here.run(NAME)).status == "done"
        await here.source.execute(
            "UPDATE crm.people SET opted_out = false WHERE id = 2"
        )
        report = await here.run(NAME)
        assert (report.status, exit_code(report)) == ("done", 0)
        assert report.contacts["unsupported"] == 1

        (seen,) = await app.verify(here.config, (NAME,), repair=True)
        told = {each.contact_id: dict(each.found) for each in seen.contacts}
        assert told == {each: {"opted_out": ("do_not_disturb",)} for each in ("1", "3")}
        assert (seen.repaired, exit_code(seen)) == (0, 0)
        assert (await here.run(NAME)).requests == 0
        await here.run(NAME, backfill=True)

        held = at_vendor(here)
        opted_out = {number for number in range(1, 12) if silent(held, number)}
        assert opted_out == {1, 2, 3, 11}
        assert twin.store.lowered == []
        assert held[phone(1)]["fields"]["firstName"] == "Name 1!"


@pytest.mark.asyncio
async def test_who_shares_a_phone_is_not_written_over(
    database: str, tmp_path: Path
) -> None:
    settings = {**DM_CHAMP["settings"], "duplicates": "refused"}
    destination = {**DM_CHAMP, "match_on": ["email"], "settings": settings}
    async with people(database, tmp_path, {NAME: destination}, (NAME,)) as here:
        here.configure_engine(batch_size=40)
        here.sandbox.twin(NAME).configure({"duplicate_mode": "http409"})
        await here.add(range(1, 41))
        shared = "'+49151' || lpad(((id + 1) / 2)::text, 7, '0')"
        await here.source.execute(
            f"UPDATE crm.people SET phone = {shared}, "
            "company = 'p' || id || '@example.org'"
        )

        first = await here.run(NAME)
        assert (first.contacts["applied"], first.contacts["rejected"]) == (20, 20)
        owners = {
            row["external_id"]: number
            for number, row in (await here.states(NAME)).items()
        }
        owners.pop(None)
        assert len(owners) == 20
        held: list[Any] = here.sandbox.contacts(NAME)
        assert {each["id"]: each["fields"]["firstName"] for each in held} == {
            external_id: f"Name {number}" for external_id, number in owners.items()
        }
        refused = {
            number
            for number, row in (await here.states(NAME)).items()
            if row["external_id"] is None
        }
        codes = {
            number: row["code"]
            for number, row in (await here.outcomes(first.run_id)).items()
            if row["code"]
        }
        assert codes == dict.fromkeys(refused, "ambiguous_match")
        assert (await here.run(NAME)).requests == 0


def silent(held: dict[str, Any], number: int) -> bool:
    return bool(held[phone(number)]["fields"]["do_not_disturb"])


@pytest.mark.asyncio
@pytest.mark.parametrize("look_up", ["full", "id_only"])
async def test_a_number_that_was_moved_there_tags_nobody_else(
    database: str, tmp_path: Path, look_up: str
) -> None:
    async with champ(database, tmp_path, "http409") as here:
        await here.run(NAME)
        twin = here.sandbox.twin(NAME)
        twin.configure({"lookup_returns": look_up})
        ids = {
            number: str(state["external_id"])
            for number, state in (await here.states(NAME)).items()
        }
        screen = twin.screen(0.0)
        # 1 and 4 swap their numbers, 2 takes its own with it, 3 does too and has an
        # address, 6 has the number that its row gets, and 7 is deleted.
        screen.move("phoneNumber", ids[1], ids[4], "+" + phone(4))
        screen.edit(ids[2], {"phoneNumber": "+" + phone(20)})
        screen.edit(ids[3], {"phoneNumber": "+" + phone(30)})
        screen.edit(ids[6], {"phoneNumber": "+" + phone(60)})
        screen.delete(ids[7])
        await here.change(6, phone="+" + phone(60))
        for number in (1, 2, 3, 6, 7, 8):
            await here.change(number, tags=["vip", "debtor"])
        made = {contact["id"] for contact in here.sandbox.contacts(NAME)}

        for _ in range(4):
            report = await here.run(NAME)

        held: dict[Any, Any] = {
            contact["id"]: contact for contact in here.sandbox.contacts(NAME)
        }
        assert held.keys() == made, (
            "nobody is made again whose number has left with its owner"
        )
        tagged = {contact for contact, each in held.items() if "debtor" in each["tags"]}
        assert tagged == {ids[3], ids[6], ids[8]}
        states = await here.states(NAME)
        assert {number: states[number]["code"] for number in (1, 2)} == {
            1: "moved",
            2: "moved",
        }
        assert (report.status, exit_code(report), report.requests) == ("done", 0, 0)
