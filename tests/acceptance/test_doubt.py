"""Outcomes that stay unknown after a lost answer are not forgotten.

Not even when the row changes or goes meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.model.consent import Subject, SubjectKind, of_phone
from syncengine.model.erasure import Erased
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import until
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

N, C = "respond_io", "charles"
_ONLY = {N: {**RESPOND_IO, "on_removed": "untag"}}
_LOST_CREATE = (
    Rule(FaultKind.RESET, method="POST", when="after", times=1),
    Rule(FaultKind.ERROR_HTML, method="GET", after=3),
)
"""A create is carried out, its answer is lost, and the look-ups behind it fail."""


async def _lose(here: People, *faults: Rule, destination: str = N) -> None:
    here.fail(destination, *faults)
    assert (await here.run(destination)).contacts["unknown"] == 1
    here.heal(destination)


def _fields(here: People, contact: int) -> Any:
    return here.held(N)[contact]["fields"]


@pytest.mark.asyncio
async def test_an_unknown_value_that_nobody_asks_for_is_not_taken_for_the_old_one(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        await here.add([1])
        await here.run(N)
        await here.change(1, name="Wrong")
        await _lose(here, Rule(FaultKind.RESET, method="PUT", when="after"))
        await here.change(1, name=None)
        assert (await here.run(N)).requests == 0, "on_null: skip"
        (verified,) = await app.verify(here.config, (N,))
        assert (verified.compared, verified.drifted, verified.in_doubt) == (1, 0, 0), (
            "the rest of it is compared"
        )
        await here.change(1, name="Name 1")
        assert (await here.run(N)).requests == 1
        assert _fields(here, 1)["firstName"] == "Name 1"


@pytest.mark.asyncio
async def test_a_suppression_by_a_phone_that_only_a_lost_create_carried_holds(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        here.configure(N, match_on=["phone"])
        await here.add([1])
        await _lose(here, *_LOST_CREATE)
        await app.suppress(here.config, of_phone(_fields(here, 1)["phone"], ()))
        await here.change(1, phone="+4915199999999")
        report = await here.run(N)
        assert (report.requests, report.contacts["suppressed"]) == (0, 1)


@pytest.mark.asyncio
async def test_a_contact_removed_while_suppressed_is_untagged_once_that_is_lifted(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        await here.add([1, 2], tags=["vip"])
        await here.run(N)
        subject = Subject(SubjectKind.CONTACT, "1")
        await app.suppress(here.config, [subject])
        await here.remove([1])
        assert (await here.run(N, accept=frozenset({"removals"}))).requests == 0
        assert here.held(N)[1]["tags"] == ["vip"]
        await app.lift(here.config, [subject])
        assert (await here.run(N, accept=frozenset({"removals"}))).requests == 1
        assert here.held(N)[1]["tags"] == []
        assert (await here.run(N)).requests == 0


@pytest.mark.asyncio
async def test_forget_names_the_vendor_contact_that_it_had_to_look_up(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        await here.add([1])
        await _lose(here, *_LOST_CREATE)
        external_id = here.held(N)[1]["id"]
        (receipt,) = await app.forget(here.config, "1")
        assert receipt.status is Erased.IMPOSSIBLE
        assert f"ask them to delete contact {external_id}" in receipt.message


@pytest.mark.asyncio
async def test_forget_erases_a_contact_removed_after_a_lost_upsert(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {C: CHARLES}) as here:
        await here.add([1, 2])
        await here.run(C, contacts=("2",))
        await _lose(
            here, Rule(FaultKind.RESET, method="PUT", when="after"), destination=C
        )
        await here.remove([1])
        await here.run(C)
        (receipt,) = await app.forget(here.config, "1")
        assert receipt.status is Erased.SCHEDULED
        await until(lambda: here.held(C).keys() == {2})


@pytest.mark.asyncio
async def test_a_corrected_reference_after_a_lost_upsert_makes_no_second_person(
    database: str, tmp_path: Path
) -> None:
    fields = {**CHARLES["fields"], "external_reference_id": "company"}
    charles = {**CHARLES, "fields": fields, "match_on": ["external_reference_id"]}
    async with people(database, tmp_path, {C: charles}) as here:
        await here.add([1], company="71")
        await _lose(
            here, Rule(FaultKind.RESET, method="PUT", when="after"), destination=C
        )
        await here.change(1, company="72")
        assert (await here.run(C)).contacts["unsupported"] == 1
        assert here.held(C).keys() == {71}


@pytest.mark.asyncio
async def test_a_renamed_account_keeps_its_judgement_of_match_keys(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        here.configure(N, match_on=["phone"])
        await here.add([1, 2], phone="+49151777")
        here.fail(N, Rule(FaultKind.ERROR_HTML, method="POST", status=503))
        await here.run(N)
        here.heal(N)
        here.configure(N, account="another")
        report = await here.run(N, accept=frozenset({"account"}))
        assert (report.contacts["applied"], report.contacts["rejected"]) == (1, 1)
        assert len(here.sandbox.contacts(N)) == 1
