"""What ``plan`` tells is what the next ``run`` does, request by request, and telling it changes nothing."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from syncengine import app
from syncengine.sandbox.faults import Kind, Rule
from tests.people import CHARLES, RESPOND_IO, People, people

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
async def test_a_run_sends_what_plan_told(database: str, tmp_path: Path) -> None:
    random, refused = Random(7), 0
    async with people(database, tmp_path / "config", SHARING, TWINS) as here:
        for _ in range(NIGHTS):
            await _live(here, random)
            plans = {name: await here.plan(name, accept=frozenset({"removals"})) for name in SHARING}
            reports = await here.runs(accept=frozenset({"removals"}))
            for name, planned in plans.items():
                report = reports[name]
                outcomes = await here.outcomes(report.run_id)
                codes = [row["code"] for row in outcomes.values() if row["outcome"] == "rejected"]
                assert report.requests == planned.requests, name
                assert planned.requests_least <= planned.requests <= planned.requests_most, name
                assert report.actions == planned.actions, name
                assert planned.rejected == {code: codes.count(code) for code in codes}, name
                assert planned.contacts == len(outcomes), name
                refused += codes.count("duplicate_match_key")
    assert refused > 20


async def _live(here: People, random: Random) -> None:
    """Some come, some leave, some change; they share few phones, so that many lose one and get it back."""
    rows = {row["id"] for row in await here.source.fetch("SELECT id FROM crm.people")}
    new = range(1 + max(rows, default=0), 5 + max(rows, default=0))
    await here.remove(random.sample(sorted(rows), len(rows) // 8))
    await here.add(new)
    rows = {row["id"] for row in await here.source.fetch("SELECT id FROM crm.people")}
    for number in {*new, *random.sample(sorted(rows), len(rows) // 4)}:
        phone = random.choice([*PHONES, None])
        await here.change(number, phone=phone, name=f"N {random.random()}", tags=random.sample("abcdef", 3))


@pytest.mark.asyncio
async def test_a_plan_for_two_destinations_of_one_account_takes_them_in_turns(database: str, tmp_path: Path) -> None:
    both = {
        "first": {**BY_PHONE, "account": "one", "where": "id > 5"},
        "second": {**BY_PHONE, "account": "one", "where": "id <= 5"},
    }
    async with people(database, tmp_path / "config", both) as here:
        await here.add(range(1, 11), phone=PHONES[0])
        plans = await app.plan(here.config, (), app.Request())
        reports = await here.runs()
        assert {planned.destination: planned.requests for planned in plans} == {"first": 1, "second": 0}
        assert {name: report.requests for name, report in reports.items()} == {"first": 1, "second": 0}


@pytest.mark.asyncio
async def test_a_plan_writes_nothing_to_the_state(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path / "config", {"by_phone": BY_PHONE}) as here:
        await here.add(range(1, 9), phone=PHONES[0])
        await here.run("by_phone")
        await here.add(range(9, 12), phone=PHONES[1])
        before = await _state(here)
        planned = await here.plan("by_phone")
        assert planned.rejected == {"duplicate_match_key": 9}
        assert await _state(here) == before


async def _state(here: People) -> dict[str, list[str]]:
    """Every row of every table, with the transaction that wrote it."""
    tables = await here.source.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'syncengine' ORDER BY 1")
    state = {}
    for (table,) in tables:
        rows = await here.source.fetch(f"SELECT xmin || ' ' || t FROM syncengine.{table} AS t ORDER BY 1")  # noqa: S608 - our own tables
        state[table] = [row[0] for row in rows]
    return state


@pytest.mark.asyncio
async def test_a_dead_duplicate_whose_own_row_changes_is_sent_once(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path / "config", {"by_phone": {**BY_PHONE, "find_first": True}}) as here:
        await here.add([1, 2], phone=PHONES[0])
        for _ in range(3):
            await here.run("by_phone")
        assert (await here.states("by_phone"))[2]["status"] == "dead"
        here.fail("respond_io", Rule(Kind.LATENCY, seconds=0.2))
        await here.change(2, phone=PHONES[1])
        planned, report = await here.plan("by_phone"), await here.run("by_phone")
        assert planned.contacts == 1
        assert (report.actions, report.contacts["changed"]) == ({"create": 1}, 1)
        assert report.requests == 2 + 1, "two requests look for a phone"


@pytest.mark.asyncio
async def test_a_dead_duplicate_whose_key_is_let_go_is_told_of(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path / "config", {"by_phone": BY_PHONE}) as here:
        await here.add([1, 2], phone=PHONES[0])
        for _ in range(3):
            await here.run("by_phone")
        await here.change(1, phone=PHONES[1])
        planned, report = await here.plan("by_phone"), await here.run("by_phone")
        assert planned.actions == report.actions == {"create": 1, "update": 1}
