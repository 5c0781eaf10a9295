"""Re-syncs: what is known of a destination's contacts becomes unknown, link by link."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from syncengine.model.distrust import Distrust
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("resync")
_SLICE = 5000
"""Contacts a transaction: it locks the lease, which has to be renewed meanwhile."""


async def distrust_all(fence: Fence, destination: str, distrust: Distrust) -> None:
    """Distrust what is known of every contact of the destination.

    Raises LeaseLost. A crash at any moment is harmless: until the end, the destination
    is marked for a re-sync, and the next run begins it again.
    """
    async with fence.writing(sending=True) as connection:
        await connection.execute(_SQL["begin"], destination)
    # Slice by slice in the order of the ids. A transaction over all contacts would keep
    # the lease from being renewed.
    after: str | None = None
    while True:
        async with fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["next_contacts"], destination, after, _SLICE
            )
        if not rows:
            break
        contact_ids = [row["contact_id"] for row in rows]
        await distrust_contacts(fence, destination, contact_ids, distrust)
        after = contact_ids[-1]
    async with fence.writing(sending=True) as connection:
        await connection.execute(_SQL["end"], destination)


async def distrust_contacts(
    fence: Fence, destination: str, contact_ids: Sequence[str], distrust: Distrust
) -> None:
    """Distrust what is known of some contacts."""
    # In the order of the keys, in which all writers lock these rows.
    ids = sorted(contact_ids)
    fields_that_may_have_values = dict.fromkeys(distrust.emptied)
    async with fence.writing(sending=True) as connection:
        await connection.execute(
            _SQL["distrust_known"],
            destination,
            ids,
            list(distrust.fixed),
            list(distrust.kept),
            orjson.dumps(fields_that_may_have_values).decode(),
            [each.field for each in distrust.opt_outs],
            [str(each.value).casefold() for each in distrust.opt_outs],
        )
        await connection.execute(_SQL["distrust_state"], destination, ids)
