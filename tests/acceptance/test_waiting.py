"""A contact waits for a match key that another contact cannot give up.

It is judged, costs no requests, and is tried once the key is free.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.reports import RunReport
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
BY_PHONE: dict[str, Any] = {
    **RESPOND_IO,
    "match_on": ["phone"],
    "fields": {
        **RESPOND_IO["fields"],
        "phone": {"from": "phone", "as": "e164", "region": "DE"},
    },
    "opted_out": "silent",
}
BY_BOTH = {**BY_PHONE, "match_on": ["crm_id", "phone"]}
Act = Callable[[People], Awaitable[object]]


def phone(number: int) -> str:
    return f"+49151{number:07}"


NEW_PHONE = Subject(SubjectKind.PHONE, phone(9).removeprefix("+"))


async def moves_away(here: People) -> None:
    await here.change(1, phone=phone(9))


async def is_mended(here: People) -> None:
    here.heal(NAME)
    await here.change(1, name="Name one")


async def is_refused(here: People) -> None:
    here.fail(NAME, Rule(FaultKind.REFUSE, body=phone(9), status=422, text="Nope"))
    await moves_away(here)


async def is_suppressed(here: People) -> None:
    """Suppress contact 1 by the phone it moves to.

    Suppressed by its id, whoever asks for its old phone would count as the same person.
    """
    await app.suppress(here.config, [NEW_PHONE])
    await moves_away(here)


async def opts_out(here: People) -> None:
    await here.change(1, silent=True)
    await moves_away(here)


STUCK: dict[str, tuple[Act, str, Act]] = {
    "has the key of another": (
        lambda here: here.change(1, phone=phone(2)),
        (
            "was rejected (duplicate_match_key), because contact respond_io/2 has the "
            "match key it asks for; "
            "contact respond_io/2 is in step with its row as far as is known here"
        ),
        moves_away,
    ),
    "has a bad value": (
        lambda here: here.change(1, phone="call me"),
        "was rejected (invalid_value)",
        moves_away,
    ),
    "is refused by the vendor": (is_refused, "was rejected (http_422)", is_mended),
    "is suppressed": (
        is_suppressed,
        "is left alone (suppressed)",
        lambda here: app.lift(here.config, [NEW_PHONE]),
    ),
    "opts out": (
        opts_out,
        "is left alone (opted_out)",
        lambda here: here.change(1, silent=False),
    ),
}
"""Reasons that keep contact 1 at its old match key, their messages, and their ends."""


async def _begun(here: People) -> None:
    """Sync contacts 1 and 2, and give contact 1 another key."""
    await here.source.execute("ALTER TABLE crm.people ADD silent boolean")
    await here.add([1, 2])
    assert exit_code(await here.run(NAME)) == 0


async def _nights(here: People) -> list[RunReport]:
    """Run five nights over an unchanged source; the last ones are all alike."""
    reports = [await here.run(NAME) for _ in range(5)]
    for report in reports[3:]:
        assert (report.requests, exit_code(report), report.contacts["deferred"]) == (
            0,
            0,
            0,
        )
        assert report.standing == reports[3].standing
    return reports


async def _phones(here: People) -> dict[int, object]:
    return {
        number: contact["fields"]["phone"]
        for number, contact in here.held(NAME).items()
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "ways"),
    [*((kind, BY_PHONE) for kind in STUCK), ("has the key of another", BY_BOTH)],
    ids=[*STUCK, "has one of two keys of another"],
)
async def test_who_waits_for_one_that_cannot_move_is_refused_until_it_does(
    database: str, tmp_path: Path, kind: str, ways: dict[str, Any]
) -> None:
    gets_stuck, told, lets_go = STUCK[kind]
    async with people(database, tmp_path, {NAME: ways}) as here:
        await _begun(here)
        await gets_stuck(here)
        await here.add([3])
        await here.change(3, phone=phone(1))

        first, second, *_ = await _nights(here)
        outcome = (await here.outcomes(first.run_id))[3]
        assert (outcome["outcome"], outcome["code"], exit_code(first)) == (
            "rejected",
            "key_held",
            1,
        )
        assert f"belongs to contact respond_io/1, which {told}. " in outcome["message"]
        assert "151" not in outcome["message"]
        assert 3 not in await here.outcomes(second.run_id)
        assert (
            "1 contact waits for the match key of another contact" in second.remarks[-1]
        )
        assert "contact 3 (waits for respond_io/1)" in second.remarks[-1]
        assert (await here.states(NAME))[3]["standing"] == "dead_letter"

        await lets_go(here)
        plan, report = await here.plan(NAME), await here.run(NAME)
        assert exit_code(report) == 0
        assert plan.requests_least <= report.requests <= plan.requests_most
        assert plan.contacts == report.contacts["changed"] == 2, (
            "who waits is planned with whom it waits for"
        )
        assert await _phones(here) == {1: phone(9), 2: phone(2), 3: phone(1)}
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["has a bad value", "is suppressed"])
async def test_who_leaves_lets_go(database: str, tmp_path: Path, kind: str) -> None:
    async with people(database, tmp_path, {NAME: BY_BOTH}) as here:
        await _begun(here)
        await STUCK[kind][0](here)
        await here.add([3])
        await here.change(3, phone=phone(1))
        await _nights(here)
        await here.remove([1])
        plan = await here.plan(NAME, accept=frozenset({"removals"}))
        report = await here.run(NAME, accept=frozenset({"removals"}))
        assert exit_code(report) == 0
        assert plan.requests_least <= report.requests <= plan.requests_most
        assert await _phones(here) == {2: phone(2), 3: phone(1)}
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_the_far_end_of_a_chain_moves(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await _begun(here)
        await here.change(1, phone=phone(2))
        await here.add([3, 4])
        await here.change(3, phone=phone(1))
        await here.change(4, phone=phone(1))
        first, *_ = await _nights(here)
        outcomes = await here.outcomes(first.run_id)
        assert {number: row["code"] for number, row in outcomes.items()} == {
            1: "duplicate_match_key",
            3: "key_held",
            4: "duplicate_match_key",
        }

        await here.change(2, phone=phone(8))
        report = await here.run(NAME)
        assert report.contacts["applied"] == 3
        assert await _phones(here) == {1: phone(2), 2: phone(8), 3: phone(1)}
        await here.change(3, phone=phone(7))
        assert exit_code(await here.run(NAME)) == 0
        assert await _phones(here) == {
            1: phone(2),
            2: phone(8),
            3: phone(7),
            4: phone(1),
        }


@pytest.mark.asyncio
async def test_an_owner_of_another_destination_moves(
    database: str, tmp_path: Path
) -> None:
    here_ways = {**BY_PHONE, "account": "shop", "where": "id > 1"}
    other_ways = {**BY_PHONE, "account": "shop", "where": "id <= 1"}
    async with people(
        database, tmp_path, {NAME: here_ways, "other": other_ways}
    ) as here:
        await here.source.execute("ALTER TABLE crm.people ADD silent boolean")
        await here.add([1, 2])
        await here.runs()
        await here.change(1, phone="call me")
        await here.runs("other")
        await here.add([3])
        await here.change(3, phone=phone(1))
        first, *_ = await _nights(here)
        outcome = (await here.outcomes(first.run_id))[3]
        assert (outcome["outcome"], outcome["code"]) == ("rejected", "key_held")
        assert (
            "contact other/1, which was rejected (invalid_value)" in outcome["message"]
        )

        await here.change(1, phone=phone(9))
        await here.runs("other")
        assert exit_code(await here.run(NAME)) == 0
        assert await _phones(here) == {1: phone(9), 2: phone(2), 3: phone(1)}


@pytest.mark.asyncio
async def test_a_run_about_some_contacts_brings_nobody_else_back(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await _begun(here)
        await here.change(1, phone="call me")
        await here.add([3])
        await here.change(3, phone=phone(1))
        await _nights(here)
        again = await here.run(NAME, contacts=("3",))
        assert (again.contacts["rejected"], again.noteworthy[0].code) == (1, "key_held")
        await moves_away(here)
        await here.run(NAME, contacts=("1",))
        assert await _phones(here) == {1: phone(9), 2: phone(2)}
        assert (await here.plan(NAME)).actions == {"create": 1}
        await here.run(NAME)
        assert await _phones(here) == {1: phone(9), 2: phone(2), 3: phone(1)}


@pytest.mark.asyncio
async def test_only_a_run_about_everybody_tries_those_again_whose_key_was_let_go(
    database: str, tmp_path: Path
) -> None:
    """Two destinations in one account.

    Contact 100 + N of the second one shares the phone of contact N of the first.
    """
    ways = {**RESPOND_IO, "match_on": ["phone"], "account": "one"}
    both = {"a": {**ways, "where": "id < 100"}, "b": {**ways, "where": "id >= 100"}}
    async with people(database, tmp_path, both) as here:
        await here.add([*range(1, 11), *range(101, 111)])
        await here.source.execute(
            "UPDATE crm.people SET phone = '+49151' || lpad((id % 100)::text, 7, '0')"
        )
        await here.run("a")
        assert [(await here.run("b")).contacts["rejected"] for _ in range(4)] == [
            10,
            10,
            10,
            0,
        ]
        await here.source.execute(
            "UPDATE crm.people SET phone = '+49152' || lpad(id::text, 7, '0') "
            "WHERE id < 100"
        )
        assert (await here.run("a")).contacts["applied"] == 10

        for number, asked, begun in (
            (190, {"contacts": ("190",)}, 1),
            (191, {"limit": 1}, 1),
            (192, {}, 11),
        ):
            await here.add([number])
            plan, report = await here.plan("b", **asked), await here.run("b", **asked)
            assert (
                report.status,
                report.contacts["changed"],
                report.contacts["applied"],
            ) == ("done", begun, begun)
            assert plan.contacts == begun
        sizes = (
            "SELECT max(cardinality(contact_ids)) FROM syncengine.sync_batch "
            "WHERE run_id = $1"
        )
        assert (await here.one(sizes, report.run_id))[0] == 4, (
            "those that come back keep to batch_size"
        )
        assert (await here.run("b")).requests == 0
