"""Tags with our own prefix are ours, also where the state does not know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
OURS: dict[str, Any] = {**RESPOND_IO, "tags": {"from": "tags", "prefix": "crm:"}}
_LOST = (
    "TRUNCATE syncengine.sync_destination, syncengine.sync_lease, "
    "syncengine.sync_run, syncengine.sync_batch, syncengine.sync_state, "
    "syncengine.sync_known, syncengine.sync_key, syncengine.sync_outcome CASCADE"
)


async def _lost_state(here: People) -> None:
    """Lose the state of a contact with two tags that we set.

    Its row asks for one of the two.
    """
    await here.add([1], tags=["vip", "old"])
    assert exit_code(await here.run(NAME)) == 0
    assert set(here.held(NAME)[1]["tags"]) == {
        f"{_prefix(here)}vip",
        f"{_prefix(here)}old",
    }
    await here.source.execute(_LOST)
    for marker in (here.file.parent / ".syncengine").glob("state-*.json"):
        marker.unlink()  # as on another host: nothing tells of the state that was lost
    await here.change(1, tags=["vip"])


def _prefix(here: People) -> str:
    prefix: str = here.destinations[NAME]["tags"].get("prefix", "")
    return prefix


@pytest.mark.asyncio
@pytest.mark.parametrize("adopts", [False, True])
async def test_after_a_lost_state_they_are_removed_where_the_row_does_not_ask_for_them(
    database: str, tmp_path: Path, *, adopts: bool
) -> None:
    async with people(database, tmp_path, {NAME: OURS}) as here:
        await _lost_state(here)
        if adopts:
            (adopted,) = await app.adopt(here.config, (NAME,))
            assert adopted.linked == 1
        assert exit_code(await here.run(NAME)) == 0
        assert here.held(NAME)[1]["tags"] == ["crm:vip"]
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_without_a_prefix_found_tags_stay_others(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await _lost_state(here)
        assert exit_code(await here.run(NAME)) == 0
        assert set(here.held(NAME)[1]["tags"]) == {"vip", "old"}


@pytest.mark.asyncio
async def test_tags_with_another_s_prefix_stay(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: OURS}) as here:
        await _lost_state(here)
        here.configure(NAME, tags={"from": "tags", "prefix": "crm:v"})
        assert exit_code(await here.run(NAME)) == 0
        assert set(here.held(NAME)[1]["tags"]) == {"crm:vvip", "crm:old"}, (
            "crm:vip begins with crm:v, crm:old does not"
        )


@pytest.mark.asyncio
async def test_they_are_ours_also_if_the_process_dies_right_after_the_link(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: OURS}) as here:
        await _lost_state(here)
        here.fail(NAME, Rule(FaultKind.HOLD_BEFORE_COMMIT, method="DELETE", times=1))
        command = here.start("run")
        assert await command.comes_to(here.sandbox.holds(NAME).wait_for(1)), (
            command.said()
        )
        await command.kill()
        here.heal(NAME)
        here.sandbox.holds(NAME).release()
        await here.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()"
        )
        assert exit_code(await here.run(NAME)) == 0
        assert here.held(NAME)[1]["tags"] == ["crm:vip"]
