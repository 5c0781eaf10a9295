"""Rings of contacts that wait for each other's values at the vendor. Pure.

Some vendors let only one contact have a value, such as an e-mail address, and refuse it
to any other. A contact whose row asks for a value that another one of ours has there
waits until that one has another value. Two that exchange their addresses, or several
that pass them round, would wait for each other for ever. So one of them lets go first:
it empties its own value, and the others go through, one behind the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Desired, Fields, Known, Pending, Remote
from syncengine.model.http import Json
from syncengine.planning.plan import Plan, plan_contact

Same = Callable[[str, Json, Json], bool]
"""The vendor's own notion of equal values: field, ours, theirs."""


@dataclass(frozen=True, slots=True)
class ValueWait:
    """Wait of a contact for values that another one has at the vendor."""

    owner: str
    """That other contact, as ``destination/contact_id``."""
    values: Fields = field(repr=False)
    """The values; none where the vendor does not show which they are."""
    changes: Fields = field(repr=False)
    """Values that the waiting contact would write in place of its own."""


def taken_values(
    wanted: Fields, holder: Remote, capabilities: Capabilities, same: Same
) -> Fields:
    """Return the values that an update asked for, and that another contact has.

    Only those of which there may be one.
    """
    taken: dict[str, Json] = {}
    unique = () if capabilities.update is None else capabilities.update.unique
    for name in unique:
        theirs = holder.fields.get(name)
        is_wanted = wanted.get(name) not in (None, "")
        if is_wanted and same(name, wanted[name], theirs):
            taken[name] = theirs
    return taken


def fields_to_release(
    waiter: str, waits: Mapping[str, ValueWait], same: Same
) -> tuple[str, ...]:
    """Return the fields in which a contact has to let go of its value; mostly none.

    Its wait closes a ring, and the contact before it there waits for these values. All
    contacts of the ring are about to give up what the one before them waits for: else
    nothing would be won. ``waits`` are those of this run, by ``destination/contact_id``,
    that of the ``waiter`` among them.
    """
    wait = waits[waiter]
    seen: set[str] = set()
    while wait.owner not in seen:
        seen.add(wait.owner)
        next_wait = waits.get(wait.owner)
        if next_wait is None or not _gives_up(next_wait.changes, wait.values, same):
            return ()
        if wait.owner == waiter:
            return tuple(wait.values)
        wait = next_wait
    # The contact is no part of the ring, but stands behind it.
    return ()


def _gives_up(changes: Fields, values: Fields, same: Same) -> bool:
    """Return whether changes replace all of these values, of which there are some."""
    replaced = [
        name in changes and not same(name, changes[name], value)
        for name, value in values.items()
    ]
    return bool(replaced) and all(replaced)


def plan_release(
    contact_id: str, known: Known, names: Collection[str], capabilities: Capabilities
) -> Plan | None:
    """Return the plan that empties some fields, with one update.

    None where that is not possible: the vendor takes no empty value there, each write
    needs the field, it is an opt-out, or no value is known to be there.
    """
    update = capabilities.update
    if update is None or not set(update.must_carry).isdisjoint(names):
        return None
    if any(capabilities.lowers_opt_out(name, None) for name in names):
        return None
    empty = Desired(contact_id, dict.fromkeys(names), manages_tags=False)
    # Nothing else that is unknown of the contact is settled here.
    unknown = {
        name: value for name, value in known.unknown_fields.items() if name in names
    }
    pending = Pending(fields=unknown) if unknown else None
    plan = plan_contact(empty, replace(known, pending=pending), capabilities)
    if not isinstance(plan, Plan) or plan.unsupported:
        return None
    return plan if _is_one_update_of(plan.calls, names) else None


def _is_one_update_of(calls: tuple[Call, ...], names: Collection[str]) -> bool:
    """Return whether these calls are one update that changes all these fields."""
    if len(calls) != 1 or calls[0].action is not Action.UPDATE:
        return False
    return calls[0].fields.keys() >= set(names)
