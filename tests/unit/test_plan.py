"""Calls that follow from the remote contact and the desired one."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from syncengine.model.calls import Rejected
from syncengine.model.capabilities import Capabilities, Deletion, TagCall, Write
from syncengine.model.contact import Fields, Known, MatchKey, Pending
from syncengine.model.mapping import OnRemoved
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import plan_removal, unknown_after_shared_removal
from syncengine.planning.sharing import WantedByOthers
from tests.support.plan_shorthand import (
    ADDING,
    BY_PHONE,
    KEYED,
    LISTING,
    NEW,
    RIDING,
    SPLITTING,
    STAGED,
    TELLING,
    Wish,
    cannot,
    there,
    told,
)


class Case(NamedTuple):
    """A contact that is known and desired like this, and the plan that follows."""

    vendor: Capabilities
    known: Known
    wish: Wish
    calls: str = ""
    """The calls in order; none if it is empty."""
    unsupported: str = ""


class Removal(NamedTuple):
    """A contact that left the source, and the plan that follows."""

    policy: OnRemoved
    vendor: Capabilities
    known: Known
    calls: str = ""
    unsupported: str = ""


NEWCOMERS: dict[str, Case] = {
    "one create": Case(
        vendor=SPLITTING,
        known=NEW,
        wish=Wish({"ref": "7", "name": "I"}),
        calls="create name=I ref=7",
    ),
    "NULLs are not sent": Case(
        vendor=SPLITTING,
        known=NEW,
        wish=Wish({"ref": "7", "name": None}),
        calls="create ref=7",
    ),
    "nor are empty texts": Case(
        vendor=SPLITTING,
        known=NEW,
        wish=Wish({"ref": "7", "name": "", "b": 0}),
        calls="create b=0 ref=7",
    ),
    "tags in calls of two": Case(
        vendor=SPLITTING,
        known=NEW,
        wish=Wish({"ref": "7"}, "x y z"),
        calls="create ref=7; add_tags +x +y; add_tags +z",
    ),
    "two tags ride inside, a third does not": Case(
        vendor=RIDING,
        known=NEW,
        wish=Wish({"a": 1}, "x y z"),
        calls="create a=1 +x +y; add_tags +z",
    ),
    "an update takes what calls of one would": Case(
        vendor=RIDING,
        known=NEW,
        wish=Wish({"a": 1}, "w x y z"),
        calls="create a=1 +w +x; update +y +z",
    ),
    "everything in one upsert": Case(
        vendor=ADDING,
        known=NEW,
        wish=Wish({"a": 1}, "x y"),
        calls="upsert by ref a=1 +x +y",
    ),
    "an empty contact is made all the same": Case(
        vendor=ADDING, known=NEW, wish=Wish(), calls="upsert by ref"
    ),
    "an upsert goes by the key the vendor prefers": Case(
        vendor=KEYED,
        known=NEW,
        wish=Wish({"phone": "1", "email": "e"}, keys="phone email"),
        calls="upsert by email email=e phone=1",
    ),
    "the first list rides inside": Case(
        vendor=LISTING,
        known=NEW,
        wish=Wish({"a": 1}, lists="l m n"),
        calls="create a=1 lists.l=True; join_lists lists.m=True lists.n=True",
    ),
    (
        "a create carries what the vendor tells contacts apart by, however little "
        "room there is"
    ): Case(
        vendor=TELLING,
        known=NEW,
        wish=Wish({"a": 1, "email": "", "phone": "1", "ref": "7"}),
        calls="create phone=1 ref=7; update a=1",
    ),
    "the key it prefers is enough": Case(
        vendor=replace(
            TELLING, create=Write(max_fields=1, keyed_by=("email", "phone")), find_by=()
        ),
        known=NEW,
        wish=Wish({"a": 1, "email": "e", "phone": "1"}),
        calls="create email=e; update a=1 phone=1",
    ),
    "a stage of life has a call of its own": Case(
        vendor=STAGED,
        known=NEW,
        wish=Wish({"name": "I", "stage": "lead"}),
        calls="create name=I; set_lifecycle stage=lead",
    ),
}
CHANGES: dict[str, Case] = {
    "nothing": Case(vendor=SPLITTING, known=there("x", a=1), wish=Wish({"a": 1}, "x")),
    "changed fields only": Case(
        vendor=SPLITTING,
        known=there(a=1, b=2),
        wish=Wish({"a": 1, "b": 3}),
        calls="update b=3",
    ),
    "true is not 1": Case(
        vendor=SPLITTING,
        known=there(a=1),
        wish=Wish({"a": True}),
        calls="update a=True",
    ),
    "a NULL clears": Case(
        vendor=SPLITTING,
        known=there(a=1),
        wish=Wish({"a": None}),
        calls="update a=None",
    ),
    "a NULL where nothing is": Case(
        vendor=SPLITTING, known=there(), wish=Wish({"a": None})
    ),
    "an empty text where nothing is": Case(
        vendor=SPLITTING, known=there(), wish=Wish({"a": ""})
    ),
    "a NULL where an empty text is": Case(
        vendor=ADDING, known=there(a=""), wish=Wish({"a": None})
    ),
    "an empty text for a value": Case(
        vendor=ADDING,
        known=there(a=1),
        wish=Wish({"a": ""}),
        calls="upsert by ref a=",
    ),
    "what is no longer mapped is left alone": Case(
        vendor=SPLITTING,
        known=there(a=1, old=2),
        wish=Wish({"a": 1}),
    ),
    "tags come and go": Case(
        vendor=SPLITTING,
        known=there("x y"),
        wish=Wish(tags="y z"),
        calls="add_tags +z; remove_tags -x",
    ),
    "tags of others are neither removed nor sent": Case(
        vendor=SPLITTING,
        known=there(found="own x"),
        wish=Wish(tags="x"),
    ),
    "tags ride in the update": Case(
        vendor=RIDING,
        known=there("x", a=1),
        wish=Wish({"a": 2}, "y"),
        calls="update a=2 +y -x",
    ),
    "a tag alone": Case(
        vendor=RIDING, known=there(a=1), wish=Wish({"a": 1}, "y"), calls="add_tags +y"
    ),
    "an update by id, for an upsert may hit another": Case(
        vendor=KEYED,
        known=there(email="e", phone="1"),
        wish=Wish({"email": "e", "phone": "2"}, keys="email phone"),
        calls="update phone=2",
    ),
    "a value that is among those kept": Case(
        vendor=ADDING,
        known=there(phones=["2"]),
        wish=Wish({"phones": "2"}),
    ),
    "lists joined and left": Case(
        vendor=LISTING,
        known=there(lists="l m"),
        wish=Wish(lists="m n"),
        calls="join_lists lists.n=True; leave_lists lists.l=None",
    ),
    "the last list is left": Case(
        vendor=LISTING,
        known=there(lists="l"),
        wish=Wish(lists=""),
        calls="leave_lists lists.l=None",
    ),
    "lists are nobody's business": Case(
        vendor=LISTING,
        known=there(lists="l"),
        wish=Wish({"a": 1}),
        calls="update a=1",
    ),
    "a stage that ends": Case(
        vendor=STAGED,
        known=there(stage="lead"),
        wish=Wish({"stage": None}),
        calls="set_lifecycle stage=None",
    ),
}
UNKNOWN: dict[str, Case] = {
    "a field that reverted": Case(
        vendor=SPLITTING,
        known=there(a=1, doubt=Pending(fields={"a": 2})),
        wish=Wish({"a": 1}),
        calls="update a=1",
    ),
    "a field that is none now": Case(
        vendor=SPLITTING,
        known=there(doubt=Pending(fields={"a": 2})),
        wish=Wish({"a": None}),
        calls="update a=None",
    ),
    "tags that may be there": Case(
        vendor=SPLITTING,
        known=there(doubt=Pending(add_tags=frozenset("x"))),
        wish=Wish(),
        calls="remove_tags -x",
    ),
    "tags that may be gone": Case(
        vendor=SPLITTING,
        known=there("x", doubt=Pending(remove_tags=frozenset("x"))),
        wish=Wish(tags="x"),
        calls="add_tags +x",
    ),
    "a value that is kept, whatever came beside it": Case(
        vendor=ADDING,
        known=there(phones=["1"], doubt=Pending(fields={"phones": "2"})),
        wish=Wish({"phones": "1"}),
    ),
    "a value that may have come": Case(
        vendor=ADDING,
        known=there(doubt=Pending(fields={"phones": "2"})),
        wish=Wish({"phones": "2"}),
        calls="upsert by ref phones=2",
    ),
}
SEVERAL: dict[str, Case] = {
    "each item of a list": Case(
        vendor=ADDING,
        known=there(phones=["1"]),
        wish=Wish({"phones": ["1", "2", "3", "2", None, ""]}),
        calls="upsert by ref phones=['2', '3']",
    ),
    "none that is new": Case(
        vendor=ADDING,
        known=there(phones=["1", "2"]),
        wish=Wish({"phones": ["2", "1"]}),
    ),
}
BY_KNOWN_VALUE: dict[str, Case] = {
    "behind the create": Case(
        vendor=BY_PHONE,
        known=NEW,
        wish=Wish({"phone": "1"}, "x"),
        calls="create phone=1; add_tags by phone=1 +x",
    ),
    "under the new phone": Case(
        vendor=BY_PHONE,
        known=there(phone="1"),
        wish=Wish({"phone": "2"}, "x"),
        calls="update phone=2; add_tags by phone=2 +x",
    ),
    "before the phone is cleared": Case(
        vendor=BY_PHONE,
        known=there("x", phone="1"),
        wish=Wish({"phone": None}),
        calls="remove_tags by phone=1 -x; update phone=None",
    ),
    "behind an unknown phone, sent once more": Case(
        vendor=BY_PHONE,
        known=there("x", phone="1", doubt=Pending(fields={"phone": "2"})),
        wish=Wish({"phone": "1"}),
        calls="update phone=1; remove_tags by phone=1 -x",
    ),
    "behind a write that carries the unknown phone anyway": Case(
        vendor=replace(BY_PHONE, update=Write(must_carry=("phone",))),
        known=there("x", phone="1", doubt=Pending(fields={"phone": "2"})),
        wish=Wish({"a": 1}),
        calls="update a=1 phone=1; remove_tags by phone=1 -x",
    ),
}
TABLES = {
    "a newcomer": NEWCOMERS,
    "a change": CHANGES,
    "unknown": UNKNOWN,
    "several": SEVERAL,
    "by known value": BY_KNOWN_VALUE,
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{table}: {name}")
        for table, cases in TABLES.items()
        for name, case in cases.items()
    ],
)
def test_these_calls_and_nothing_unsupported(case: Case) -> None:
    plan = plan_contact(case.wish.desired, case.known, case.vendor)
    assert isinstance(plan, Plan)
    assert (told(plan.calls), cannot(plan.unsupported)) == (case.calls, "")


UNSUPPORTED: dict[str, Case] = {
    "an item that stays": Case(
        vendor=ADDING,
        known=there(phones=["1", "2"]),
        wish=Wish({"phones": ["2"]}),
        unsupported="change_field phones",
    ),
    "items that stay": Case(
        vendor=ADDING,
        known=there(phones=["1"]),
        wish=Wish({"phones": []}),
        unsupported="clear_field phones",
    ),
    "no clearing": Case(
        vendor=ADDING,
        known=there(a=1, b=1),
        wish=Wish({"a": None, "b": 2}),
        calls="upsert by ref b=2",
        unsupported="clear_field a",
    ),
    "no removing of tags": Case(
        vendor=ADDING,
        known=there("x y"),
        wish=Wish(tags="y z"),
        calls="upsert by ref +z",
        unsupported="remove_tag x",
    ),
    "no tags at all": Case(
        vendor=STAGED,
        known=NEW,
        wish=Wish({"name": "I"}, "x"),
        calls="create name=I",
        unsupported="add_tag x",
    ),
    "no lists": Case(
        vendor=SPLITTING,
        known=there(lists="l"),
        wish=Wish(lists="m"),
        unsupported="join_list m; leave_list l",
    ),
    "no such field": Case(
        vendor=STAGED,
        known=NEW,
        wish=Wish({"name": "I", "age": 1}),
        calls="create name=I",
        unsupported="set_field age",
    ),
    "no update": Case(
        vendor=Capabilities(create=Write()),
        known=there(a=1),
        wish=Wish({"a": 2, "b": 3}),
        unsupported="change_field a; set_field b",
    ),
    "no creating": Case(
        vendor=Capabilities(update=Write()),
        known=NEW,
        wish=Wish({"a": 1}),
        unsupported="create",
    ),
    "another identity": Case(
        vendor=ADDING,
        known=there(),
        wish=Wish({"a": 2}, keys="other"),
        calls="upsert by ref a=2",
        unsupported="change_key ref",
    ),
    "a former value stays": Case(
        vendor=ADDING,
        known=there(phones=["1"]),
        wish=Wish({"phones": "2"}),
        calls="upsert by ref phones=2",
        unsupported="change_field phones",
    ),
    "a former value stays instead of an empty one": Case(
        vendor=ADDING,
        known=there(phones=["1"]),
        wish=Wish({"phones": ""}),
        unsupported="clear_field phones",
    ),
    "a former value stays instead of none": Case(
        vendor=ADDING,
        known=there(phones=["1"]),
        wish=Wish({"phones": None}),
        unsupported="clear_field phones",
    ),
    "a former value stays, and a further one is not taken": Case(
        vendor=replace(ADDING, upsert=Write(fields=("a",))),
        known=there(phones=["1"]),
        wish=Wish({"phones": "2"}),
        unsupported="change_field phones; set_field phones",
    ),
    "tags without a name for the contact": Case(
        vendor=BY_PHONE,
        known=there(a=1),
        wish=Wish({"a": 2}, "x"),
        calls="update a=2",
        unsupported="add_tag x",
    ),
    "more than a create takes, where nothing follows": Case(
        vendor=Capabilities(create=Write(max_fields=2, add_tags=1), find_by=("ref",)),
        known=NEW,
        wish=Wish({"a": 1, "b": 2, "ref": "7"}, "x y"),
        calls="create a=1 ref=7 +x",
        unsupported="add_tag y; set_field b",
    ),
    "a field, so that tags can name the contact": Case(
        vendor=replace(BY_PHONE, create=Write(max_fields=1), update=None),
        known=NEW,
        wish=Wish({"ref": "7", "phone": "1"}, "x"),
        calls="create phone=1; add_tags by phone=1 +x",
        unsupported="set_field ref",
    ),
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=name) for name, case in UNSUPPORTED.items()],
)
def test_what_a_vendor_cannot_express_is_named(case: Case) -> None:
    plan = plan_contact(case.wish.desired, case.known, case.vendor)
    assert isinstance(plan, Plan)
    assert told(plan.calls) == case.calls
    assert cannot(plan.unsupported) == case.unsupported


def test_an_update_names_the_contact_by_the_key_it_is_known_under() -> None:
    fixed = replace(SPLITTING, update=Write(fields=("name",)))
    plan = plan_contact(
        Wish({"ref": "8", "name": "I"}).desired, there(ref="7", name="B"), fixed
    )
    assert isinstance(plan, Plan)
    assert [call.key for call in plan.calls] == [MatchKey("ref", "7")]
    assert cannot(plan.unsupported) == "change_field ref"


def test_fields_beyond_the_limit_follow_and_the_key_goes_first() -> None:
    plan = plan_contact(
        Wish({"a": 1, "b": 2, "c": 3, "d": 4, "ref": "7"}).desired, NEW, SPLITTING
    )
    assert isinstance(plan, Plan)
    create, update = plan.calls
    assert (len(create.fields), "ref" in create.fields) == (3, True)
    assert {**create.fields, **update.fields} == {
        "a": 1,
        "b": 2,
        "c": 3,
        "d": 4,
        "ref": "7",
    }


def test_a_write_carries_what_it_has_to_changed_or_not() -> None:
    vendor = replace(SPLITTING, update=Write(must_carry=("ref", "name"), max_fields=3))
    plan = plan_contact(
        Wish({"a": 1, "b": 2, "ref": "8"}).desired, there(ref="7", name="I"), vendor
    )
    assert isinstance(plan, Plan)
    assert set(told(plan.calls).split("; ")) == {
        "update a=1 name=I ref=8",
        "update b=2 name=I ref=8",
    }


def test_a_contact_without_a_required_field_is_rejected_with_its_name() -> None:
    plan = plan_contact(
        Wish({"phone": "1", "email": None}, keys="phone").desired, NEW, KEYED
    )
    assert isinstance(plan, Rejected)
    assert (plan.code, plan.by_vendor) == ("missing_field", False)
    assert "needs email" in plan.message


@pytest.mark.parametrize(
    "fields",
    [
        {"ref": "7"},
        {"ref": "7", "email": "", "phone": None},
        {"ref": "7", "PHONE": "1"},
    ],
)
def test_a_create_without_what_the_vendor_tells_contacts_apart_by_is_refused(
    fields: Fields,
) -> None:
    plan = plan_contact(Wish(fields).desired, NEW, TELLING)
    assert isinstance(plan, Rejected)
    assert (plan.code, plan.by_vendor) == ("missing_field", False)
    assert "needs email or phone" in plan.message
    assert isinstance(
        plan_contact(Wish(fields).desired, there(ref="7"), TELLING), Plan
    ), "nothing is created"


def test_requests_count_the_whole_exchange_of_every_call() -> None:
    vendor = replace(
        SPLITTING, update=Write(requests=2), add_tags=TagCall(requests=3, max_tags=1)
    )
    plan = plan_contact(Wish({"a": 1}, "x y").desired, there(), vendor)
    assert isinstance(plan, Plan)
    assert plan.requests == 2 + 3 + 3


def test_a_tag_call_knows_the_other_keys_that_the_contact_may_have_by_now() -> None:
    vendor = replace(
        BY_PHONE,
        update=Write(fields=("name",)),
        add_tags=TagCall(addressed_by=("phone", "email")),
    )
    plan = plan_contact(
        Wish({"phone": "2", "email": "e"}, "x").desired,
        there(phone="1", email="d"),
        vendor,
    )
    assert isinstance(plan, Plan)
    (call,) = plan.calls
    assert call.key == MatchKey("phone", "1")
    assert call.other_keys == (
        MatchKey("phone", "2"),
        MatchKey("email", "e"),
        MatchKey("email", "d"),
    )


REF = MatchKey("ref", "7")
REMOVALS: dict[str, Removal] = {
    "is ignored": Removal(
        policy=OnRemoved.IGNORE, vendor=SPLITTING, known=there("x", a=1)
    ),
    "loses our tags and keeps its own": Removal(
        policy=OnRemoved.UNTAG,
        vendor=SPLITTING,
        known=there("x", found="own"),
        calls="remove_tags -x",
    ),
    "leaves its lists": Removal(
        policy=OnRemoved.UNTAG,
        vendor=LISTING,
        known=there(lists="l", a=1),
        calls="leave_lists lists.l=None",
    ),
    "keeps tags that cannot be removed": Removal(
        policy=OnRemoved.UNTAG,
        vendor=ADDING,
        known=there("x"),
        unsupported="remove_tag x",
    ),
    "is deleted": Removal(
        policy=OnRemoved.DELETE,
        vendor=replace(SPLITTING, delete=Deletion()),
        known=there("x"),
        calls="delete by ref=7",
    ),
    "cannot be deleted": Removal(
        policy=OnRemoved.DELETE,
        vendor=SPLITTING,
        known=there("x"),
        unsupported="delete",
    ),
    "is emptied after its lists are left": Removal(
        policy=OnRemoved.DELETE,
        vendor=replace(LISTING, delete=Deletion(keeps=("phone",))),
        known=there("x", lists="l"),
        calls="leave_lists lists.l=None; delete by ref=7",
        unsupported="remove_tag x",
    ),
    "is deleted with its lists": Removal(
        policy=OnRemoved.DELETE,
        vendor=replace(LISTING, delete=Deletion()),
        known=there(lists="l"),
        calls="delete by ref=7",
    ),
    "never got there": Removal(
        policy=OnRemoved.DELETE,
        vendor=replace(SPLITTING, delete=Deletion()),
        known=NEW,
    ),
    "may have got there": Removal(
        policy=OnRemoved.DELETE,
        vendor=replace(ADDING, delete=Deletion()),
        known=Known(pending=Pending(creates=True, keys=(REF,))),
        calls="upsert by ref; delete by ref=7",
    ),
}


@pytest.mark.parametrize(
    "removal",
    [pytest.param(removal, id=name) for name, removal in REMOVALS.items()],
)
def test_a_removed_contact(removal: Removal) -> None:
    plan = plan_removal("7", removal.known, removal.policy, removal.vendor)
    assert told(plan.calls) == removal.calls
    assert cannot(plan.unsupported) == removal.unsupported


@pytest.mark.parametrize(
    ("pending", "left"),
    [
        # What the other one does not want is taken away, and is unknown no more.
        (Pending(fields={"lists.l": True}, add_tags=frozenset({"x"})), None),
        (
            Pending(fields={"lists.l": True, "a": 1}, deletes=True),
            Pending(fields={"a": 1}, deletes=True),
        ),
        # What the other one wants stays there, and stays unknown here.
        (
            Pending(fields={"lists.theirs": True}, add_tags=frozenset({"theirs"})),
            Pending(fields={"lists.theirs": True}, add_tags=frozenset({"theirs"})),
        ),
    ],
)
def test_what_a_shared_removal_takes_away_is_settled(
    pending: Pending, left: Pending | None
) -> None:
    vendor = replace(LISTING, remove_tags=TagCall())
    known = replace(there("x theirs", lists="l"), pending=pending)
    wanted = WantedByOthers(frozenset({"theirs"}), frozenset({"lists.theirs"}))
    plan = plan_removal("7", known, OnRemoved.UNTAG, vendor, wanted)
    assert unknown_after_shared_removal(known, plan, vendor) == left
