"""Nights made up from a seed.

People share, swap and inherit phones, leave and return, and are created by hand.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import asyncpg
import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.reports import RunReport
from tests.support.demo_project import World
from tests.support.town_charles import Charles
from tests.support.town_destinations import contents, differences, put_by_hand, town
from tests.support.town_nights import Night, load, nights
from tests.support.town_oracle import Expected, Fate, Oracle, Ways, fate
from tests.support.town_respond_io import RespondIo

SEEDS = range(*map(int, os.environ.get("SYNCENGINE_TEST_SEEDS", "2-4").split("-")))
"""More of them: ``SYNCENGINE_TEST_SEEDS=2-31`` (the last is not among them)."""
NIGHTS, PEOPLE = 6, 60
WAYS = (
    Ways("own_key", "respond_io", ("id",), on_removed="untag"),
    Ways("by_phone", "respond_io", ("phone",), clears=False, prefix="crm:"),
    Ways("by_both", "respond_io", ("id", "phone"), on_removed="delete"),
    Ways("by_mail", "respond_io", ("email",), find_first=False, on_removed="untag"),
    Ways("charles", "charles", on_removed="delete"),
)


NEVER_LOOKS_UP = {"by_mail", "charles"}
"""Destinations whose requests do not depend on what a look-up finds."""
HARD = {
    "duplicate_match_key",
    "ambiguous_match",
    "key_held",
    "invalid_value",
    "no_match_key",
}
"""Codes that some contact gets in every town."""


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_night_brings_both_vendors_in_step(
    seed: int, database: str, tmp_path: Path
) -> None:
    oracles = [_oracle(ways) for ways in WAYS]
    happened: set[str] = set()
    async with town(database, tmp_path / "config", WAYS, batch_size=500) as here:
        for night in nights(seed, NIGHTS, PEOPLE):
            await _begin(here, oracles, night)
            for _ in range(2):
                happened |= await _play(here, oracles, night)
        last = [await here.run() for _ in range(3)]
    assert happened >= HARD
    # From the fourth night over an unchanged source on all are alike: no contact is
    # deferred for ever.
    for reports in last[1:]:
        for report in reports.values():
            assert (exit_code(report), report.requests) == (0, 0)
            assert report.contacts["changed"] == 0


def _oracle(ways: Ways) -> Oracle:
    return RespondIo(ways) if ways.vendor == "respond_io" else Charles(ways)


async def _play(here: World, oracles: list[Oracle], night: Night) -> set[str]:
    """Run once, compare with the oracles, and return the codes that contacts got."""
    accept = frozenset({"removals"})
    plans = await here.plan(accept=accept)
    reports = await here.run(accept=accept)
    happened: set[str] = set()
    for oracle in oracles:
        plan, report = plans[oracle.ways.name], reports[oracle.ways.name]
        least, most = plan.requests_least, plan.requests_most
        assert least <= report.requests <= most, plan
        if oracle.ways.name in NEVER_LOOKS_UP:
            assert least == plan.requests == most
        expected = oracle.run(night.rows)
        await _as_expected(here, oracle, expected, report)
        happened |= {fate.code for fate in expected.fates.values()}
    return happened


async def _begin(here: World, oracles: list[Oracle], night: Night) -> None:
    async with here.database() as connection:
        await load(connection, night)
    for oracle in oracles:
        if isinstance(oracle, RespondIo):
            put_by_hand(here.sandbox, oracle.ways.name, night.by_hand)
            for each in night.by_hand:
                oracle.put_by_hand(each.fields, each.tags)


async def _as_expected(
    here: World, oracle: Oracle, expected: Expected, report: RunReport
) -> None:
    name = oracle.ways.name
    async with here.database() as connection:
        fates = await _fates(connection, report.run_id)
        owners = await _owners(connection, name)
    assert report.error is None
    wrong: dict[int, tuple[Fate | None, Fate | None]] = {}
    for number in fates.keys() | expected.fates.keys():
        found, wanted = fates.get(number), expected.fates.get(number)
        if found != wanted:
            wrong[number] = (found, wanted)
    assert wrong == {}, name
    found_there = contents(here.sandbox, name, owners)
    assert differences(found_there, oracle.contents()) == {}, name
    assert expected.least <= report.requests <= expected.most, name
    outcomes = {fate.outcome for fate in expected.fates.values()}
    if outcomes & {"rejected", "deferred"}:
        assert (report.status, exit_code(report)) == ("incomplete", 1)
    else:
        assert (report.status, exit_code(report)) == ("done", 0)


async def _fates(
    connection: asyncpg.Connection[asyncpg.Record], run_id: int | None
) -> dict[int, Fate]:
    rows = await connection.fetch(
        "SELECT contact_id::bigint, outcome, coalesce(code, '') AS code, unsupported "
        "FROM syncengine.sync_outcome WHERE run_id = $1",
        run_id,
    )
    return {
        row["contact_id"]: fate(
            row["outcome"], row["code"], json.loads(row["unsupported"] or "[]")
        )
        for row in rows
    }


async def _owners(
    connection: asyncpg.Connection[asyncpg.Record], name: str
) -> dict[str, int]:
    rows = await connection.fetch(
        "SELECT contact_id::bigint, external_id FROM syncengine.external_ids "
        "WHERE destination = $1",
        name,
    )
    owners = {row["external_id"]: row["contact_id"] for row in rows}
    assert len(owners) == len(rows), "two contacts own one copy"
    return owners
