"""HubSpot: a mapping is checked against the account, then nights follow each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.people_project import HUBSPOT, People, people

NAME = "hubspot"


async def _in_step(here: People) -> dict[int, dict[str, Any]]:
    """Run; nothing may fall short, and a second run is silent. Return what is held."""
    report = await here.run(NAME, accept=frozenset({"removals"}))
    assert (report.contacts["rejected"], report.contacts["deferred"]) == (0, 0), report
    before = here.requests(NAME)
    await here.run(NAME)
    assert here.requests(NAME) == before, "the second night is not silent"
    return here.held(NAME)


@pytest.mark.asyncio
async def test_nights_end_in_step_whatever_people_do_there(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", {NAME: HUBSPOT}, (NAME,)) as here:
        await here.add(range(1, 9), company="Berlin")
        await here.change(1, tags=["vip", "new"])
        held = await _in_step(here)
        assert held.keys() == set(range(1, 9))
        assert set(held[1]["tags"]) == {"vip", "new"}
        # A person tags one contact, and merges a stranger into another.
        screen = here.sandbox.twin(NAME).screen(0.0)
        screen.tag(held[1]["id"], "theirs")
        stranger = screen.create({"firstname": "Somebody"})
        merged = screen.merge(held[4]["id"], stranger)
        assert merged != held[4]["id"], "a merge gives a new id"
        await here.change(4, company="Bremen")
        await here.change(1, tags=["vip"], name="Ilse")
        await here.change(2, company="Bonn")
        await here.remove([3])
        held = await _in_step(here)
        assert set(held[1]["tags"]) == {"vip", "theirs"}
        assert held[1]["fields"]["firstname"] == "Ilse"
        assert held[2]["fields"]["city"] == "Bonn"
        assert 3 not in held
        assert held[4]["id"] == merged
        assert held[4]["fields"]["city"] == "Bremen"
        assert (await here.states(NAME))[4]["external_id"] == merged


@pytest.mark.asyncio
async def test_check_names_what_does_not_fit_the_account(
    database: str, tmp_path: Path
) -> None:
    wrong = {
        **HUBSPOT,
        "settings": {**HUBSPOT["settings"], "unique_properties": ["plan", "email"]},
        "match_on": ["email"],
        "fields": {
            "email": "name",
            "citi": "company",
            "vip": {"from": "opted_in", "as": "date"},
            "createdate": "phone",
        },
    }
    async with people(
        database, tmp_path / "world", {NAME: HUBSPOT, "wrong": wrong}, (NAME,)
    ) as here:
        for name in (NAME, "wrong"):
            here.configure(name, account="crm")
        code, said = await here.command("check")
        assert code == 2
        assert (
            "failed (BAD above): where mapped fields do not fit, a run would go on"
        ) in said
        told = [
            line.replace(f"{here.file.parent}/", "")
            for line in said.splitlines()
            if ": fields: " in line
        ]
        place = "BAD  wrong: fields: destinations/wrong.yaml"
        assert told == [
            "ok   hubspot: fields: the account has every mapped field, in a fitting type",
            (
                f'{place}: fields.citi: HubSpot has no property "citi" for contacts: '
                'create it there, or correct the name; did you mean "city"?'
            ),
            (
                f'{place}: fields.vip.as: the property "vip" is of the type bool, which '
                "does not take as: date; choose another form, or another property"
            ),
            (
                f'{place}: fields.createdate: the property "createdate" is read-only in '
                "HubSpot: leave it out"
            ),
            (
                f'{place}: settings.unique_properties: the property "plan" is not '
                "defined as unique in HubSpot, which cannot be changed later: create "
                "another one that requires unique values"
            ),
        ]
