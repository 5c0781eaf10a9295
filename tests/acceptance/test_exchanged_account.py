"""A destination that points at another account starts anew there.

No id and no value of the former account is believed.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import CHARLES, DM_CHAMP, RESPOND_IO, People, people

NAME = "crm"
BLIND = {**RESPOND_IO, "find_first": False, "match_on": ["phone"]}
"""New contacts are not looked up."""
TWINS = ("respond_io", "dm_champ", "second=respond_io")
SECOND = {
    "base_url": "${SECOND_URL}",
    "token": "${RESPOND_IO_TOKEN}",
    "settles_within": "100ms",
}
OTHER_KEY = {
    "base_url": "${RESPOND_IO_URL}",
    "token": "${OTHER_TOKEN}",
    "settles_within": "100ms",
}
CHANGES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "vendor": (
        {
            **DM_CHAMP,
            "settings": {**DM_CHAMP["settings"], "look_up_phones": "as_sent"},
            "find_first": False,
            "fields": {"phoneNumber": "phone", "firstName": "name"},
        },
        "dm_champ",
        ("vendor", "base_url"),
    ),
    "base_url": ({**BLIND, "settings": SECOND}, "second", ("base_url",)),
    "account": (
        {**BLIND, "settings": SECOND, "account": "other"},
        "second",
        ("account", "base_url"),
    ),
}


def _seed(here: People, twin: str, ids: range) -> None:
    """Create contacts with these phones at the vendor before we come."""
    phone = "phoneNumber" if twin == "dm_champ" else "phone"
    known = [
        Seed({phone: f"+49151{number:07}", "firstName": "Theirs"}, ("theirs",))
        for number in ids
    ]
    here.sandbox.twin(twin).seed(known, 0.0)


def _phones(here: People, twin: str) -> list[str]:
    fields: list[Any] = [contact["fields"] for contact in here.sandbox.contacts(twin)]
    return sorted(each.get("phone") or each["phoneNumber"] for each in fields)


async def _ids(here: People) -> dict[str, str]:
    rows = await here.source.fetch(
        "SELECT contact_id, external_id FROM syncengine.external_ids"
    )
    return {row["contact_id"]: row["external_id"] for row in rows}


@pytest.mark.asyncio
@pytest.mark.parametrize("change", CHANGES)
async def test_another_account_is_started_anew_once_it_is_accepted(
    database: str, tmp_path: Path, change: str
) -> None:
    keys, twin, words = CHANGES[change]
    async with people(database, tmp_path, {NAME: BLIND}, TWINS) as here:
        await here.add(range(1, 9))
        await here.run(NAME)
        await here.remove([8])
        await here.run(NAME)
        await app.suppress(here.config, app.named(["7"], [], []))
        await here.change(7, name="Changed")
        assert (await here.run(NAME)).contacts["suppressed"] == 1
        here.accepts_empty = False
        former, before = await _ids(here), here.requests("respond_io")
        _seed(here, twin, range(1, 4))
        here.configure(NAME, **keys)
        for verb in ("check", "plan", "run"):
            code, said = await here.command(verb)
            asked = " ".join(f"--accept {word}" for word in sorted(words))
            assert code == 2
            assert f"syncengine run -d {NAME} {asked}` starts anew there" in " ".join(
                said.split()
            )
        assert await _ids(here) == former, "nothing is dropped unasked"

        accept = frozenset(words)
        sent = here.requests(twin)
        plan = await here.plan(NAME, accept=accept)
        assert (here.requests(twin), await _ids(here)) == (sent, former), (
            "a plan sends and drops nothing"
        )
        assert (plan.actions, plan.look_ups >= 6) == ({"create": 6}, True)
        report = await here.run(NAME, accept=accept)
        assert (report.status, exit_code(report)) == ("done", 0), report.error
        assert (report.actions.get("create"), report.contacts["applied"]) == (3, 6)
        assert here.requests("respond_io") == before, "the former account is left alone"
        assert _phones(here, twin) == [
            f"+49151{number:07}" for number in range(1, 7)
        ], "nobody twice, 7 not at all"
        now = await _ids(here)
        assert now.keys() == {str(number) for number in range(1, 7)}
        assert (await here.run(NAME)).requests == 0

        await here.add([9])
        report = await here.run(NAME)
        assert (report.actions, report.requests <= 2) == ({"create": 1}, True), (
            "the file decides again"
        )


@pytest.mark.asyncio
async def test_whoever_is_killed_while_it_starts_anew_goes_on_looking_up(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BLIND}, TWINS) as here:
        here.configure_engine(lease_ttl="1s")
        await here.add(range(1, 31))
        await here.run(NAME)
        _seed(here, "second", range(1, 31))
        here.configure(NAME, settings=SECOND, in_flight=2)
        here.fail("second", Rule(FaultKind.HOLD_BEFORE_COMMIT, after=9, times=1))
        command = here.start("run", "--accept", "base_url")
        holds = here.sandbox.holds("second")
        assert await command.comes_to(holds.wait_for(1)), command.said()
        os.kill(command.pid, signal.SIGKILL)
        assert await command.ended() == -signal.SIGKILL
        holds.release()
        here.heal("second")
        await here.source.execute(
            "UPDATE syncengine.sync_lease "
            "SET expires_at = clock_timestamp() - interval '1 hour'"
        )
        report = await here.run(NAME)
        assert (report.status, report.actions.get("create", 0)) == ("done", 0), (
            report.error
        )
        assert len(_phones(here, "second")) == 30, (
            "whom the account held already was found, not created"
        )
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_until_everybody_is_in_step_everybody_is_looked_up(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BLIND}, TWINS) as here:
        await here.add(range(1, 9))
        await here.run(NAME)
        _seed(here, "second", range(1, 9))
        here.configure(NAME, settings=SECOND)
        assert (await here.run(NAME, limit=2, accept=frozenset({"base_url"}))).contacts[
            "applied"
        ] == 2
        assert (await here.run(NAME, contacts=("5",))).contacts["applied"] == 1
        plan = await here.plan(NAME)
        assert plan.look_ups >= 5
        assert (await here.run(NAME)).contacts["applied"] == 5
        assert len(_phones(here, "second")) == 8


@pytest.mark.asyncio
async def test_an_account_with_other_credentials_is_another_one_unless_said_otherwise(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}, TWINS) as here:
        here.environ["OTHER_TOKEN"] = "another-workspace"
        await here.add(range(1, 4))
        await here.run(NAME)
        former = await _ids(here)
        here.sandbox.twin("respond_io").configure(
            {"tokens": ["sandbox-token", "another-workspace"]}
        )
        here.configure(NAME, account="other", settings=OTHER_KEY)
        refused = await here.run(NAME)
        said = str(refused.error)
        assert "`syncengine run -d crm --accept account` starts anew there" in said
        assert "`syncengine run -d crm --accept same_account` keeps them" in said
        sent = here.requests("respond_io")
        report = await here.run(NAME, accept=frozenset({"same_account"}))
        assert (report.status, report.requests, here.requests("respond_io")) == (
            "done",
            0,
            sent,
        )
        assert await _ids(here) == former

        here.configure(NAME, account="third", settings=RESPOND_IO["settings"])
        report = await here.run(NAME, accept=frozenset({"account"}))
        assert (report.status, report.requests) == ("done", 3), (
            "everybody was looked up"
        )
        assert await _ids(here) == former, "and found as it is"


@pytest.mark.asyncio
async def test_the_same_account_at_another_address_keeps_what_is_known(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}, TWINS) as here:
        await here.add(range(1, 4))
        await here.run(NAME)
        former = await _ids(here)
        here.environ["RESPOND_IO_URL"] = here.environ["RESPOND_IO_URL"].replace(
            "127.0.0.1", "localhost"
        )
        assert (await here.run(NAME)).status == "refused"
        report = await here.run(NAME, accept=frozenset({"same_account"}))
        assert (report.status, report.requests, await _ids(here)) == ("done", 0, former)


@pytest.mark.asyncio
async def test_an_erasure_under_way_at_the_former_account_is_handed_to_a_person(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: CHARLES}, ("charles", "respond_io")
    ) as here:
        await here.add([1])
        await here.run(NAME)
        external_id = (await _ids(here))["1"]
        right, here.environ["CHARLES_KEY"] = here.environ["CHARLES_KEY"], "mistyped-key"
        (receipt,) = await app.forget(here.config, "1")
        assert receipt.status == "open"
        here.environ["CHARLES_KEY"] = right
        here.configure(NAME, **RESPOND_IO)
        report = await here.run(
            NAME, accept=frozenset({"vendor", "base_url", "settings"})
        )
        assert report.status == "done", report.error
        row = await here.one("SELECT status, to_ask FROM syncengine.sync_erasure")
        assert (row["status"], external_id in row["to_ask"]) == ("impossible", True)
        assert here.held("respond_io") == {}


@pytest.mark.asyncio
async def test_an_exchanged_account_is_started_anew_by_all_of_its_destinations(
    database: str, tmp_path: Path
) -> None:
    both = {
        name: {**RESPOND_IO, "account": "old", "where": where}
        for name, where in (("a", "id <= 2"), ("b", "id > 2"))
    }
    async with people(database, tmp_path, both, TWINS) as here:
        here.environ["OTHER_TOKEN"] = "another-workspace"
        await here.add(range(1, 6))
        await here.runs()
        here.sandbox.twin("respond_io").configure({"tokens": ["another-workspace"]})
        for name in both:
            here.configure(name, account="new", settings=OTHER_KEY)
        first = await here.run("a", accept=frozenset({"account"}))
        second = await here.run("b")
        assert (first.status, first.actions, first.requests) == (
            "done",
            {"create": 2},
            4,
        ), first.error
        assert (second.status, second.actions, second.requests) == (
            "done",
            {"create": 3},
            6,
        ), "accepted for both"
