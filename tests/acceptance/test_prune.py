"""``prune`` deletes what is old, in short transactions.

It takes nothing from a run that is under way.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncengine.app import prune
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.state import retention
from tests.support.people_project import RESPOND_IO, People, people

_OLD, _YOUNG = 100, 80
"""Days."""


async def _past(
    here: People,
    days: int,
    *,
    contacts: int = 3,
    destination: str = "respond_io",
    **columns: Any,
) -> int:
    """Insert a run that began the given number of days ago."""
    run = {"status": "done", "ended": True, **columns}
    run_id: int = await here.source.fetchval(
        "INSERT INTO syncengine.sync_run (destination, account, kind, epoch, status, "
        "started_at, ended_at) SELECT $1, $1, 'sync', 1, $2, at, "
        "CASE WHEN $3 THEN at END FROM (VALUES (now() - make_interval(days => $4))) "
        "AS t (at) RETURNING run_id",
        destination,
        run["status"],
        run["ended"],
        days,
    )
    ids = [str(number) for number in range(contacts)]
    await here.source.execute(
        "INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids) "
        "SELECT $1, row_number() OVER (), 'changes', ARRAY[id] "
        "FROM unnest($2::text[]) AS t (id)",
        run_id,
        ids,
    )
    await here.source.execute(
        "INSERT INTO syncengine.sync_outcome (run_id, contact_id, batch, outcome) "
        "SELECT $1, id, 1, 'applied' FROM unnest($2::text[]) AS t (id)",
        run_id,
        ids,
    )
    await here.source.execute(
        "INSERT INTO syncengine.sync_run_minute (run_id, minute) VALUES ($1, now())",
        run_id,
    )
    return run_id


async def _minutes(here: People, *days: int) -> None:
    await here.source.execute(
        "INSERT INTO syncengine.sync_quota (account, quota, minute, reserved) "
        "SELECT 'respond_io', 'q', now() - make_interval(days => d), 7 "
        "FROM unnest($1::integer[]) AS t (d)",
        days,
    )


async def _left(here: People, table: str) -> dict[int, int]:
    """Return the number of rows by run."""
    rows = await here.source.fetch(
        f"SELECT run_id, count(*) AS n FROM syncengine.{table} GROUP BY 1"
    )
    return {row["run_id"]: row["n"] for row in rows}


async def _runs(here: People) -> set[int]:
    return set(await _left(here, "sync_run"))


@pytest.mark.asyncio
async def test_old_runs_go_with_their_batches_and_outcomes(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        old = [await _past(here, _OLD), await _past(here, _OLD, contacts=0)]
        young, newest = await _past(here, _YOUNG), await _past(here, _YOUNG)
        report = await prune(here.config)
        assert (report.runs, report.batches, report.outcomes, exit_code(report)) == (
            len(old),
            3,
            3,
            0,
        )
        assert await _runs(here) == {young, newest}
        assert (
            await _left(here, "sync_outcome")
            == await _left(here, "sync_batch")
            == {young: 3, newest: 3}
        )
        assert await _left(here, "sync_run_minute") == {young: 1, newest: 1}


@pytest.mark.asyncio
async def test_the_newest_run_of_each_destination_stays_and_so_does_an_open_one(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        gone = await _past(here, _OLD)
        running = await _past(here, _OLD, status="running", ended=False)
        newest = await _past(here, _OLD)
        elsewhere = await _past(here, _OLD, destination="no longer configured")
        assert (await prune(here.config)).runs == 1
        assert await _runs(here) == {running, newest, elsewhere}
        assert gone not in await _left(here, "sync_outcome")


@pytest.mark.asyncio
async def test_how_long_is_a_setting_and_an_option(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        first, second, third, newest = [
            await _past(here, days) for days in (200, 100, 50, 50)
        ]
        here.configure_engine(keep_outcomes="150d")
        await prune(here.config)
        assert await _runs(here) == {second, third, newest}
        await prune(here.config, older_than="60d")
        assert await _runs(here) == {third, newest}
        assert first not in await _left(here, "sync_batch")


@pytest.mark.asyncio
async def test_minutes_go_that_no_limit_looks_back_at(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        kept = (
            "SELECT array_agg(extract(day FROM now() - minute)::int "
            "ORDER BY minute DESC) FROM syncengine.sync_quota"
        )
        await _minutes(here, 1, 34, 36, 58, 61)
        here.configure("respond_io", limits=[{"calls": 5, "per": "60d"}])
        assert (await prune(here.config)).quota_minutes == 1
        assert await here.source.fetchval(kept) == [1, 34, 36, 58]
        here.configure("respond_io", limits=[])
        assert (await prune(here.config)).quota_minutes == 2
        assert await here.source.fetchval(kept) == [1, 34]


class _StopAt(asyncio.Event):
    """A stop event that is set when it is read for the n-th time."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def is_set(self) -> bool:
        self._times -= 1
        return self._times <= 0


