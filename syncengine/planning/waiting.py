"""End of a contact that waits for another one to let go of its match key. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.model.calls import Rejected
from syncengine.model.contact_ids import name_of_owner
from syncengine.model.work import Blocker, Status

KEY_HELD = "key_held"
AMBIGUOUS = "ambiguous_match"
_REFUSED = (Status.REJECTED, Status.DEAD)


def refusal_of_waiting(
    waiter: str, owner: str, holders: Mapping[str, Blocker], destination: str
) -> Rejected | None:
    """Return the refusal of a contact that waits for one that cannot move.

    None when the owner has let go since, or will be planned again by the next run of
    this destination. Contacts are named ``destination/contact_id``.
    """
    holder = holders.get(owner)
    if holder is None or holder.status is Status.REMOVED:
        return None
    if holder.status is Status.PENDING and _destination(owner) == destination:
        return None
    chain = [*_chain(waiter, owner, holders)]
    first, *others = [_situation(each) for each in chain]
    told = "".join(
        f"; contact {name_of_owner(each.contact)} {said}"
        for each, said in zip(chain[1:], others, strict=True)
    )
    return Rejected(
        AMBIGUOUS if holder.status is Status.SYNCED else KEY_HELD,
        f"the vendor's contact with its match key belongs to contact {name_of_owner(owner)}, which {first}{told}. "
        f"{_advice(chain)}; this contact is tried again once contact {name_of_owner(owner)} has let go "
        "of the key",
        by_vendor=False,
    )


def _destination(contact: str) -> str:
    return contact.partition("/")[0]


def _chain(
    waiter: str, owner: str, holders: Mapping[str, Blocker]
) -> Iterator[Blocker]:
    """Yield the owner, then the contact that keeps it from moving, and so on.

    Each contact is yielded once.
    """
    seen = {waiter}
    contact: str | None = owner
    while contact is not None and contact not in seen and contact in holders:
        seen.add(contact)
        holder = holders[contact]
        yield holder
        contact = holder.waits_for if holder.status in _REFUSED else None


def _situation(holder: Blocker) -> str:
    """Say why a contact of the chain does not move."""
    other = f"contact {name_of_owner(holder.waits_for or '')}"
    match holder.status:
        case Status.SYNCED:
            said = "is in step with its row"
        case Status.SUPPRESSED:
            said = f"is left alone ({holder.code})"
        case Status.REMOVED:
            said = "left the source"
        case Status.PENDING:
            said = "is not in step yet"
        case _ if holder.waits_for is None:
            said = f"was rejected ({holder.code})"
        case _ if holder.code in (KEY_HELD, AMBIGUOUS):
            said = f"waits for {other} itself"
        case _:
            said = f"was rejected ({holder.code}), because {other} has the match key it asks for"
    return said


def _advice(chain: list[Blocker]) -> str:
    """Say which row to correct, or what else to do."""
    first, last = chain[0], chain[-1]
    match first.status:
        case Status.PENDING:
            return f"Run destination {_destination(first.contact)}"
        case Status.SYNCED | Status.SUPPRESSED:
            return f"Correct the row of this contact or of contact {name_of_owner(first.contact)}"
    if last is first:
        return f"Correct the row of contact {name_of_owner(first.contact)}"
    return f"Correct the row of contact {name_of_owner(first.contact)} or of contact {name_of_owner(last.contact)}"
