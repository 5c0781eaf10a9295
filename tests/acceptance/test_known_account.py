"""``check`` reads a contact that is known here.

Credentials that lead to another account are reported.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import vendors
from syncengine.cli.exits import exit_code
from tests.simulation.pair import Pair, pairs
from tests.support.any_vendor import Anyone, anyone

SHOWN = [
    pair
    for pair in (pairs(vendor)[0] for vendor in vendors.names())
    if pair.capabilities.reads or pair.capabilities.find_by
]
NAMES = [pair.name for pair in SHOWN]


async def _in_step(here: Anyone, contacts: int) -> None:
    for contact in range(1, contacts + 1):
        await here.put(contact, contact)
    assert exit_code(await here.run()) == 0


async def _checked(here: Anyone) -> tuple[int, str, int]:
    """Return the exit code, the line on the account, and the number of requests."""
    before = here.requests()
    code, said = await here.command("check")
    (line,) = [
        line for line in said.splitlines() if f"{here.name}: account" in line
    ] or [""]
    return code, line, here.requests() - before


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", SHOWN, ids=NAMES)
async def test_one_known_contact_is_looked_at_and_others_only_if_it_is_not_there(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        code, line, alone = await _checked(here)
        assert (code, line) == (0, ""), "nobody is known yet"
        await _in_step(here, 6)
        code, line, requests = await _checked(here)
        assert (code, requests) == (0, alone + 1)
        assert "the vendor has a contact that is known here" in line

        newest = (
            "SELECT contact_id FROM syncengine.sync_state "
            "ORDER BY synced_at DESC, contact_id LIMIT 1"
        )
        last = await here.source.fetchval(newest)
        (external_id,) = [
            row["external_id"]
            for name, row in (await here.states()).items()
            if name == last
        ]
        here.screen.delete(external_id)
        code, line, requests = await _checked(here)
        assert code == 0
        if pair.capabilities.reads:
            assert requests == alone + 2
        else:
            assert requests > alone + 1, "a look-up may ask for several spellings"


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", SHOWN, ids=NAMES)
async def test_another_account_and_an_emptied_one_are_refused(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here, 6)
        here.screen.swap("another")
        code, line, _ = await _checked(here)
        assert code == 2
        assert (
            "does not have any of the 4 contacts known here that were looked at" in line
        )
        assert "--accept gone" in line
        here.screen.swap("main")
        assert (await _checked(here))[0] == 0
        here.screen.empty()
        assert (await _checked(here))[0] == 2
