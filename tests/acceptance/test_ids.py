"""An answer may name another contact than the one that was meant.

No contact of ours is linked to somebody else's by it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.work import Standing
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed, TwinRequest
from tests.support.people_project import CHARLES, CHARTMOGUL, RESPOND_IO, People, people

_VENDORS: dict[str, tuple[dict[str, Any], str]] = {
    "charles": (CHARLES, "charles"),
    "chartmogul": (CHARTMOGUL, "chartmogul"),
    "respond_io": (RESPOND_IO, "respond_io"),
}
_EVERYBODY = range(1, 5)


async def _ids(here: People, name: str) -> dict[int, str | None]:
    return {
        number: state["external_id"]
        for number, state in (await here.states(name)).items()
    }


def _true_ids(here: People, name: str) -> dict[int, str]:
    return {number: str(contact["id"]) for number, contact in here.held(name).items()}


def _misnames(method: str, path: str = "") -> Rule:
    return Rule(FaultKind.OTHER_ID, method=method, path=path)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "method"),
    [("charles", "PUT"), ("chartmogul", "PATCH"), ("respond_io", "PUT")],
)
async def test_an_update_that_is_answered_for_somebody_else_moves_nobody(
    database: str, tmp_path: Path, name: str, method: str
) -> None:
    keys, twin = _VENDORS[name]
    async with people(database, tmp_path, {name: keys}, (twin,)) as here:
        await here.add(_EVERYBODY)
        await here.run(name)
        true = _true_ids(here, name)
        for number in _EVERYBODY:
            await here.change(number, name=f"Newer {number}")
        here.fail(name, _misnames(method))
        report = await here.run(name)
        assert await _ids(here, name) == true
        if name == "respond_io":  # its own documentation answers so: it says nothing
            assert (exit_code(report), report.contacts["applied"]) == (
                0,
                len(_EVERYBODY),
            )
        else:
            assert exit_code(report) == 1
            assert report.contacts["applied"] == 0

        here.heal(name)
        await here.run(name)
        await here.run(name)
        assert await _ids(here, name) == true
        assert _true_ids(here, name) == true
        assert (await here.run(name)).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "method"),
    [("charles", "PUT"), ("chartmogul", "POST"), ("respond_io", "POST")],
)
async def test_creates_that_are_answered_with_an_owned_id_give_it_to_nobody_else(
    database: str, tmp_path: Path, name: str, method: str
) -> None:
    keys, twin = _VENDORS[name]
    async with people(
        database, tmp_path, {name: {**keys, "in_flight": 1}}, (twin,)
    ) as here:
        await here.add([1])
        await here.run(name)
        await here.add([2, 3, 4])
        here.fail(name, _misnames(method))
        report = await here.run(name)
        assert exit_code(report) == 1
        owned = [each for each in (await _ids(here, name)).values() if each is not None]
        assert len(owned) == len(set(owned)), "two contacts own one vendor contact"

        here.heal(name)
        reports = [await here.run(name) for _ in range(3)]
        if (
            name == "charles"
        ):  # their keys seem to lead to contact 1, and each further try might write over it
            assert [
                (each.requests, (each.standing or {}).get(Standing.DEAD_LETTER))
                for each in reports[1:]
            ] == [(0, 3)] * 2
            assert (await here.run(name, contacts=("2", "3", "4"))).contacts[
                "applied"
            ] == 3
        assert await _ids(here, name) == _true_ids(here, name), (
            "nobody is there twice, and each owns its own"
        )


@pytest.mark.asyncio
async def test_a_merged_contact_is_followed_if_nobody_else_owns_the_remaining_one(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"chartmogul": CHARTMOGUL}, ("chartmogul",)
    ) as here:
        await here.add([1])
        await here.run("chartmogul")
        twin, (loser,) = (
            here.sandbox.twin("chartmogul"),
            (await _ids(here, "chartmogul")).values(),
        )
        twin.configure({"merged_id": "survivor"})
        (winner,) = twin.seed([_copy_of(here)], 0.0)
        twin.commit(TwinRequest("POST", f"/v1/contacts/{winner}/merge/{loser}"), 0.0)
        await here.change(1, name="Newer")
        report = await here.run("chartmogul")
        assert exit_code(report) == 0, report.noteworthy
        assert await _ids(here, "chartmogul") == {1: winner}
        held: dict[str, Any] = {
            str(each["id"]): each["fields"]
            for each in here.sandbox.contacts("chartmogul")
        }
        assert held[winner]["first_name"] == "Newer"
        assert held[winner]["phone"] == "+491510000001"
        assert (await here.run("chartmogul")).requests == 0


@pytest.mark.asyncio
async def test_two_contacts_of_one_key_are_not_taken_for_merged_while_both_are_there(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"chartmogul": CHARTMOGUL}, ("chartmogul",)
    ) as here:
        await here.add([1])
        await here.run("chartmogul")
        true = await _ids(here, "chartmogul")
        here.sandbox.twin("chartmogul").seed([_copy_of(here)], 0.0)
        await here.change(1, name="Newer")
        here.fail("chartmogul", _misnames("PATCH"))
        assert exit_code(await here.run("chartmogul")) == 1
        assert await _ids(here, "chartmogul") == true
        here.heal("chartmogul")
        assert exit_code(await here.run("chartmogul")) == 0
        assert await _ids(here, "chartmogul") == true


def _copy_of(here: People) -> Seed:
    """Create a second contact of the same person, with little but its match key."""
    (contact,) = here.sandbox.contacts("chartmogul")
    fields: Any = contact["fields"]
    kept = ("external_id", "customer_uuid", "data_source_uuid")
    return Seed({name: fields[name] for name in kept if fields.get(name) is not None})
