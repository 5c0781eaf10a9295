"""Plan what happens to the copy of a contact that left the source."""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.calls import Action, Call, Unsupported
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, Fields, Known, Pending
from syncengine.model.mapping import OnRemoved
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
    if wanted is not None and policy is not OnRemoved.IGNORE:
        return _unwanted(contact_id, known, capabilities, wanted)
    if known.external_id is None:
        return _of_unknown(contact_id, known, policy, capabilities)
    if policy is OnRemoved.IGNORE:
        return Plan()
    if policy is OnRemoved.DELETE:
        if capabilities.delete is None:
            return Plan(unsupported=(Unsupported("delete", ""),))
        call = Call(
            Action.DELETE, contact_id, external_id=known.external_id, key=known.key
        )
        before = (
            _untagged(contact_id, known, capabilities)
            if capabilities.delete.keeps
            else Plan()
        )
        return Plan(
            (*before.calls, call),
            before.unsupported,
            before.requests + capabilities.delete.requests,
        )
    return _untagged(contact_id, known, capabilities)


def _unwanted(
    contact_id: str, known: Known, capabilities: Capabilities, wanted: WantedByOthers
) -> Plan:
    """Return the calls that take away what is ours and nobody wants."""
    if wanted.everything or known.external_id is None:
        return Plan()
    pending = known.pending
    if pending:
        pending = replace(
            pending,
            add_tags=pending.add_tags - wanted.tags,
            remove_tags=pending.remove_tags - wanted.tags,
            fields=_without(pending.fields, wanted.lists),
        )
    rest = replace(
        known,
        tags=known.tags - wanted.tags,
        fields=_without(known.fields, wanted.lists),
        pending=pending,
    )
    return _untagged(contact_id, rest, capabilities)


def _without(fields: Fields, names: frozenset[str]) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def can_take_away(policy: OnRemoved, capabilities: Capabilities) -> bool:
    """Return whether the policy takes anything away that the vendor can take away."""
    match policy:
        case OnRemoved.IGNORE:
            return False
        case OnRemoved.DELETE:
            return capabilities.delete is not None
        case OnRemoved.UNTAG:
            writes = [
                write for write in (capabilities.update, capabilities.upsert) if write
            ]
            calls = (capabilities.remove_tags, capabilities.leave_lists)
            return any(calls) or any(write.remove_tags != 0 for write in writes)


def unknown_after_removal(
    known: Known, policy: OnRemoved, capabilities: Capabilities
) -> Pending | None:
    """Return the intents that stay unknown once a removal is carried out.

    They matter when the contact returns. Tags and lists are settled by the removal.
    Fields are not, nor is a deletion that was once asked for, nor a create where
    contacts cannot be looked up.
    """
    pending = known.pending
    if pending is None:
        return None
    if known.external_id is None:
        return pending if pending.creates and not capabilities.find_by else None
    if policy is OnRemoved.IGNORE:
        left = replace(pending, creates=False, keys=())
    else:
        fields = {
            name: value
            for name, value in pending.fields.items()
            if not name.startswith(LISTS)
        }
        left = Pending(fields=fields, deletes=pending.deletes)
    return left if replace(left, age=None) != Pending() else None


def _untagged(contact_id: str, known: Known, capabilities: Capabilities) -> Plan:
    """Return the calls that remove our tags, and the contact from the lists.

    Everything else at the vendor stays.
    """
    untagged = Desired(
        contact_id,
        fields={},
        keys=(known.key,) if known.key else (),
        manages_lists=True,
    )
    pending = known.pending
    if pending:
        pending = replace(
            pending,
            fields={
                name: v for name, v in pending.fields.items() if name.startswith(LISTS)
            },
        )
    tags_only = replace(known, pending=pending)
    plan = plan_contact(untagged, tags_only, capabilities)
    return plan if isinstance(plan, Plan) else Plan()


def _of_unknown(
    contact_id: str, known: Known, policy: OnRemoved, capabilities: Capabilities
) -> Plan:
    """Return the plan to remove a contact whose external id is unknown.

    It is empty unless an upsert's outcome is unknown: then an empty upsert returns the
    id that a deletion needs.
    """
    pending = known.pending
    if (
        policy is not OnRemoved.DELETE
        or pending is None
        or not pending.creates
        or not pending.keys
    ):
        return Plan()
    if (
        capabilities.upsert is None
        or capabilities.upsert.must_carry
        or capabilities.delete is None
    ):
        return Plan()
    key = pending.keys[0]
    calls = (
        Call(Action.UPSERT, contact_id, key=key),
        Call(Action.DELETE, contact_id, key=key),
    )
    return Plan(
        calls, requests=capabilities.upsert.requests + capabilities.delete.requests
    )
