"""Values that a vendor drops although it answers with a success.

One contact is sent with them each night, and all are once the vendor takes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.reports import RunReport
from syncengine.model.work import Standing
from tests.support.people_project import CHARLES, CHARTMOGUL, People, people, refusing

FIELDS = {"charles": "custom_properties.plan", "chartmogul": "custom.plan"}
CITIES = {"charles": "custom_properties.city", "chartmogul": "custom.city"}
VENDORS = {"charles": CHARLES, "chartmogul": CHARTMOGUL}
every_vendor = pytest.mark.parametrize("name", VENDORS)


def bare(field: str) -> str:
    """Return the name by which a property is defined at the vendor's screen."""
    return field.partition(".")[2]


def not_taken(field: str) -> str:
    """Return the message on a field that the vendor did not take."""
    return (
        f'the vendor did not take field "{field}": '
        "define it there, or take it out of the mapping"
    )


def mapped(name: str, *, cities: bool = False) -> dict[str, Any]:
    base = VENDORS[name]
    fields = {
        **base["fields"],
        FIELDS[name]: "company",
        **({CITIES[name]: "city"} if cities else {}),
    }
    fields.pop("customer_uuid", None)
    if name == "chartmogul":
        fields["customer_uuid"] = base["fields"]["customer_uuid"] | {"from": "customer"}
    return {**base, "fields": fields}


async def prepared(here: People) -> None:
    await here.source.execute("ALTER TABLE crm.people ADD city text, ADD customer text")
    await here.add(range(1, 7), company="gold", city="Rome")


async def night(here: People, name: str, **options: Any) -> RunReport:
    """Run, and check that as many requests are sent as the plan says."""
    plan = await here.plan(name, **options)
    before = here.requests(name)
    report = await here.run(name, **options)
    assert (here.requests(name) - before, report.requests) == (
        plan.requests,
        plan.requests,
    )
    assert report.probes == plan.probes
    return report


async def shown(here: People, name: str, field: str) -> dict[int, Any]:
    return {
        number: contact["fields"].get(field)
        for number, contact in here.held(name).items()
    }


@pytest.mark.asyncio
@every_vendor
async def test_one_is_tried_each_night_and_all_follow(
    database: str, tmp_path: Path, name: str
) -> None:
    async with people(database, tmp_path, {name: mapped(name)}, twins=[name]) as here:
        await prepared(here)
        assert (await here.run(name)).contacts["applied"] == 6
        screen = here.sandbox.twin(name).screen(0.0)
        screen.undefine_field(FIELDS[name])
        for number in (1, 2, 3):
            await here.change(number, company="silver", name="Changed")
        report = await here.run(name)
        assert (
            exit_code(report),
            report.contacts["unsupported"],
            report.contacts["applied"],
        ) == (0, 3, 0)
        assert [(each.contact_id, each.message) for each in report.noteworthy] == [
            (str(number), not_taken(FIELDS[name])) for number in (1, 2, 3)
        ]
        told = (
            "3 contacts, such as contact 3, are in step except for field "
            f'"{FIELDS[name]}": {not_taken(FIELDS[name])}. '
            "One of them is tried each night, and all once the vendor takes it"
        )
        assert report.remarks == (told.replace("contact 3", "contact 1"),)
        tried: list[int] = []
        for _ in range(4):
            report = await night(here, name)
            assert (
                exit_code(report),
                report.status,
                report.probes,
                report.requests,
            ) == (0, "done", 1, 1)
            assert not any(report.contacts.values())
            assert report.standing == {Standing.UNSUPPORTED: 3}
            one = len(tried) % 3 + 1
            assert report.remarks == (told.replace("contact 3", f"contact {one}"),)
            assert (await here.plan(name)).remarks == report.remarks
            outcomes = await here.outcomes(report.run_id)
            tried += [
                number for number, row in outcomes.items() if row["outcome"] == "probed"
            ]
        assert tried == [1, 2, 3, 1], "the one that was tried longest ago"
        states = await here.states(name)
        assert {states[number]["status"] for number in (1, 2, 3)} == {"synced"}

        here.fail(name, *(refusing(number, "not now") for number in (1, 2, 3)))
        report = await here.run(name)
        assert (exit_code(report), report.probes, report.standing) == (
            0,
            1,
            {Standing.UNSUPPORTED: 3},
        )
        here.heal(name)

        screen.define("field", bare(FIELDS[name]))
        report = await here.run(name)
        assert (
            exit_code(report),
            report.probes,
            report.contacts["applied"],
            report.standing,
        ) == (0, 1, 3, {})
        held = await shown(here, name, FIELDS[name])
        assert {number: held[number] for number in (1, 2, 3)} == dict.fromkeys(
            (1, 2, 3), "silver"
        )
        report = await night(here, name)
        assert (report.requests, report.probes) == (0, 0)


