"""What a plan file states of a contact, what counts as moved, and what is let through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import Capabilities, TagCall, Write
from syncengine.model.contact import Desired, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.plan_file import Alternative, Case, Moved, PlannedContact
from syncengine.model.work import ContactState, Status
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.plan_file import (
    ApprovedContact,
    ContactPlan,
    Digests,
    LookUpRules,
    movement,
    planned_contact,
)

DIGESTS = Digests(b"the key of this state")
FIELDS = ("name", "phone")
LOOKED_UP = Capabilities(
    create=Write(FIELDS), update=Write(FIELDS), find_by=("phone",), reads=True
)
"""A vendor whose new contacts are looked up."""
UPSERTED = Capabilities(upsert=Write(FIELDS), add_tags=TagCall(10), reads=False)
"""A vendor without look-ups."""
KEY = MatchKey("phone", "+1")
ANN = Desired("13", {"name": "Ann", "phone": "+1"}, keys=(KEY,))
LINKED = ContactState(
    "13", Known("x1", KEY, {"name": "An", "phone": "+1"}), Status.SYNCED, 7
)
NEW = ContactState("13")
UNKNOWN_CREATE = Pending(creates=True, keys=(KEY,), fields={"name": "An"})


def _contact(
    state: ContactState,
    desired: Desired | None = ANN,
    capabilities: Capabilities = LOOKED_UP,
    source_hash: int | None = 8,
    plan: Plan | None = None,
) -> ContactPlan:
    if plan is None:
        assert desired is not None
        made = plan_contact(desired, state.known, capabilities)
        assert isinstance(made, Plan)
        plan = made
    return ContactPlan(state=state, desired=desired, source_hash=source_hash, plan=plan)


def _planned(
    contact: ContactPlan,
    capabilities: Capabilities = LOOKED_UP,
    *,
    find_first: bool = True,
    shows_values: bool = False,
) -> PlannedContact:
    rules = LookUpRules(capabilities, find_first, OnRemoved.DELETE)
    return planned_contact("one", contact, rules, DIGESTS, shows_values=shows_values)


def _cases(planned: PlannedContact) -> dict[str, list[str]]:
    """Return the actions of each case, or the fields of a found contact."""
    return {
        each.case.value: list(each.differing)
        if each.case is Case.FOUND
        else [call.action.value for call in each.calls]
        for each in planned.alternatives
    }


@pytest.mark.parametrize(
    ("contact", "capabilities", "expected"),
    [
        (_contact(LINKED), LOOKED_UP, {"as_known": ["update"]}),
        (
            _contact(NEW),
            LOOKED_UP,
            {"not_found": ["create"], "found": ["name", "phone"]},
        ),
        (_contact(NEW, capabilities=UPSERTED), UPSERTED, {"as_known": ["upsert"]}),
        (
            _contact(replace(NEW, known=Known(pending=UNKNOWN_CREATE))),
            LOOKED_UP,
            {"not_found": ["create"], "found": ["name", "phone"]},
        ),
        (
            replace(_contact(NEW), is_gone=True),
            LOOKED_UP,
            {"not_found": [], "found": ["name", "phone"]},
        ),
        (replace(_contact(NEW), is_refused=True), LOOKED_UP, {}),
        (
            _contact(
                replace(
                    LINKED,
                    known=replace(LINKED.known, pending=Pending(distrusted=True)),
                )
            ),
            LOOKED_UP,
            {"found": ["name", "phone"]},
        ),
    ],
    ids=["linked", "new", "upsert", "unknown create", "gone", "refused", "distrusted"],
)
def test_the_alternatives_of_a_contact(
    contact: ContactPlan,
    capabilities: Capabilities,
    expected: Mapping[str, Sequence[str]],
) -> None:
    assert _cases(_planned(contact, capabilities)) == expected


def test_a_create_without_a_look_up_may_still_meet_a_contact() -> None:
    planned = _planned(_contact(NEW), find_first=False)
    assert list(_cases(planned)) == ["as_known", "found"]


def test_values_are_there_only_when_asked_for() -> None:
    silent = _planned(_contact(LINKED))
    assert "Ann" not in repr(silent)
    assert silent.values == {}
    told = _planned(_contact(LINKED), shows_values=True)
    assert told.values["fields"] == {"name": {"old": "An", "new": "Ann"}}
    # The same value of two contacts has two digests: nobody can group people by them.
    other = _contact(replace(LINKED, contact_id="14"), replace(ANN, contact_id="14"))
    assert _values_of(_planned(other)).isdisjoint(_values_of(silent))


def _values_of(planned: PlannedContact) -> set[str]:
    calls = [call for each in planned.alternatives for call in each.calls]
    return {digest for call in calls for digest in call.fields.values()}


CHANGED = replace(LINKED, known=replace(LINKED.known, fields={"name": "Anna"}))
SENT = replace(LINKED, known=replace(LINKED.known, pending=Pending(age=1.0)))
SENT_LONG_AGO = replace(LINKED, known=replace(LINKED.known, pending=Pending(age=9e9)))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (_contact(LINKED), _contact(LINKED), None),
        (_contact(SENT), _contact(SENT_LONG_AGO), None),
        (_contact(LINKED), _contact(replace(LINKED, source_hash=None)), None),
        (_contact(LINKED), _contact(LINKED, source_hash=9), Moved.ROW_CHANGED),
        (_contact(LINKED), _contact(LINKED, source_hash=None), Moved.ROW_VANISHED),
        (_contact(LINKED, source_hash=None), _contact(LINKED), Moved.ROW_BACK),
        (_contact(LINKED), _contact(CHANGED), Moved.KNOWN_CHANGED),
        (_contact(SENT), _contact(LINKED), Moved.KNOWN_CHANGED),
        (_contact(LINKED), _contact(SENT), Moved.UNFINISHED),
        (
            _contact(LINKED),
            _contact(replace(LINKED, status=Status.REJECTED)),
            Moved.KNOWN_CHANGED,
        ),
        (_contact(LINKED), _contact(LINKED, plan=Plan()), Moved.OTHER_CALLS),
        (
            _contact(LINKED),
            replace(_contact(LINKED), recreates=True),
            Moved.OTHER_CALLS,
        ),
    ],
    ids=[
        "same",
        "older intent",
        "hash forgotten by a run that begins",
        "row changed",
        "row vanished",
        "row back",
        "known changed",
        "settled",
        "unfinished",
        "rejected since",
        "other calls",
        "recreated",
    ],
)
def test_what_moved_since_the_plan(
    before: ContactPlan, now: ContactPlan, expected: Moved | None
) -> None:
    assert movement(_planned(before), _planned(now)) is expected


def _call(
    action: Action, fields: Mapping[str, Json], external_id: str | None = "x1"
) -> Call:
    return Call(action, "13", external_id, fields=fields)


WHOLE = {"name": "Ann", "phone": "+1"}
UPDATE = _call(Action.UPDATE, {"name": "Ann"})
CREATE = _call(Action.CREATE, WHOLE, None)
DELETE = _call(Action.DELETE, {})
FOUND = Known("y2", KEY, {"name": "Theirs"})
NOBODY = Known()


@pytest.mark.parametrize(
    ("state", "known", "calls", "is_let_through"),
    [
        (LINKED, LINKED.known, [UPDATE], True),
        (LINKED, LINKED.known, [_call(Action.UPDATE, {"name": "Bob"})], False),
        (LINKED, LINKED.known, [_call(Action.UPDATE, WHOLE)], False),
        (LINKED, LINKED.known, [UPDATE, UPDATE], False),
        (LINKED, FOUND, [_call(Action.UPDATE, {"name": "Ann"}, "y2")], False),
        (LINKED, NOBODY, [CREATE], False),
        (LINKED, LINKED.known, [DELETE], False),
        (NEW, NOBODY, [CREATE], True),
        (NEW, NOBODY, [_call(Action.CREATE, {"name": "Ann"}, None)], False),
        (NEW, FOUND, [_call(Action.UPDATE, {"name": "Ann"}, "y2")], True),
        (NEW, FOUND, [_call(Action.UPDATE, {"name": "Theirs"}, "y2")], True),
        (NEW, FOUND, [_call(Action.UPDATE, {"name": "Bob"}, "y2")], False),
        (NEW, FOUND, [_call(Action.UPDATE, {"city": "Bonn"}, "y2")], False),
        (NEW, FOUND, [_call(Action.UPDATE, {"city": None}, "y2")], False),
        (NEW, FOUND, [_call(Action.UPDATE, {"lists.7": None}, "y2")], True),
        (NEW, FOUND, [replace(DELETE, external_id="y2")], False),
        (NEW, FOUND, [Call(Action.ADD_TAGS, "13", "y2", add_tags=("vip",))], False),
        (
            NEW,
            FOUND,
            [Call(Action.REMOVE_TAGS, "13", "y2", remove_tags=("old",))],
            True,
        ),
    ],
)
def test_only_what_an_alternative_states_is_let_through(
    state: ContactState, known: Known, calls: Sequence[Call], *, is_let_through: bool
) -> None:
    approved = ApprovedContact(_planned(_contact(state)).alternatives, DIGESTS)
    assert (approved.objection(ANN, known, calls) is None) is is_let_through


@pytest.mark.parametrize(
    ("calls", "is_let_through"),
    [
        ([_call(Action.UPDATE, {"phone": "+1"})], True),
        ([_call(Action.UPDATE, {"phone": "+2"})], False),
        ([CREATE], True),
        ([DELETE], False),
        ([], True),
    ],
)
def test_a_rest_is_a_part_of_what_was_stated(
    calls: Sequence[Call], *, is_let_through: bool
) -> None:
    """A run that goes on sends what is left of a create, maybe as an update."""
    made = ApprovedContact(_planned(_contact(NEW)).alternatives[:1], DIGESTS)
    rest = made.resumed()
    assert (rest.objection(ANN, NOBODY, calls) is None) is is_let_through


@pytest.mark.parametrize(
    ("removal", "call", "is_let_through"),
    [
        (OnRemoved.DELETE, DELETE, True),
        (OnRemoved.UNTAG, DELETE, False),
        (
            OnRemoved.UNTAG,
            Call(Action.REMOVE_TAGS, "13", "y2", remove_tags=("a",)),
            True,
        ),
        (OnRemoved.UNTAG, Call(Action.ADD_TAGS, "13", "y2", add_tags=("a",)), False),
        (OnRemoved.UNTAG, _call(Action.UPDATE, {"name": "Bob"}), False),
        (OnRemoved.UNTAG, _call(Action.UPDATE, {"name": "Theirs"}), True),
        (OnRemoved.IGNORE, Call(Action.REMOVE_TAGS, "13", "y2"), False),
    ],
)
def test_a_removed_contact_that_is_found_loses_what_the_plan_says(
    removal: OnRemoved, call: Call, *, is_let_through: bool
) -> None:
    stated = (Alternative(Case.NOT_FOUND), Alternative(Case.FOUND, removal=removal))
    approved = ApprovedContact(stated, DIGESTS)
    assert (approved.objection(None, FOUND, [call]) is None) is is_let_through
