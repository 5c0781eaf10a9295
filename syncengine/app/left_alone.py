"""Remarks on contacts that are left alone: dead letters, groups, waiting and gone ones.

They concern a destination, not one run: every run and every plan repeats them until
something changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.counted import counted, worded
from syncengine.app.databases import Databases
from syncengine.config.destination import DestinationConfig
from syncengine.model.calls import ADVICE
from syncengine.model.contact_ids import as_argument, name_of, name_of_owner
from syncengine.model.unsupported import in_words, subject_in_words
from syncengine.planning.refusals import DEAD_AFTER, dropped_with
from syncengine.storage.state.contact_counts import dead_letters, gone, waiting
from syncengine.storage.state.refusals import (
    DroppedAlike,
    RefusedAlike,
    dropped_alike,
    refused_alike,
)


async def group_remarks(
    destination: DestinationConfig, databases: Databases
) -> tuple[str, ...]:
    """Return a line for each group of contacts that fare alike at the vendor.

    Raises StorageError.
    """
    name = destination.name
    refused = await refused_alike(databases.state, name)
    dropped = await dropped_alike(databases.state, name)
    lines = [_refused_group(name, group) for group in refused]
    lines += [_dropped_group(group) for group in dropped]
    return tuple(lines)


async def dead_letter_remarks(
    destination: DestinationConfig, databases: Databases
) -> tuple[str, ...]:
    """Return a line on the dead letters, if there are any. Raises StorageError."""
    name = destination.name
    number, some = await dead_letters(databases.state, name)
    if not number:
        return ()
    letters = counted(number, "dead letter", "dead letters")
    remark = (
        f"{letters}, left alone until the row or the mapping changes, since they were "
        f"rejected {DEAD_AFTER} times, or like many others: {_named(some, number)}. "
        f"`{run_contact(name, some[0])}` tries one again, `{retry_dead(name)}` all"
    )
    return (remark,)


async def waiting_remarks(
    destination: DestinationConfig, databases: Databases
) -> tuple[str, ...]:
    """Return a line on contacts that wait for a match key, if there are any.

    Raises StorageError.
    """
    number, some = await waiting(databases.state, destination.name)
    if not number:
        return ()
    wait = counted(number, "contact waits", "contacts wait")
    label = worded(len(some), "contact", "contacts")
    pairs = [
        f"{name_of(contact_id)} (waits for {name_of_owner(owner)})"
        for contact_id, owner in some
    ]
    remark = (
        f"{wait} for the match key of another contact: {label} {', '.join(pairs)}"
        f"{_and_more(number, some)}. Each is tried again once that one releases it"
    )
    return (remark,)


async def gone_remarks(
    destination: DestinationConfig, databases: Databases
) -> tuple[str, ...]:
    """Return a line on contacts that are gone, if there are any.

    Raises StorageError.
    """
    name = destination.name
    number, some = await gone(databases.state, name)
    if not number:
        return ()
    are = counted(number, "contact is", "contacts are")
    remark = (
        f"{are} gone (deleted or merged at the vendor by somebody else) and left "
        f"alone: {_named(some, number)}. "
        f"`{run_contact(name, some[0])}` creates one again, `on_gone: recreate` all"
    )
    return (remark,)


def run_contact(destination: str, contact_id: str) -> str:
    """Return the command that runs one contact."""
    return f"syncengine run -d {destination} --contact {as_argument(contact_id)}"


def retry_dead(destination: str, code: str | None = None) -> str:
    """Return the command that tries dead letters again."""
    words = ["syncengine", "retry", "--dead", "-d", destination]
    if code:
        words += ["--code", code]
    return " ".join(as_argument(word) for word in words)


def _refused_group(destination: str, group: RefusedAlike) -> str:
    contact = f"contact {name_of(group.contact_id)}"
    # The end of the message is advice about a single row, which is not to blame here.
    reason = (group.message or "").partition(ADVICE)[0]
    said = f": {reason}" if reason else ""
    command = retry_dead(destination, group.code)
    if group.contacts == 1:
        who = f"{contact} is rejected ({group.code}){said}"
        then = "this does not count against it; it is tried each night"
        now = f"`{command}` tries it now"
    else:
        who = (
            f"{group.contacts} contacts are rejected for the same reason "
            f"({group.code}), such as {contact}{said}"
        )
        then = (
            "this counts against none of them; one is tried each night, and all once "
            "it is accepted"
        )
        now = f"`{command}` tries all now"
    return (
        f"{who}. Look at the mapping, and at what was removed at the vendor or is "
        f"required there now: {then} ({now})"
    )


def _dropped_group(group: DroppedAlike) -> str:
    contact = f"contact {name_of(group.contact_id)}"
    dropped = dropped_with(group.fingerprint, group.unsupported)
    # Another version of the program may have grouped them by what is not known here.
    subjects = ", ".join(subject_in_words(each) for each in dropped)
    lacking = subjects or "what the vendor did not take"
    why = f": {in_words(dropped)}" if dropped else ""
    if group.contacts == 1:
        return f"{contact} is in step except for {lacking}{why}. It is tried each night"
    return (
        f"{group.contacts} contacts, such as {contact}, are in step except for "
        f"{lacking}{why}. One of them is tried each night, and all once the vendor "
        "takes it"
    )


def _named(contact_ids: Sequence[str], number: int) -> str:
    """Return the names of some of ``number`` contacts, and how many more there are."""
    contacts = worded(len(contact_ids), "contact", "contacts")
    names = ", ".join(name_of(contact_id) for contact_id in contact_ids)
    return f"{contacts} {names}{_and_more(number, contact_ids)}"


def _and_more(number: int, shown: Sequence[object]) -> str:
    more = number - len(shown)
    return f" and {more} more" if more > 0 else ""
