"""Remarks on contacts that left the source, and about which nothing is sent."""

from __future__ import annotations

from syncengine.app.counted import counted
from syncengine.app.databases import Databases
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.model.contact_ids import as_argument
from syncengine.model.mapping import OnRemoved
from syncengine.planning.removal import can_take_away
from syncengine.storage.state.removals import count_earlier_removed, earlier_removed


async def removable_now(
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


async def earlier_removed_remarks(
    destination: DestinationConfig, databases: Databases, request: RunRequest
) -> tuple[str, ...]:
    """Return a line on contacts that left earlier, if there are any.

    Raises StorageError.
    """
    policy = destination.options.on_removed
    if not can_take_away(policy, destination.vendor.capabilities):
        # Only somebody who asked for them expects something to happen to them.
        if request.removed:
            return (_nothing_to_apply(destination),)
        return ()
    tagged = policy is OnRemoved.UNTAG
    number = await count_earlier_removed(
        databases.state, destination.name, tagged=tagged
    )
    if not number:
        return ()
    return (_still_there(destination, number),)


def only_marked(destination: DestinationConfig, number: int) -> tuple[str, ...]:
    """Return a line on contacts that a run marks as removed, if there are many.

    A handful leaves every day: from as many on as may trip the brake they are named.
    """
    if number < destination.options.brakes.shrunk_source.at_least or not number:
        return ()
    who = counted(
        number,
        "contact that left the source is",
        "contacts that left the source are",
    )
    return (f"{who} marked as removed; nothing is sent about that",)


def _nothing_to_apply(destination: DestinationConfig) -> str:
    return (
        f"--removed changes nothing: on_removed is {destination.options.on_removed}, "
        f"for which {destination.vendor.name} has no request "
        f"({destination.place('on_removed')})"
    )


def _still_there(destination: DestinationConfig, number: int) -> str:
    policy = destination.options.on_removed
    they = counted(
        number,
        "contact that left the source earlier is",
        "contacts that left the source earlier are",
    )
    undone = "deleted" if policy is OnRemoved.DELETE else "untagged"
    command = f"syncengine run --removed -d {as_argument(destination.name)}"
    return (
        f"{they} still at the vendor and not {undone}, because on_removed was not "
        f"{policy} then. `{command}` applies it to them"
    )
