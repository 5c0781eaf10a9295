"""Plans in a file: what is stated of a contact, and whether it is still so.

``planned_contact`` states what a run would send about a contact. When the plan is run,
each contact is planned anew, and ``movement`` compares: the run sends nothing unless
both say the same. What a look-up finds is not known before it is made, so right before
the first call of a contact goes out ``objection`` asks once more, whether the calls are
among the stated alternatives.

Values are compared by their digests: hashes with the key of the state, which the file
does not contain. So nobody gets a value out of a file that was made without values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from syncengine.model.calls import CREATING, Action, Call
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, Known, Pending
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.plan_file import (
    Alternative,
    Case,
    Moved,
    PlannedCall,
    PlannedContact,
)
from syncengine.model.work import ContactState
from syncengine.planning.changes import EMPTY, equal_as_json
from syncengine.planning.distrust import should_read_back
from syncengine.planning.found_contacts import known_after_not_found
from syncengine.planning.look_up import plan_look_up
from syncengine.planning.merges import has_open_merge
from syncengine.planning.plan import Plan, plan_contact

_LENGTH = 8
"""Bytes of a digest."""


class Digests:
    """Keyed hashes of what a plan rests on."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"syncengine plan\0" + key).digest()

    def of(self, *parts: Json) -> str:
        """Return the digest of some JSON values."""
        content = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(content, key=self._key, digest_size=_LENGTH).hexdigest()

    def row(self, contact_id: str, source_hash: int | None) -> str | None:
        """Return the digest of a row's version; None for a contact without a row."""
        if source_hash is None:
            return None
        return self.of("row", contact_id, source_hash)

    def known(self, state: ContactState) -> str:
        """Return the digest of what is known of a contact, apart from what is pending.

        The hash of its row is left out: a run that begins forgets it where the one
        before did not reach the contact.
        """
        known = state.known
        key = [known.key.field, known.key.value] if known.key else None
        return self.of(
            "known",
            state.contact_id,
            known.external_id,
            key,
            dict(known.fields),
            sorted(known.tags),
            sorted(known.found_tags),
            dict(known.seen_opt_outs),
            state.status.value,
            state.gone,
            state.given_up,
            state.taken_by,
        )

    def pending(self, contact_id: str, pending: Pending | None) -> str | None:
        """Return the digest of what is unknown; its age is left out, which grows."""
        if pending is None:
            return None
        return self.of(
            "pending",
            contact_id,
            pending.creates,
            pending.deletes,
            [[key.field, key.value] for key in pending.keys],
            dict(pending.fields),
            sorted(pending.add_tags),
            sorted(pending.remove_tags),
            pending.merged_with,
            pending.distrusted,
        )

    def call(self, call: Call) -> PlannedCall:
        """Return a call as a plan states it."""
        contact_id = call.contact_id
        fields = {
            name: self.of("field", contact_id, name, value)
            for name, value in sorted(call.fields.items())
        }
        at: str | None = None
        if call.external_id is not None:
            at = self.of("at", contact_id, call.external_id)
        return PlannedCall(
            action=call.action,
            at=at,
            fields=fields,
            add_tags=self._tags(contact_id, call.add_tags),
            remove_tags=self._tags(contact_id, call.remove_tags),
        )

    def _tags(self, contact_id: str, tags: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.of("tag", contact_id, tag) for tag in tags)


@dataclass(frozen=True, slots=True)
class LookUpRules:
    """Rules about look-ups, and about what they may find."""

    capabilities: Capabilities
    find_first: bool
    on_removed: OnRemoved


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPlan:
    """One contact as a run would work on it."""

    state: ContactState
    desired: Desired | None
    """None: it left the source."""
    source_hash: int | None
    plan: Plan
    is_refused: bool = False
    """True where our own check refuses it, and only a look-up is made."""
    is_gone: bool = False
    """True where it was deleted at the vendor, and is only looked up."""
    recreates: bool = False
    is_met: bool = False
    """True where another destination may have made it (``planning.attempt.job``)."""
    is_wanted: bool = False
    """True where another destination wants the copy of a removed contact: it is not
    deleted then."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One case, with the calls of it as they would be sent."""

    case: Case
    calls: tuple[Call, ...] = ()


def planned_contact(
    destination: str,
    contact: ContactPlan,
    rules: LookUpRules,
    digests: Digests,
    *,
    causes: Iterable[str] = (),
    shows_values: bool = False,
) -> PlannedContact:
    """Return what a plan file states of a contact."""
    state = contact.state
    contact_id = state.contact_id
    ways = tuple(_ways(contact, rules))
    values: Mapping[str, Json] = {}
    if shows_values:
        values = _values(contact, ways)
    return PlannedContact(
        destination=destination,
        contact_id=contact_id,
        row=digests.row(contact_id, contact.source_hash),
        known=digests.known(state),
        pending=digests.pending(contact_id, state.known.pending),
        recreates=contact.recreates,
        causes=tuple(sorted(causes)),
        alternatives=tuple(_stated(way, contact, rules, digests) for way in ways),
        values=values,
    )


