"""Plan for the copy of a removed contact.

A *removed* contact is one that the source no longer selects. What happens to its copy
is the destination's policy (``on_removed``): nothing, our tags and lists come off, or
it is deleted. Untagging is an ordinary plan for a contact that desires no tags and no
lists.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.calls import Action, Call, Unsupported
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, Fields, Known, Pending
from syncengine.model.mapping import OnRemoved
from syncengine.model.unknown_parts import part_of
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.sharing import WantedByOthers


def plan_removal(
    contact_id: str,
    known: Known,
    policy: OnRemoved,
    capabilities: Capabilities,
    wanted: WantedByOthers | None = None,
) -> Plan:
    """Return the calls of the policy; none if the contact never reached the vendor.

    ``wanted`` is what other destinations of the account want of the same vendor
    contact: it is not deleted then, and loses only those of our tags and lists that
    none of them wants.
    """
    if policy is OnRemoved.IGNORE:
        return Plan()
    if wanted is not None:
        return _plan_shared_removal(contact_id, known, capabilities, wanted)
    if known.external_id is None:
        return _plan_removal_without_id(contact_id, known, policy, capabilities)
    if policy is OnRemoved.UNTAG:
        return _plan_untagging(contact_id, known, capabilities)
    return _plan_deletion(contact_id, known, capabilities)


def can_take_away(policy: OnRemoved, capabilities: Capabilities) -> bool:
    """Return whether the policy takes anything away that the vendor can take away."""
    if policy is OnRemoved.IGNORE:
        return False
    if policy is OnRemoved.DELETE:
        return capabilities.delete is not None
    if capabilities.remove_tags or capabilities.leave_lists:
        return True
    writes = (capabilities.update, capabilities.upsert)
    return any(write is not None and write.remove_tags != 0 for write in writes)


def unknown_after_removal(
    known: Known, policy: OnRemoved, capabilities: Capabilities
) -> Pending | None:
    """Return the intents that stay unknown once a removal is carried out.

    They matter when the contact returns. Tags and lists are settled by the removal.
    Fields are not, nor is a deletion that was once asked for, nor a create where
    contacts cannot be looked up. None where nothing is unknown any more.
    """
    pending = known.pending
    if pending is None:
        return None
    if known.external_id is None:
        # With a look-up, a create without a found contact was settled: it never came.
        is_open_create = pending.creates and not capabilities.find_by
        return pending if is_open_create else None
    if policy is OnRemoved.IGNORE:
        left = replace(pending, creates=False, keys=())
    else:
        fields = {
            name: value
            for name, value in pending.fields.items()
            if not name.startswith(LISTS)
        }
        left = part_of(pending, fields=fields, deletes=pending.deletes)
    # An age alone says nothing.
    if replace(left, age=None) == Pending():
        return None
    return left


def unknown_after_shared_removal(
    known: Known, plan: Plan, capabilities: Capabilities
) -> Pending | None:
    """Return the intents that stay unknown where others want the copy.

    What its plan has taken away is settled, and everything else is left as it is. None
    where nothing is unknown any more.
    """
    left = unknown_after_removal(known, OnRemoved.IGNORE, capabilities)
    if left is None or not plan.calls:
        return left
    fields = dict(left.fields)
    tags: set[str] = set()
    for call in plan.calls:
        tags.update(call.remove_tags)
        for name in call.fields:
            fields.pop(name, None)
    rest = part_of(
        left,
        fields=fields,
        add_tags=left.add_tags - tags,
        remove_tags=left.remove_tags - tags,
        deletes=left.deletes,
    )
    return None if rest == Pending() else rest


def _plan_shared_removal(
    contact_id: str, known: Known, capabilities: Capabilities, wanted: WantedByOthers
) -> Plan:
    """Return the calls that take away what is ours and nobody else wants."""
    if wanted.everything or known.external_id is None:
        return Plan()
    pending = known.pending
    if pending is not None:
        pending = replace(
            pending,
            add_tags=pending.add_tags - wanted.tags,
            remove_tags=pending.remove_tags - wanted.tags,
            fields=_without(pending.fields, wanted.lists),
        )
    unwanted = replace(
        known,
        tags=known.tags - wanted.tags,
        fields=_without(known.fields, wanted.lists),
        pending=pending,
    )
    return _plan_untagging(contact_id, unwanted, capabilities)


def _without(fields: Fields, names: frozenset[str]) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def _plan_deletion(contact_id: str, known: Known, capabilities: Capabilities) -> Plan:
    """Return the call that deletes a contact.

    Where the vendor goes on holding some of it, our tags and lists are taken away
    first: behind the deletion they could not be reached any more.
    """
    if capabilities.delete is None:
        return Plan(unsupported=(Unsupported("delete", ""),))
    before = Plan()
    if capabilities.delete.keeps:
        before = _plan_untagging(contact_id, known, capabilities)
    deletion = Call(
        Action.DELETE, contact_id, external_id=known.external_id, key=known.key
    )
    return Plan(
        (*before.calls, deletion),
        before.unsupported,
        before.requests + capabilities.delete.requests,
    )


def _plan_untagging(contact_id: str, known: Known, capabilities: Capabilities) -> Plan:
    """Return the calls that remove our tags, and the contact from the lists.

    Everything else at the vendor stays.
    """
    untagged = Desired(
        contact_id,
        fields={},
        keys=known.keys,
        manages_lists=True,
    )
    # Fields stay as they are, so it does not matter that some of them are unknown.
    pending = known.pending
    if pending is not None:
        lists = {
            name: value
            for name, value in pending.fields.items()
            if name.startswith(LISTS)
        }
        pending = replace(pending, fields=lists)
    plan = plan_contact(untagged, replace(known, pending=pending), capabilities)
    if not isinstance(plan, Plan):
        # A contact without fields has none that could be rejected.
        return Plan()
    return plan


def _plan_removal_without_id(
    contact_id: str, known: Known, policy: OnRemoved, capabilities: Capabilities
) -> Plan:
    """Return the plan to remove a contact whose external id is unknown.

    It is empty unless an upsert's outcome is unknown: then an empty upsert returns the
    id that a deletion needs.
    """
    pending = known.pending
    upsert, delete = capabilities.upsert, capabilities.delete
    if policy is not OnRemoved.DELETE or upsert is None or delete is None:
        return Plan()
    if pending is None or not pending.creates or not pending.keys:
        return Plan()
    if upsert.must_carry:
        return Plan()
    key = pending.keys[0]
    calls = (
        Call(Action.UPSERT, contact_id, key=key),
        Call(Action.DELETE, contact_id, key=key),
    )
    return Plan(calls, requests=upsert.requests + delete.requests)
