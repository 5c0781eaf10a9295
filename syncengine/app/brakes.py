"""What stops a run before its first request: a destination that is not the one remembered, and the brakes."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from syncengine.app.databases import Databases
from syncengine.config import DestinationConfig
from syncengine.errors import BrakeApplied
from syncengine.model.work import DiffTotals
from syncengine.planning.brakes import brake
from syncengine.storage.runs import Identity, remembered


def identity_of(destination: DestinationConfig) -> Identity:
    """What a destination remembers of itself."""
    source = destination.source
    return Identity(
        account=destination.account,
        vendor=destination.vendor.name,
        base_url=destination.base_url,
        settings=dict(destination.identity),
        source=f"{source.table or source.query} by {source.key}",
    )


async def refuse_changes(destination: DestinationConfig, databases: Databases, accept: AbstractSet[str]) -> None:
    """Raise BrakeApplied when the destination is not the one remembered, and that was not accepted."""
    before = await remembered(databases.state, destination.name)
    changes = identity_of(destination).changes(before) if before else {}
    refused = {name: pair for name, pair in changes.items() if name not in accept}
    if not refused:
        return
    told = "; ".join(f"{name} was {was} and is now {now}" for name, (was, now) in refused.items())
    flags = " ".join(f"--accept {name}" for name in refused)
    raise BrakeApplied(
        next(iter(refused)),
        f"{destination.name}: {told} ({destination.file}). What is known of its contacts may be wrong there, so "
        f"nothing was sent. If this is still the same account and the same contacts, let it pass with {flags}; else "
        "give the destination a new name, so that it starts with an empty state",
    )


def apply_brakes(destination: DestinationConfig, totals: DiffTotals, accept: frozenset[str]) -> None:
    """Raise BrakeApplied when a run that does this would do something drastic."""
    removals = destination.options.brakes.removals
    applied = brake(
        totals,
        destination.options.on_removed,
        share=removals.share,
        at_least=removals.at_least,
        accepted=accept,
    )
    if applied is not None:
        name, message = applied
        raise BrakeApplied(name, f"{destination.name}: brake {name}: {message} ({destination.place('brakes')})")