def _stated(
    way: _Way, contact: ContactPlan, rules: LookUpRules, digests: Digests
) -> Alternative:
    """Return a case as a plan states it."""
    if way.case is not Case.FOUND:
        return Alternative(way.case, tuple(digests.call(call) for call in way.calls))
    if contact.desired is not None:
        return Alternative(way.case, differing=tuple(sorted(contact.desired.fields)))
    removal = rules.on_removed
    # The copy belongs to the other destination as well: only what is ours may go.
    if contact.is_wanted and removal is OnRemoved.DELETE:
        removal = OnRemoved.UNTAG
    return Alternative(way.case, removal=removal)


def _ways(contact: ContactPlan, rules: LookUpRules) -> Iterator[_Way]:
    """Yield what is sent about a contact, case by case."""
    if contact.is_refused:
        return
    known = contact.state.known
    # What the vendor has is not certain: it is read first, and the plan depends on it.
    if should_read_back(known, rules.capabilities) or has_open_merge(known):
        yield _Way(Case.FOUND)
        if not rules.capabilities.reads:
            # Not found by any key it may be there all the same, and is sent whole.
            yield _Way(Case.NOT_FOUND, contact.plan.calls)
        return
    look_up = plan_look_up(
        contact.desired,
        known,
        rules.capabilities,
        find_first=rules.find_first or contact.recreates or contact.is_met,
        always=contact.is_gone,
    )
    if look_up is not None:
        yield _Way(Case.NOT_FOUND, _calls_if_absent(contact, rules))
        yield _Way(Case.FOUND)
        return
    yield _Way(Case.AS_KNOWN, contact.plan.calls)
    # The plan is to hold for the contact that is in the way of the create, too.
    if _may_be_met(contact, rules.capabilities):
        yield _Way(Case.FOUND)


def _calls_if_absent(contact: ContactPlan, rules: LookUpRules) -> tuple[Call, ...]:
    """Return the calls that follow a look-up which found nothing."""
    desired, known = contact.desired, contact.state.known
    # One that left the source, or was deleted there, is not created because of that.
    if desired is None or contact.is_gone:
        return ()
    if known.pending is None:
        return contact.plan.calls
    # Once nothing was found, nothing of what was sent before is unknown any more.
    absent = known_after_not_found(known, rules.capabilities)
    plan = plan_contact(desired, absent, rules.capabilities)
    return plan.calls if isinstance(plan, Plan) else ()


def _may_be_met(contact: ContactPlan, capabilities: Capabilities) -> bool:
    """Return whether a contact without a look-up may turn out to be there.

    A create may be answered so, or its answer be lost, so that it is looked up.
    """
    if contact.desired is None or contact.state.known.external_id is not None:
        return False
    create = capabilities.create
    tells_existing = create is not None and create.tells_existing
    return tells_existing or capabilities.reads or bool(capabilities.find_by)


def _values(contact: ContactPlan, ways: Iterable[_Way]) -> dict[str, Json]:
    """Return old and new values of all that the alternatives may send, for people.

    A field of which nothing is known has no old value.
    """
    new: dict[str, Json] = {}
    add_tags: set[str] = set()
    remove_tags: set[str] = set()
    for way in ways:
        if way.case is Case.FOUND and contact.desired is not None:
            new.update(contact.desired.fields)
            add_tags.update(contact.desired.tags)
        for call in way.calls:
            new.update(call.fields)
            add_tags.update(call.add_tags)
            remove_tags.update(call.remove_tags)
    known = contact.state.known.fields
    fields: dict[str, Json] = {}
    for name, value in new.items():
        fields[name] = {"new": value}
        if name in known:
            fields[name] = {"old": known[name], "new": value}
    tags: dict[str, Json] = {"add": sorted(add_tags), "remove": sorted(remove_tags)}
    return {"fields": fields, "tags": tags}


def movement(planned: PlannedContact, now: PlannedContact) -> Moved | None:
    """Return what moved since a contact was planned; None: nothing did."""
    row = row_movement(planned, now.row)
    if row is not None:
        return row
    if planned.pending != now.pending:
        # A note that is there now is of a run in between; one that is gone was settled.
        return Moved.KNOWN_CHANGED if now.pending is None else Moved.UNFINISHED
    if planned.known != now.known:
        return Moved.KNOWN_CHANGED
    # Row and state are the same: only the configuration, or the time, can differ.
    is_same = planned.alternatives == now.alternatives
    if is_same and planned.recreates == now.recreates:
        return None
    return Moved.OTHER_CALLS


