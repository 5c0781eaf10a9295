"""What stops a run before its first request: a destination that is not the one remembered, and the brakes."""

from __future__ import annotations

from collections.abc import Iterator

from syncengine.app.databases import Databases
from syncengine.app.request import Request
from syncengine.config import DestinationConfig
from syncengine.errors import BrakeApplied
from syncengine.model.http import Json
from syncengine.model.work import DiffTotals
from syncengine.planning.brakes import EMPTY_SOURCE, brake
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


async def refuse_changes(destination: DestinationConfig, databases: Databases, request: Request) -> None:
    """Raise BrakeApplied when the destination is not the one remembered, and that was not accepted."""
    before = await remembered(databases.state, destination.name)
    changes = identity_of(destination).changes(before) if before else {}
    refused = {name: pair for name, pair in changes.items() if name not in request.accept}
    if not refused:
        return
    told = "; ".join(text for name, (was, now) in refused.items() for text in _told(name, was, now))
    raise BrakeApplied(
        next(iter(refused)),
        f"{destination.name}: {told} ({destination.file}). What is known of its contacts may be wrong there, so "
        "nothing was sent. If this is still the same account and the same contacts, "
        f"`{request.command(destination.name, *refused)}` lets it pass; else give the destination a new name, so that "
        "it starts with an empty state",
    )


def _told(name: str, was: Json, now: Json) -> Iterator[str]:
    """What changed, key by key."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                yield f"{name}.{key} was {was.get(key, 'not set')} and is now {now.get(key, 'not set')}"
    else:
        yield f"{name} was {was} and is now {now}"


def apply_brakes(destination: DestinationConfig, totals: DiffTotals, request: Request) -> None:
    """Raise BrakeApplied when a run that does this would do something drastic."""
    removals = destination.options.brakes.removals
    applied = brake(
        totals,
        destination.options.on_removed,
        share=removals.share,
        at_least=removals.at_least,
        accepted=request.accept,
    )
    if applied is not None:
        name, message = applied
        passing = f"`{request.command(destination.name, name)}` lets it pass this once"
        if name == EMPTY_SOURCE:
            advice = (
                f"If it is meant to be empty, {passing}; else look at the table and at {destination.place('where')}"
            )
        else:
            advice = f"If they really left, {passing} ({destination.place('brakes.removals')})"
        raise BrakeApplied(name, f"{destination.name}: brake {name}: {message}. {advice}")