@pytest.mark.asyncio
@every_vendor
async def test_what_is_still_not_taken_is_a_group_of_its_own(
    database: str, tmp_path: Path, name: str
) -> None:
    async with people(
        database, tmp_path, {name: mapped(name, cities=True)}, twins=[name]
    ) as here:
        await prepared(here)
        screen = here.sandbox.twin(name).screen(0.0)
        for field in (FIELDS[name], CITIES[name]):
            screen.define("field", bare(field))
            screen.undefine_field(field)
        report = await here.run(name)
        assert (exit_code(report), report.standing) == (0, {Standing.UNSUPPORTED: 6})
        assert (await night(here, name)).probes == 1

        screen.define("field", bare(FIELDS[name]))
        report = await here.run(name)
        assert (exit_code(report), report.standing) == (0, {Standing.UNSUPPORTED: 6})
        assert set((await shown(here, name, FIELDS[name])).values()) == {"gold"}
        assert (await night(here, name)).probes == 1

        screen.define("field", bare(CITIES[name]))
        report = await here.run(name)
        assert (exit_code(report), report.standing) == (0, {})
        assert set((await shown(here, name, CITIES[name])).values()) == {"Rome"}
        assert (await night(here, name)).requests == 0


@pytest.mark.asyncio
async def test_a_changed_row_is_tried_by_itself(database: str, tmp_path: Path) -> None:
    name = "charles"
    async with people(database, tmp_path, {name: mapped(name)}, twins=[name]) as here:
        await prepared(here)
        here.sandbox.twin(name).screen(0.0).define("field", bare(FIELDS[name]))
        here.sandbox.twin(name).screen(0.0).undefine_field(FIELDS[name])
        await here.run(name)
        await here.source.execute("UPDATE crm.people SET company = NULL")
        report = await here.run(name)
        assert (exit_code(report), report.probes, report.requests, report.standing) == (
            0,
            0,
            0,
            {},
        )
        assert (await night(here, name)).requests == 0


@pytest.mark.asyncio
async def test_a_brake_leaves_those_that_would_follow_as_they_were(
    database: str, tmp_path: Path
) -> None:
    name = "charles"
    async with people(database, tmp_path, {name: CHARLES}, twins=[name]) as here:
        here.configure_engine(batch_size=40)
        await here.add(range(1, 62), tags=["vip"])
        twin = here.sandbox.twin(name)
        twin.configure({"unknown_tag": "drop"})
        screen = twin.screen(0.0)
        screen.undefine_tag("vip")
        report = await here.run(name)
        assert (exit_code(report), report.standing) == (0, {Standing.UNSUPPORTED: 61})
        screen.define("tag", "vip")

        report = await here.run(name)
        assert (exit_code(report), report.requests, report.standing) == (
            0,
            1,
            {Standing.UNSUPPORTED: 60},
        )
        assert any("--accept tags" in remark for remark in report.remarks)
        states = await here.states(name)
        assert {state["status"] for state in states.values()} == {"synced"}
        assert all(state["source_hash"] is not None for state in states.values())

        report = await here.run(name, accept=frozenset({"tags"}))
        assert (exit_code(report), report.requests, report.standing) == (0, 60, {})
        assert all(
            contact["tags"] == ["vip"] for contact in here.sandbox.contacts(name)
        )
        assert (await night(here, name)).requests == 0
