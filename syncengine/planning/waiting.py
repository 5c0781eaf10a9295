"""Contacts that wait for another one to let go of its match key: when waiting ends.

The vendor's contact with the match key of a *waiter* belongs to another contact, its
*owner*. Two contacts that swap their phones wait for each other like that, and the next
runs sort it out. But an owner that is in step, suppressed or refused will not let go:
then the waiter is rejected, with a message that says which row to correct. An owner may
itself wait for a third contact: this chain is followed to its end, so that the message
names the contact that blocks them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.model.calls import Rejected
from syncengine.model.contact_ids import name_of_owner
from syncengine.model.work import Blocker, Status

KEY_HELD = "key_held"
"""Code of a contact whose match key belongs to one that may let go of it."""
AMBIGUOUS = "ambiguous_match"
"""Code of a contact whose match key belongs to one that is in step with it."""
_REFUSED = (Status.REJECTED, Status.DEAD)


def refusal_of_waiting(
    waiter: str, owner: str, blockers: Mapping[str, Blocker], destination: str
) -> Rejected | None:
    """Return the refusal of a contact that waits for one that cannot move.

    None when the owner has lost the key since, or will be planned again by the next run
    of this destination. ``waiter`` and ``owner`` are ``destination/contact_id``, and so
    are the keys of ``blockers``: the state of the owner and of all contacts it waits
    for, directly or not.
    """
    blocker = blockers.get(owner)
    if blocker is None or blocker.status is Status.REMOVED:
        return None
    if blocker.status is Status.PENDING and _destination(owner) == destination:
        # The next run of this destination plans the owner before it judges anybody. A
        # pending owner of another destination has to be run there first.
        return None
    chain = list(_chain(waiter, owner, blockers))
    first, *others = chain
    name = name_of_owner(owner)
    reason = _situation(first)
    for each in others:
        reason += f"; contact {name_of_owner(each.contact)} {_situation(each)}"
    code = KEY_HELD
    if blocker.status is Status.SYNCED:
        # The owner is in step with the key, so it keeps it.
        code = AMBIGUOUS
    return Rejected(
        code,
        f"the vendor's contact with its match key belongs to contact {name}, "
        f"which {reason}. {_advice(chain)}; this contact is tried again once contact "
        f"{name} releases the key",
        by_vendor=False,
    )


def _destination(contact: str) -> str:
    return contact.partition("/")[0]


def _chain(
    waiter: str, owner: str, blockers: Mapping[str, Blocker]
) -> Iterator[Blocker]:
    """Yield the owner, then the contact that keeps it from moving, and so on.

    Each contact is yielded once.
    """
    seen = {waiter}
    contact: str | None = owner
    while contact is not None and contact not in seen and contact in blockers:
        seen.add(contact)
        blocker = blockers[contact]
        yield blocker
        # Only a refused contact waits: one that is in step, say, blocks by itself.
        contact = blocker.waits_for if blocker.status in _REFUSED else None


def _situation(blocker: Blocker) -> str:
    """Return why a contact of the chain does not move, in words."""
    match blocker.status:
        case Status.SYNCED:
            return "is in step with its row"
        case Status.SUPPRESSED:
            return f"is left alone ({blocker.code})"
        case Status.REMOVED:
            return "left the source"
        case Status.PENDING:
            return "is not in step yet"
        case _:
            return _refusal(blocker)


def _refusal(blocker: Blocker) -> str:
    """Return why a refused contact of the chain does not move, in words."""
    if blocker.waits_for is None:
        return f"was rejected ({blocker.code})"
    other = f"contact {name_of_owner(blocker.waits_for)}"
    if blocker.code in (KEY_HELD, AMBIGUOUS):
        return f"waits for {other} itself"
    return (
        f"was rejected ({blocker.code}), because {other} has the match key it asks for"
    )


def _advice(chain: list[Blocker]) -> str:
    """Return which row to correct, or what else to do.

    The first contact of the chain has the key, the last one blocks all others.
    """
    first, last = chain[0], chain[-1]
    first_name, last_name = name_of_owner(first.contact), name_of_owner(last.contact)
    if first.status is Status.PENDING:
        return f"Run destination {_destination(first.contact)}"
    if first.status in (Status.SYNCED, Status.SUPPRESSED):
        return f"Correct the row of this contact or of contact {first_name}"
    if last is first:
        return f"Correct the row of contact {first_name}"
    return f"Correct the row of contact {first_name} or of contact {last_name}"
