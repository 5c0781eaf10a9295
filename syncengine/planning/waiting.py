"""Contacts that wait for another one to let go of its match key: when waiting ends.

The vendor's contact with the match key of a *waiter* belongs to another contact, its
*owner*. Two contacts that swap their phones wait for each other like that, and the next
runs sort it out. But an owner that is in step, suppressed or refused will not let go:
then the waiter is rejected, with a message that says which row to correct. An owner may
itself wait for a third contact: this chain is followed to its end, so that the message
names the contact that blocks them all.

Several may wait for one another in a ring, of which none can let go of its value first
(``planning.rings``). None of them will ever move, so they are rejected as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

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


def refusals_of_waiting(
    waits: Mapping[str, str], blockers: Mapping[str, Blocker], destination: str
) -> dict[str, Rejected]:
    """Return the refusals of those that cannot move, of all contacts that still wait.

    ``waits`` are their owners by contact. Whoever is refused here stands in the way of
    those that wait for it, so that a whole chain is judged at once.
    """
    refused: dict[str, Rejected] = {}
    known = dict(blockers)
    while True:
        more: dict[str, Rejected] = {}
        for waiter, owner in waits.items():
            if waiter in refused:
                continue
            refusal = refusal_of_waiting(waiter, owner, known, destination)
            if refusal is not None:
                more[waiter] = refusal
        if not more:
            return refused
        refused |= more
        for waiter, refusal in more.items():
            known[waiter] = Blocker(waiter, Status.DEAD, refusal.code, waits[waiter])


def ready_to_try(
    waiting: Mapping[str, str | None], letting_go: Collection[str]
) -> list[str]:
    """Return the contacts whose next attempt may end otherwise than the last one.

    ``waiting`` are all contacts that get another attempt, each with the contact that it
    waits for, or None. One whose owner waits itself comes later, when that one is
    through, unless the owner is among those that are ``letting_go`` of their values.
    """
    ready: list[str] = []
    for contact, owner in waiting.items():
        if owner is None or owner not in waiting or owner in letting_go:
            ready.append(contact)
    return ready


def closing_rings(
    waiting: Mapping[str, str], blockers: Mapping[str, Blocker], destination: str
) -> list[str]:
    """Return refused contacts of former runs that close a ring with those of this run.

    One that was refused since it waits for another is left alone until that one moves.
    Now that one waits for it: it has to be tried as well, or both would stay as they
    are. ``waiting`` are the contacts of this run with their owners, and ``blockers`` the
    states of these and of whom they wait for in turn.
    """
    found: dict[str, None] = {}
    for waiter, owner in waiting.items():
        path: dict[str, None] = {}
        contact: str | None = owner
        while contact is not None and contact not in (waiter, *path):
            path[contact] = None
            contact = waiting.get(contact) or _waits_since_before(contact, blockers)
        is_own = all(_destination(each) == destination for each in path)
        if contact == waiter and is_own:
            found.update(dict.fromkeys(each for each in path if each not in waiting))
    return list(found)


def _waits_since_before(contact: str, blockers: Mapping[str, Blocker]) -> str | None:
    """Return whom a contact waits for that was refused because of it; else None."""
    blocker = blockers.get(contact)
    if blocker is None or blocker.code not in (KEY_HELD, AMBIGUOUS):
        return None
    return blocker.waits_for if blocker.status in _REFUSED else None


def stuck_in_rings(owners: Mapping[str, str], by_value: Collection[str]) -> set[str]:
    """Return the contacts that wait in a ring for one another, or behind such a ring.

    ``owners`` are those of all contacts that still wait, by contact. A ring counts
    where all its members are ``by_value``: they wait for a value that the vendor lets
    only one contact have. Any other wait may end by itself.
    """
    stuck: set[str] = set()
    judged: set[str] = set()
    for first in owners:
        path: dict[str, None] = {}
        contact = first
        while contact in owners and contact not in judged and contact not in path:
            path[contact] = None
            contact = owners[contact]
        if contact in stuck or _is_stuck_ring(contact, path, by_value):
            stuck.update(path)
        judged.update(path)
    return stuck


def _is_stuck_ring(
    start: str, path: Collection[str], by_value: Collection[str]
) -> bool:
    """Return whether a path comes back to its contact ``start``, by values alone."""
    if start not in path:
        return False
    members = list(path)
    return all(each in by_value for each in members[members.index(start) :])


def refusal_in_ring(owner: str) -> Rejected:
    """Return the refusal of a contact in a ring, or behind one; see above."""
    name = name_of_owner(owner)
    return Rejected(
        KEY_HELD,
        f"it asks for a value that contact {name} has at the vendor, and only one may "
        "have; that one waits for another one in turn, and in the end they all wait for "
        "each other. None of them can be emptied here: correct one of the rows, or empty "
        "the value of one of them at the vendor; this contact is tried again once contact "
        f"{name} releases the value",
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
            return "is in step with its row as far as is known here"
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
    """Return which row to correct, or what to do before that.

    The first contact of the chain has the key, the last one blocks all others.
    """
    first, last = chain[0], chain[-1]
    first_name, last_name = name_of_owner(first.contact), name_of_owner(last.contact)
    if first.status is Status.PENDING:
        return f"Run destination {_destination(first.contact)}"
    if first.status is Status.SYNCED:
        # The row of a contact in step does not ask for the key, or both would have been
        # refused for that: mostly a person gave it the key at the vendor.
        return (
            "Somebody may have edited that contact at the vendor: `syncengine verify "
            f"--repair -d {_destination(first.contact)}` has it say again what its row "
            "says. Where that changes nothing, correct the row of this contact or of "
            f"contact {first_name}"
        )
    if first.status is Status.SUPPRESSED:
        return f"Correct the row of this contact or of contact {first_name}"
    if last is first:
        return f"Correct the row of contact {first_name}"
    return f"Correct the row of contact {first_name} or of contact {last_name}"
