"""Note that a vendor has done what the receipt of an erasure asked a person for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import name_of
from syncengine.model.erasure import Erased, Receipt
from syncengine.storage.state import erasure


async def confirm(
    config: Config, contact_id: str, names: Sequence[str]
) -> list[Receipt]:
    """Note that vendors have done what their receipts asked for, and forget those.

    Raises ConfigError.
    """
    if not names:
        what = "name the destination whose vendor confirmed it: -d NAME"
        raise ConfigError([Problem("--confirmed", what)])
    async with open_databases(config, ()) as databases:
        receipts = await erasure.receipts(databases.state, contact_id)
        to_ask = {receipt.destination for receipt in receipts if receipt.to_ask}
        problems = [
            _nothing_to_confirm(name, contact_id, to_ask)
            for name in names
            if name not in to_ask
        ]
        if problems:
            raise ConfigError(problems)
        for name in names:
            await erasure.confirm(databases.state, name, contact_id)
    return [
        Receipt(name, contact_id, Erased.DONE, "confirmed: the vendor has deleted it")
        for name in names
    ]


def _nothing_to_confirm(name: str, contact_id: str, to_ask: Collection[str]) -> Problem:
    what = (
        f"no erasure of contact {name_of(contact_id)} at {name} waits for a "
        "confirmation"
    )
    if to_ask:
        what += f"; one does at {', '.join(sorted(to_ask))}"
    return Problem("--confirmed", what)
