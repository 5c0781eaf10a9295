"""Contacts that left the source in earlier runs, under another ``on_removed``."""

from __future__ import annotations

from collections.abc import Iterator

from syncengine.app.databases import Databases
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.model.contact_ids import as_argument
from syncengine.model.mapping import OnRemoved
from syncengine.planning.removal import can_take_away
from syncengine.storage.state.removals import count_earlier_removed, earlier_removed


async def still_there(
    destination: DestinationConfig, databases: Databases
) -> tuple[str, ...]:
    """Return the contacts to which ``on_removed`` as it is now could be applied.

    Raises StorageError.
    """
    policy = destination.options.on_removed
    if not can_take_away(policy, destination.vendor.capabilities):
        return ()
    tagged = policy is OnRemoved.UNTAG
    return await earlier_removed(databases.state, destination.name, tagged=tagged)


async def of_earlier_leavers(
    destination: DestinationConfig, databases: Databases, request: RunRequest
) -> tuple[str, ...]:
    """Return the remark on contacts that left earlier, if there are any."""
    policy = destination.options.on_removed
    if not can_take_away(policy, destination.vendor.capabilities):
        return (_nothing_to_apply(destination),) if request.removed else ()
    tagged = policy is OnRemoved.UNTAG
    number = await count_earlier_removed(
        databases.state, destination.name, tagged=tagged
    )
    return tuple(_told(destination, number))


def _nothing_to_apply(destination: DestinationConfig) -> str:
    policy = destination.options.on_removed.value
    return (
        f"on_removed is {policy}, and {destination.vendor.name} has nothing to carry out for that: "
        f"--removed changes nothing ({destination.place('on_removed')})"
    )


def _told(destination: DestinationConfig, number: int) -> Iterator[str]:
    if not number:
        return
    policy = destination.options.on_removed
    they = (
        "1 contact that left the source earlier is"
        if number == 1
        else (f"{number:,} contacts that left the source earlier are")
    )
    what = "deleted" if policy is OnRemoved.DELETE else "untagged"
    yield (
        f"{they} still at the vendor, not {what}: on_removed was another one then, and is {policy.value} now. "
        f"`syncengine run --removed -d {as_argument(destination.name)}` applies it to them"
    )