def row_movement(planned: PlannedContact, row: str | None) -> Moved | None:
    """Return what happened to the row of a contact since it was planned."""
    if planned.row == row:
        return None
    if planned.row is None:
        return Moved.ROW_BACK
    if row is None:
        return Moved.ROW_VANISHED
    return Moved.ROW_CHANGED


@dataclass(frozen=True, slots=True)
class ApprovedContact:
    """Permission of a plan that is run: what may be sent about one contact."""

    alternatives: tuple[Alternative, ...]
    digests: Digests = field(repr=False, compare=False)
    is_rest: bool = False
    """True where a part may have been sent already, by an earlier attempt of this run
    or by an earlier run of the same plan: what is left is a part of an alternative."""

    def resumed(self) -> ApprovedContact:
        """Return it as it is once a part may have been sent."""
        return replace(self, is_rest=True)

    def objection(
        self, desired: Desired | None, known: Known, calls: Sequence[Call]
    ) -> str | None:
        """Return why these calls may not be sent, in words; None: they may.

        ``known`` is what is known after the look-ups.
        """
        planned = [self.digests.call(call) for call in calls]
        for each in self.alternatives:
            if each.case is not Case.FOUND:
                is_stated = _fits(planned, each.calls, is_rest=self.is_rest)
            elif known.external_id is None:
                is_stated = False
            else:
                is_stated = _all_fit_found(calls, each, desired, known)
            if is_stated:
                return None
        actions = ", ".join(dict.fromkeys(call.action.value for call in calls))
        found = "no contact" if known.external_id is None else "a contact"
        return f"with {found} at the vendor it takes {actions}"


def _fits(
    calls: Sequence[PlannedCall], stated: Sequence[PlannedCall], *, is_rest: bool
) -> bool:
    """Return whether calls are those that an alternative states, or a rest of them."""
    if not is_rest:
        return tuple(calls) == tuple(stated)
    fields: set[tuple[str, str]] = set()
    add_tags: set[str] = set()
    remove_tags: set[str] = set()
    for each in stated:
        fields.update(each.fields.items())
        add_tags.update(each.add_tags)
        remove_tags.update(each.remove_tags)
    actions = {each.action for each in stated}
    return all(
        fields.issuperset(call.fields.items())
        and add_tags.issuperset(call.add_tags)
        and remove_tags.issuperset(call.remove_tags)
        and _is_stated(call.action, actions)
        for call in calls
    )


def _is_stated(action: Action, stated: Collection[Action]) -> bool:
    """Return whether a rest may contain an action.

    What is left of a create may be an update, and of no other action a new contact or a
    deletion.
    """
    return action in stated or action not in (*CREATING, Action.DELETE)


def _all_fit_found(
    calls: Sequence[Call], stated: Alternative, desired: Desired | None, known: Known
) -> bool:
    return all(_fits_found(call, stated, desired, known) for call in calls)


def _fits_found(
    call: Call, stated: Alternative, desired: Desired | None, known: Known
) -> bool:
    """Return whether a call brings a found contact in step, and does nothing else."""
    if desired is None:
        return _fits_removal(call, stated.removal, known)
    if call.action in (Action.CREATE, Action.DELETE):
        return False
    if not all(
        _fits_value(name, value, stated, desired, known)
        for name, value in call.fields.items()
    ):
        return False
    adds_wanted = desired.tags.issuperset(call.add_tags)
    return adds_wanted and desired.tags.isdisjoint(call.remove_tags)


def _fits_removal(call: Call, policy: OnRemoved | None, known: Known) -> bool:
    """Return whether a call takes away from a found contact what the policy says."""
    if call.action is Action.DELETE:
        return policy is OnRemoved.DELETE
    if policy is not OnRemoved.UNTAG or call.add_tags:
        return False
    return all(
        value in EMPTY or _is_kept(name, value, known)
        for name, value in call.fields.items()
    )


def _is_kept(name: str, value: Json, known: Known) -> bool:
    """Return whether a value stays as it is: a write has to carry it."""
    return name in known.fields and equal_as_json(value, known.fields[name])


def _fits_value(
    name: str, value: Json, stated: Alternative, desired: Desired, known: Known
) -> bool:
    """Return whether a found contact may get this value."""
    if _is_kept(name, value, known):
        return True
    if name not in stated.differing:
        # Lists and fields of ours that the row or the mapping does not ask for.
        is_ours = name.startswith(LISTS) or desired.mapped is not None
        return is_ours and value in EMPTY
    wanted = desired.fields.get(name)
    if equal_as_json(value, wanted):
        return True
    if isinstance(value, list) and isinstance(wanted, list):
        # Of a field that accumulates only the values that it lacks are sent.
        return all(_is_among(each, wanted) for each in value)
    return value in EMPTY and wanted in EMPTY


def _is_among(value: Json, values: Sequence[Json]) -> bool:
    return any(equal_as_json(value, each) for each in values)
