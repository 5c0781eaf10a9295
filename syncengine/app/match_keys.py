"""Match keys of a run: judged together, before anything is sent."""

from __future__ import annotations

from syncengine.config.destination import DestinationConfig
from syncengine.engine.prepare import Preparer
from syncengine.planning.match_keys import may_collide
from syncengine.storage.state.asked_keys import AskedKeys
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.keys import Keys


def keys_may_collide(destination: DestinationConfig) -> bool:
    """Return whether two rows of the source may have one match key."""
    return may_collide(destination.mapping, destination.source.key or "")


def key_store(
    fence: Fence, destination: DestinationConfig, *, numbered: bool
) -> Keys | None:
    """Return the store of match keys; None where each row has one of its own."""
    if not keys_may_collide(destination):
        return None
    return Keys(fence, destination.name, numbered=numbered)


def asked_keys(
    fence: Fence, destination: DestinationConfig, *, numbered: bool
) -> AskedKeys | None:
    """Return match keys to look ahead with; None where each row has one of its own."""
    if not keys_may_collide(destination):
        return None
    return AskedKeys(fence, destination.name, numbered=numbered)


async def claim_keys(preparer: Preparer, keys: Keys | None, batches: Batches) -> None:
    """Claim the match keys of the whole run, so that they are judged together."""
    if keys is not None:
        async for batch in batches.waiting():
            await preparer.claim(batch)
