"""An opt-out read at the vendor outlives the contact there.

The contact is created again with it, and never without.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from tests.support.people_project import DM_CHAMP, RESPOND_IO, People, people

FIELD = {"dm_champ": "do_not_disturb", "respond_io": "newsletter"}
NO = {"dm_champ": True, "respond_io": False}
NEWSLETTER = {"from": "company", "as": "boolean", "default": True}
MAPPED = {"dm_champ": {**NEWSLETTER, "default": False}, "respond_io": NEWSLETTER}
PLAIN = {
    "dm_champ": {
        **DM_CHAMP,
        "fields": {"phoneNumber": "phone", "firstName": "name", "externalId": "id"},
    },
    "respond_io": {
        **RESPOND_IO,
        "settings": {**RESPOND_IO["settings"], "opt_outs": {"newsletter": False}},
    },
}
every_vendor = pytest.mark.parametrize("name", sorted(FIELD))


@asynccontextmanager
async def opted_out(
    dsn: str, folder: Path, name: str, *, mapped: bool, **keys: Any
) -> AsyncIterator[People]:
    """Sync three people, the first of whom then opts out at the vendor."""
    plain = PLAIN[name]
    fields = dict(plain["fields"])
    if mapped:
        fields[FIELD[name]] = MAPPED[name]
    async with people(
        dsn, folder, {name: {**plain, "fields": fields, **keys}}, twins=[name]
    ) as here:
        await here.add([1, 2, 3])
        await here.run(name)
        screen = here.sandbox.twin(name).screen(0.0)
        external_id = (await here.states(name))[1]["external_id"]
        if name == "dm_champ":
            screen.opt_out(external_id)
        else:
            screen.edit(external_id, {"newsletter": False})
        yield here


async def verified(here: People, name: str) -> None:
    for _ in range(2):
        (report,) = await app.verify(here.config, (name,))
        assert report.compared == 3
        assert report.found.get("opted_out", 0) == int(
            FIELD[name] in here.destinations[name]["fields"]
        )


async def shown(here: People, name: str) -> None:
    await app.show(here.config, (name,), "1")


async def resynced(here: People, name: str) -> None:
    await verified(here, name)
    await here.run(name, resync=True)


async def lose(here: People, name: str) -> None:
    """Delete the contact at the vendor, and change its row."""
    here.sandbox.twin(name).screen(0.0).delete(
        (await here.states(name))[1]["external_id"]
    )
    await here.change(1, name="New")


def is_opted_out(here: People, name: str) -> bool:
    value = here.held(name)[1]["fields"].get(FIELD[name])
    return str(value).lower() == str(NO[name]).lower()


@pytest.mark.parametrize(
    ("name", "mapped"), [("dm_champ", True), ("dm_champ", False), ("respond_io", True)]
)
@pytest.mark.parametrize("look", [verified, shown, resynced])
@pytest.mark.asyncio
async def test_who_is_created_again_has_opted_out_still(
    database: str,
    tmp_path: Path,
    name: str,
    look: Callable[[People, str], Awaitable[None]],
    mapped: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with opted_out(database, tmp_path, name, mapped=mapped) as here:
        await look(here, name)
        await lose(here, name)
        assert (await here.run(name)).public()["standing"]["gone"] == 1
        report = await here.run(name, contacts=("1",))
        assert is_opted_out(here, name)
        assert here.held(name)[1]["fields"]["firstName"] == "New"
        outcome = (await here.outcomes(report.run_id))[1]
        lowered = [["lower_opt_out", FIELD[name]]] if mapped else []
        assert json.loads(outcome["unsupported"] or "[]") == lowered


@every_vendor
@pytest.mark.asyncio
async def test_every_way_of_creating_again_keeps_it(
    database: str, tmp_path: Path, name: str
) -> None:
    brakes = {"gone": {"share": 1.0, "at_least": 1}}
    async with opted_out(
        database, tmp_path, name, mapped=True, on_gone="recreate", brakes=brakes
    ) as here:
        await verified(here, name)
        await lose(here, name)
        await here.run(name)
        assert is_opted_out(here, name), "on_gone: recreate"
        await lose(here, name)
        await here.change(1, name="Newer")
        await app.verify(here.config, (name,), repair=True, recreate=True)
        await here.run(name)
        assert is_opted_out(here, name), "verify --repair --recreate"


@pytest.mark.asyncio
async def test_one_that_was_taken_back_there_is_forgotten(
    database: str, tmp_path: Path
) -> None:
    name = "dm_champ"
    async with opted_out(database, tmp_path, name, mapped=True) as here:
        await verified(here, name)
        external_id = (await here.states(name))[1]["external_id"]
        screen: Any = here.sandbox.twin(name).screen(0.0)
        screen.opt_out(external_id, opted_out=False)
        await app.verify(here.config, (name,))
        await lose(here, name)
        await here.run(name)
        await here.run(name, contacts=("1",))
        assert not is_opted_out(here, name)