@pytest.mark.asyncio
async def test_what_was_deleted_before_a_stop_is_gone_and_the_rest_follows(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        first, second = (
            await _past(here, _OLD, contacts=7),
            await _past(here, _OLD, contacts=5),
        )
        newest = await _past(here, _YOUNG, contacts=0)
        stopped = await prune(here.config, stop=_StopAt(3))
        assert (stopped.outcomes, stopped.batches, stopped.runs) == (4, 0, 0)
        assert await _left(here, "sync_outcome") == {first: 3, second: 5}
        rest = await prune(here.config)
        assert (rest.outcomes, rest.batches, rest.runs) == (8, 12, 2)
        assert await _runs(here) == {newest}


@pytest.mark.asyncio
async def test_runs_are_under_way_meanwhile(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "find_first": False}}
    ) as here:
        old = await _past(here, _OLD, contacts=9)
        await here.add(range(1, 31))
        here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, after=4, times=2))
        command = here.start("run")
        assert await command.comes_to(here.sandbox.holds("respond_io").wait_for(2)), (
            command.said()
        )
        async with (
            here.source.transaction()
        ):  # somebody reads everything, for as long as he likes
            await here.source.fetch(
                "SELECT FROM syncengine.sync_run, syncengine.sync_outcome"
            )
            assert (await prune(here.config)).outcomes == 9
        here.sandbox.holds("respond_io").release()
        assert await command.ended() == 0, command.said()
        assert here.held("respond_io").keys() == set(range(1, 31))
        assert old not in await _runs(here)
        assert len(await here.outcomes(old + 1)) == 30


@pytest.mark.asyncio
async def test_the_command_tells_what_it_deleted(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _past(here, _OLD)
        await _past(here, _OLD)
        code, said = await here.command("prune", "--older-than", "95d", "--json")
        report = orjson.loads(said)
        del report["seconds"]
        deleted = {
            "runs": 1,
            "batches": 3,
            "outcomes": 3,
            "changes": 0,
            "quota_minutes": 0,
        }
        assert (code, report) == (0, {"older_than": 95 * 86400.0, **deleted})
        code, said = await here.command("prune")
        assert (code, said) == (
            0,
            (
                "Nothing was deleted: no run is older than 90 days. "
                "The newest run of each destination is always kept.\n"
            ),
        )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("age", "why"),
    [
        ("34d", "must be 35d or more: limits with long windows"),
        ("yesterday", "must be a duration such as"),
        ("-90d", "must be a duration such as"),
        ("", "must be a duration such as"),
    ],
)
async def test_nothing_is_deleted_by_which_a_limit_may_count(
    database: str, tmp_path: Path, age: str, why: str
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _past(here, _OLD)
        newest = await _past(here, _OLD)
        code, said = await here.command("prune", f"--older-than={age}")
        assert (code, f"--older-than: {why}" in said) == (2, True), said
        assert await _runs(here) == {newest - 1, newest}


@pytest.mark.asyncio
async def test_a_state_that_is_not_there_is_exit_code_2(
    empty_database: str, tmp_path: Path
) -> None:
    async with people(empty_database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        code, said = await here.command("prune")
        assert (code, "`syncengine migrate`" in said) == (2, True), said


@pytest.mark.asyncio
async def test_changes_are_kept_for_their_own_time_or_not_at_all(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add([1, 2, 3])
        await here.runs()
        (run_id,) = await _left(here, "sync_change")
        rows = await here.source.fetch(
            "SELECT * FROM syncengine.changes WHERE run_id = $1 ORDER BY contact_id",
            run_id,
        )
        assert [(row["destination"], row["effect"]) for row in rows] == (
            [("respond_io", "created")] * 3
        )
        assert orjson.loads(rows[0]["fields"])["crm_id"] == {"new": 1, "old": None}
        # Of two runs whose changes are too old, the run deletes those of its own
        # destination, and all of them although they are more than a slice.
        old = await _past(here, 31)
        of_others = await _past(here, 31, destination="other")
        young = await _past(here, 29)
        for each in (old, of_others, young):
            await here.source.execute(
                "INSERT INTO syncengine.sync_change (run_id, contact_id, effect) "
                "SELECT $1, id, 'updated' FROM unnest($2::text[]) AS t (id)",
                each,
                ["1", "2", "3", "4", "5"],
            )
        await here.runs()
        kept = {run_id: 3, of_others: 5, young: 5}
        assert await _left(here, "sync_change") == kept
        assert (await prune(here.config)).changes == 5
        assert await _left(here, "sync_change") == {run_id: 3, young: 5}
        # None are written any more, and those that were are deleted.
        here.configure_engine(keep_changes=0)
        await here.change(1, name="Zoe")
        await here.runs()
        assert await _left(here, "sync_change") == {}
