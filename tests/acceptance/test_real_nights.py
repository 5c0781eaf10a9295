"""Six nights of real contacts at two vendors.

Contents are exact, requests are the fewest, and a night without changes is silent.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from syncengine.cli.exits import exit_code
from syncengine.config.loading import load_config
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from tests.support.demo_project import World, world
from tests.support.planned_and_sent import EVERYBODY, planned, sent
from tests.support.real_nights import NIGHTS, Charles, RespondIo, night_file, rows_of


@pytest.mark.asyncio
async def test_six_nights(database: str, tmp_path: Path) -> None:
    charles, respond_io = Charles(), RespondIo()
    async with world(database, tmp_path / "config") as here:
        for night in NIGHTS:
            await load_contacts(database, read_rows(night_file(night))[1])
            rows = rows_of(night)
            least = respond_io.night(rows)
            least_charles, unsupported = charles.night(rows)

            plans = await here.plan(sample=EVERYBODY, accept=frozenset({"removals"}))
            reports = await here.run(accept=frozenset({"removals"}))
            assert {name: plan.requests for name, plan in plans.items()} == {
                name: report.requests for name, report in reports.items()
            }
            assert {
                name: report.error for name, report in reports.items() if report.error
            } == {}
            assert {name: exit_code(report) for name, report in reports.items()} == {
                "charles": 0,
                "respond_io": 0,
            }
            for name, report in reports.items():
                assert report.forecast is not None
                assert report.forecast.actions == report.actions == plans[name].actions
                assert report.forecast.made is not None
                assert report.forecast.made.calls == report.forecast.calls
                assert report.forecast.requests.usual == report.requests
                assert await sent(here, report) == planned(plans[name])
            assert reports["respond_io"].requests == least
            assert reports["charles"].requests == least_charles
            assert reports["respond_io"].contacts["unsupported"] == 0
            assert await _unsupported(here, reports["charles"].run_id) == unsupported
            assert _respond_io(here) == respond_io.contacts()
            assert _charles(here) == charles.contacts()

            again = await here.run()
            assert {name: report.requests for name, report in again.items()} == {
                "charles": 0,
                "respond_io": 0,
            }
        assert await _linked(here) == {
            "respond_io": {
                contact["id"] for contact in here.sandbox.contacts("respond_io")
            },
            "charles": {contact["id"] for contact in here.sandbox.contacts("charles")},
        }


@pytest.mark.asyncio
async def test_the_change_of_congress_trips_the_brake(
    database: str, tmp_path: Path
) -> None:
    async with world(database, tmp_path / "config") as here:
        await load_contacts(database, _some(NIGHTS[0]))
        await here.run()
        before, at_charles = here.sandbox.contacts("respond_io"), _charles(here)
        left = {str(row[0]) for row in _some(NIGHTS[0])} - {
            str(row[0]) for row in _some(NIGHTS[1])
        }
        await load_contacts(database, _some(NIGHTS[1]))
        reports = await here.run()
        refused, passed = reports["respond_io"], reports["charles"]
        assert (refused.status, exit_code(refused), refused.requests) == (
            "refused",
            2,
            0,
        )
        assert f"{len(left)} of {len(before)} known contacts" in str(refused.error)
        assert "--accept removals" in str(refused.error)
        assert here.sandbox.contacts("respond_io") == before
        assert (passed.status, exit_code(passed)) == ("done", 0), (
            "charles cannot take a tag away, so nothing is lost there"
        )
        held = _charles(here)
        assert len(left) == 20
        assert {key: held[key] for key in left} == {
            key: at_charles[key] for key in left
        }


def _some(night: str) -> list[list[str | None]]:
    """Select the same two fifths of the people every night."""
    return [row for row in read_rows(night_file(night))[1] if str(row[0])[-1] in "0123"]


def _respond_io(here: World) -> dict[str, tuple[dict[str, str | None], set[str]]]:
    found = {}
    for contact in here.sandbox.contacts("respond_io"):
        fields_there = cast("dict[str, Any]", contact["fields"])
        fields = {name: value for name, value in fields_there.items() if value != ""}
        key = fields["crm_id"]
        assert key not in found, f"{key} is there twice"
        found[key] = (fields, set(contact["tags"]))  # type: ignore[call-overload]
    return found


def _charles(here: World) -> dict[str, tuple[dict[str, object], set[str]]]:
    found = {}
    for contact in here.sandbox.contacts("charles"):
        assert contact["key"] not in found
        found[str(contact["key"])] = (dict(contact["fields"]), set(contact["tags"]))  # type: ignore[call-overload]
    return found


async def _unsupported(here: World, run_id: int | None) -> set[str]:
    async with here.database() as connection:
        rows = await connection.fetch(
            "SELECT contact_id FROM syncengine.sync_outcome WHERE run_id = $1 "
            "AND unsupported IS NOT NULL",
            run_id,
        )
    return {row["contact_id"] for row in rows}


async def _linked(here: World) -> dict[str, set[str]]:
    async with here.database() as connection:
        rows = await connection.fetch(
            "SELECT destination, external_id FROM syncengine.external_ids"
        )
    found: dict[str, set[str]] = {"charles": set(), "respond_io": set()}
    for row in rows:
        assert row["external_id"] not in found[row["destination"]]
        found[row["destination"]].add(row["external_id"])
    return found


@pytest.mark.asyncio
async def test_nobody_is_deferred_for_ever_where_offices_hand_their_phones_on(
    database: str, tmp_path: Path
) -> None:
    async with world(database, tmp_path / "config") as here:
        by_phone = _matched_by_phone(here)
        codes: set[str] = set()
        for night in NIGHTS[:2]:
            await load_contacts(database, read_rows(night_file(night))[1])
            async with here.database() as connection:
                await connection.execute(_OFFICES)
            nights = []
            for _ in range(5):
                plan = (
                    await by_phone.plan("respond_io", accept=frozenset({"removals"}))
                )["respond_io"]
                nights.append(
                    (await by_phone.run("respond_io", accept=frozenset({"removals"})))[
                        "respond_io"
                    ]
                )
                assert plan.requests_least <= nights[-1].requests <= plan.requests_most
            assert {report.error for report in nights} == {None}
            async with here.database() as connection:
                codes |= set(await connection.fetchval(_CODES, nights[0].run_id) or ())
            for report in nights[3:]:
                assert (
                    report.requests,
                    exit_code(report),
                    report.contacts["changed"],
                ) == (0, 0, 0)
        assert codes >= {"duplicate_match_key", "key_held"}


_OFFICES = """
UPDATE crm.contacts AS c SET phone = office.phone
FROM (SELECT state, chamber, min(phone) AS phone FROM crm.contacts GROUP BY state, chamber) AS office
WHERE (c.state, c.chamber) = (office.state, office.chamber)
"""
"""Everybody of a state and a chamber shares an office, whose phone changes when its first member leaves."""
_CODES = (
    "SELECT array_agg(DISTINCT code) FROM syncengine.sync_outcome WHERE run_id = $1"
)


def _matched_by_phone(here: World) -> World:
    """Configure the same with contacts that are matched by phone alone."""
    file = here.file.parent / "destinations" / "respond_io.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("match_on: [crm_id]", "match_on: [phone]"), encoding="utf-8"
    )
    return replace(here, config=load_config(here.file, here.environ))
