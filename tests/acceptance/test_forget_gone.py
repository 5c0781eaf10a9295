"""``forget`` of a contact that the vendor does not have any more.

No receipt says deleted where nothing was.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import app, vendors
from syncengine.cli.exits import exit_code
from syncengine.model.erasure import Erased, Receipt
from tests.simulation.pair import Pair, contact_id, pairs
from tests.support.any_vendor import Anyone, anyone

DELETING = [
    pair
    for pair in (pairs(vendor)[0] for vendor in vendors.names())
    if pair.capabilities.delete
]
FINDING = [
    pair for pair in DELETING if pair.capabilities.find_by and pair.capabilities.reads
]
deleting = pytest.mark.parametrize(
    "pair", DELETING, ids=[pair.name for pair in DELETING]
)
finding = pytest.mark.parametrize("pair", FINDING, ids=[pair.name for pair in FINDING])


async def _in_step(here: Anyone) -> None:
    for contact in (1, 2, 3):
        await here.put(contact, contact, tags=["a"])
    assert (await here.run()).contacts["applied"] == 3


async def _forgotten(here: Anyone, contact: int = 1) -> Receipt:
    (receipt,) = await app.forget(here.config, contact_id(contact))
    return receipt


def test_some_vendors_delete_and_find() -> None:
    assert {pair.subject.spec.name for pair in FINDING} >= {
        "chartmogul",
        "respond_io_v2",
        "whautomate",
    }


@deleting
@pytest.mark.asyncio
async def test_who_is_not_there_is_not_called_deleted(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        here.screen.delete(await here.external_id(1))
        receipt = await _forgotten(here)
        assert receipt.status is Erased.DONE
        assert receipt.message.startswith(
            f"nothing was deleted: {here.name} had no such contact any more (deleted "
            "or "
        )
        assert (await _forgotten(here)).message == "nothing is known of it there"
        there = await _forgotten(here, 2)
        assert (there.status, "nothing was deleted" in there.message) != (
            Erased.DONE,
            True,
        )


@finding
@pytest.mark.asyncio
async def test_a_gone_contact_is_looked_up_and_not_called_deleted(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        here.screen.delete(await here.external_id(1))
        await here.put(1, 1, (2, 2), ["a"])
        assert (await here.run()).contacts["applied"] == 0
        before = here.requests()
        receipt = await _forgotten(here)
        assert (receipt.status, "nothing was deleted" in receipt.message) == (
            Erased.DONE,
            True,
        )
        assert here.requests() > before


def _again(here: Anyone) -> str:
    """Create a contact with our match key by hand, and return its id at the vendor."""
    row = here.pair.row(1, 1, (7, 7), ())
    assert here.pair.key is not None
    names = (*here.pair.others, *here.pair.values, here.pair.key)
    return here.screen.create({name: row[name] for name in names})


@finding
@pytest.mark.parametrize("stands", [False, True], ids=["known", "gone"])
@pytest.mark.asyncio
async def test_one_with_its_match_key_that_nobody_owns_is_deleted(
    database: str,
    tmp_path: Path,
    pair: Pair,
    stands: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        here.screen.delete(await here.external_id(1))
        if stands:
            await here.put(1, 1, (2, 2), ["a"])
            await here.run()
        made = _again(here)
        assert made in here.held()
        receipt = await _forgotten(here)
        assert (receipt.status, receipt.message) == (Erased.DONE, "deleted there")
        assert set(here.held()) == {
            await here.external_id(2),
            await here.external_id(3),
        }
        assert contact_id(1) not in await here.states()


@finding
@pytest.mark.asyncio
async def test_one_with_its_match_key_that_is_anothers_is_named_and_stays(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        assert pair.key is not None
        here.screen.delete(await here.external_id(1))
        here.screen.edit(
            await here.external_id(2), {pair.key: pair.row(1, 1, (1, 1), ())[pair.key]}
        )
        receipt = await _forgotten(here)
        assert (receipt.status, exit_code(receipt)) == (Erased.IMPOSSIBLE, 1)
        other = await here.external_id(2)
        assert (
            f"contact {other} belongs to {here.name}/{contact_id(2)}" in receipt.message
        )
        assert receipt.message.startswith("nothing was deleted: ")
        assert "forget that one too if it is the same person" in receipt.message
        assert await _forgotten(here) == receipt, "asked twice, it says the same"
        assert await here.external_id(2) in here.held()
        (confirmed,) = await app.confirm(here.config, contact_id(1), [here.name])
        assert confirmed.status is Erased.DONE
