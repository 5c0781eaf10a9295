"""The next run does what ``plan`` says, request by request.

Planning changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import (
    CHARLES,
    CHARTMOGUL,
    DM_CHAMP,
    RESPOND_IO,
    People,
    people,
)

PHONES = [f"+4915111{number:05}" for number in range(14)]
BY_PHONE = {
    **RESPOND_IO,
    "match_on": ["phone"],
    "find_first": False,
    "on_null": "clear",
    "on_removed": "untag",
    "fields": {"firstName": "name", "phone": "phone"},
}
BY_OWN_KEY = {
    **RESPOND_IO,
    "settings": {**RESPOND_IO["settings"], "base_url": "${OTHER_URL}"},
    "on_removed": "untag",
}
TWINS = ("charles", "respond_io", "other=respond_io")
SHARING = {"by_phone": BY_PHONE, "own_key": BY_OWN_KEY, "charles": CHARLES}
NIGHTS = 6


@pytest.mark.asyncio
async def test_a_run_sends_what_plan_said(database: str, tmp_path: Path) -> None:
    random, refused = Random(7), 0
    async with people(database, tmp_path / "config", SHARING, TWINS) as here:
        for _ in range(NIGHTS):
            await _live(here, random)
            plans = {
                name: await here.plan(name, accept=frozenset({"removals"}))
                for name in SHARING
            }
            reports = await here.runs(accept=frozenset({"removals"}))
            for name, planned in plans.items():
                report = reports[name]
                outcomes = await here.outcomes(report.run_id)
                codes = [
                    row["code"]
                    for row in outcomes.values()
                    if row["outcome"] == "rejected"
                ]
                assert report.requests == planned.requests, name
                assert (
                    planned.requests_least <= planned.requests <= planned.requests_most
                ), name
                assert report.actions == planned.actions, name
                assert planned.rejected == {
                    code: codes.count(code) for code in codes
                }, name
                assert planned.contacts == len(outcomes), name
                refused += codes.count("duplicate_match_key")
    assert refused > 20


async def _live(here: People, random: Random) -> None:
    """Add, remove and change some people.

    They share few phones, so that many lose one and get it back.
    """
    rows = {row["id"] for row in await here.source.fetch("SELECT id FROM crm.people")}
    new = range(1 + max(rows, default=0), 5 + max(rows, default=0))
    await here.remove(random.sample(sorted(rows), len(rows) // 8))
    await here.add(new)
    rows = {row["id"] for row in await here.source.fetch("SELECT id FROM crm.people")}
    for number in {*new, *random.sample(sorted(rows), len(rows) // 4)}:
        phone = random.choice([*PHONES, None])
        await here.change(
            number,
            phone=phone,
            name=f"N {random.random()}",
            tags=random.sample("abcdef", 3),
        )


@pytest.mark.asyncio
async def test_a_plan_for_two_destinations_of_one_account_has_one_after_the_other(
    database: str, tmp_path: Path
) -> None:
    both = {
        "first": {**BY_PHONE, "account": "one", "where": "id > 5"},
        "second": {**BY_PHONE, "account": "one", "where": "id <= 5"},
    }
    async with people(database, tmp_path / "config", both) as here:
        await here.add(range(1, 11), phone=PHONES[0])
        plans = await app.plan(
            here.config, (), app.RunRequest(accept=frozenset({"empty_state"}))
        )
        reports = await here.runs()
        assert {planned.destination: planned.requests for planned in plans} == {
            "first": 1,
            "second": 0,
        }
        assert {name: report.requests for name, report in reports.items()} == {
            "first": 1,
            "second": 0,
        }


@pytest.mark.asyncio
async def test_a_plan_writes_nothing_to_the_state(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {"by_phone": BY_PHONE}) as here:
        await here.add(range(1, 9), phone=PHONES[0])
        await here.run("by_phone")
        await here.add(range(9, 12), phone=PHONES[1])
        before = await _state(here)
        planned = await here.plan("by_phone")
        assert planned.rejected == {"duplicate_match_key": 9}
        assert await _state(here) == before


async def _state(here: People) -> dict[str, list[str]]:
    """Return every row of every table, with the transaction that wrote it."""
    tables = await here.source.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'syncengine' ORDER BY 1"
    )
    state = {}
    for (table,) in tables:
        rows = await here.source.fetch(
            f"SELECT xmin || ' ' || t FROM syncengine.{table} AS t ORDER BY 1"
        )
        state[table] = [row[0] for row in rows]
    return state


@pytest.mark.asyncio
async def test_a_dead_duplicate_whose_own_row_changes_is_sent_once(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path / "config", {"by_phone": {**BY_PHONE, "find_first": True}}
    ) as here:
        await here.add([1, 2], phone=PHONES[0])
        for _ in range(3):
            await here.run("by_phone")
        assert (await here.states("by_phone"))[2]["status"] == "dead"
        here.fail("respond_io", Rule(FaultKind.LATENCY, seconds=0.2))
        await here.change(2, phone=PHONES[1])
        planned, report = await here.plan("by_phone"), await here.run("by_phone")
        assert planned.contacts == 1
        assert (report.actions, report.contacts["changed"]) == ({"create": 1}, 1)
        assert report.requests == 3 + 1, "three requests look for a phone"


@pytest.mark.asyncio
async def test_a_dead_duplicate_whose_key_is_given_up_is_in_the_plan(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {"by_phone": BY_PHONE}) as here:
        await here.add([1, 2], phone=PHONES[0])
        for _ in range(3):
            await here.run("by_phone")
        await here.change(1, phone=PHONES[1])
        planned, report = await here.plan("by_phone"), await here.run("by_phone")
        assert planned.actions == report.actions == {"create": 1, "update": 1}


CUSTOMER = "acct-1"
BY_BOTH = {**RESPOND_IO, "match_on": ["crm_id", "phone"]}


@pytest.mark.asyncio
async def test_every_key_that_is_tried_is_counted(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {"respond_io": BY_BOTH}) as here:
        here.configure("respond_io", limits=[{"calls": 200, "per": "1m"}])
        await here.add(range(1, 11), tags=["vip"])
        planned = await here.plan("respond_io")
        assert (planned.requests, planned.look_ups) == (10 * (1 + 3 + 1 + 1), 40)
        assert planned.seconds == pytest.approx(59 * 60 / 200)
        assert planned.seconds_least < planned.seconds < planned.seconds_most
        here.configure("respond_io", limits=[])
        assert (await here.run("respond_io")).requests == planned.requests


@pytest.mark.asyncio
async def test_where_finding_decides_the_range_holds(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {"respond_io": BY_BOTH}) as here:
        await here.add(range(1, 13), tags=["vip"])
        twin = here.sandbox.twin("respond_io")
        in_step = [
            Seed(
                {"crm_id": "1", "firstName": "Name 1", "phone": "+491510000001"},
                ("vip",),
            )
        ]
        other = [
            Seed({"crm_id": str(number), "firstName": "Other"}, ()) for number in (2, 3)
        ]
        by_phone = [
            Seed({"phone": f"+49151{number:07}"}, ("theirs",)) for number in (4, 5)
        ]
        shared = [Seed({"crm_id": "6", "phone": "+491510000007"}, ())]
        twin.seed([*in_step, *other, *by_phone, *shared], 0.0)
        planned, report = await here.plan("respond_io"), await here.run("respond_io")
        assert planned.requests_least < report.requests < planned.requests_most
        assert report.requests < planned.requests, "some were there"
        code, said = await here.command("plan")
        assert (code, "this assumes that the look-ups find no contact" in said) == (
            0,
            False,
        ), "all are linked by now, or refused"


@pytest.mark.asyncio
async def test_a_source_that_is_all_there_and_in_step_costs_the_least(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {"respond_io": BY_BOTH}) as here:
        await here.add(range(1, 6))
        seeds = [
            Seed(
                {
                    "crm_id": str(each),
                    "firstName": f"Name {each}",
                    "phone": f"+49151{each:07}",
                },
                (),
            )
            for each in range(1, 6)
        ]
        here.sandbox.twin("respond_io").seed(seeds, 0.0)
        planned, report = await here.plan("respond_io"), await here.run("respond_io")
        assert report.requests == planned.requests_least == 5
        code, said = await here.command("plan", "--backfill")
        assert (code, "0 s" in said) == (0, True)


@pytest.mark.asyncio
async def test_creates_that_tell_whom_they_find_are_in_the_range(
    database: str, tmp_path: Path
) -> None:
    settings = {
        **DM_CHAMP["settings"],
        "duplicates": "refused",
        "look_up_phones": "as_sent",
    }
    destination = {**DM_CHAMP, "settings": settings, "attempts": 2}
    async with people(
        database, tmp_path / "config", {"dm_champ": destination}, ("dm_champ",)
    ) as here:
        await here.add(range(1, 7), tags=["vip", "new"])
        seeds = [
            Seed({"phoneNumber": f"+49151{number:07}", "firstName": "Other"}, ())
            for number in (1, 2)
        ]
        here.sandbox.twin("dm_champ").seed(seeds, 0.0)
        planned, report = await here.plan("dm_champ"), await here.run("dm_champ")
        assert planned.requests == 6 * (1 + 2 * 2)
        assert planned.requests_least <= report.requests <= planned.requests_most
        assert exit_code(report) == 0


@pytest.mark.asyncio
async def test_what_an_exchange_looks_up_for_itself_is_counted(
    database: str, tmp_path: Path
) -> None:
    fields = {
        **CHARTMOGUL["fields"],
        "customer_external_id": {"from": "company", "default": CUSTOMER},
    }
    del fields["customer_uuid"]
    settings = {**CHARTMOGUL["settings"], "customer_by": "customer_external_id"}
    destination = {**CHARTMOGUL, "fields": fields, "settings": settings}
    async with people(
        database, tmp_path / "config", {"chartmogul": destination}, ("chartmogul",)
    ) as here:
        await here.add(range(1, 5))
        planned, report = await here.plan("chartmogul"), await here.run("chartmogul")
        assert (exit_code(report), report.requests, planned.requests) == (
            0,
            4 * 3,
            4 * 3,
        )
