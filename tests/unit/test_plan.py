"""Calls that follow from the remote contact and the desired one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncengine.model.calls import Rejected
from syncengine.model.capabilities import Capabilities, Deletion, TagCall, Write
from syncengine.model.contact import Fields, Known, MatchKey, Pending
from syncengine.model.mapping import OnRemoved
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import plan_removal
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

Row = tuple[Capabilities, Known, Wish, str]
"""The last: the calls, in order."""

NEWCOMERS: dict[str, Row] = {
    "one create": (
        SPLITTING,
        NEW,
        Wish({"ref": "7", "name": "I"}),
        "create name=I ref=7",
    ),
    "NULLs are not sent": (
        SPLITTING,
        NEW,
        Wish({"ref": "7", "name": None}),
        "create ref=7",
    ),
    "nor are empty texts": (
        SPLITTING,
        NEW,
        Wish({"ref": "7", "name": "", "b": 0}),
        "create b=0 ref=7",
    ),
    "tags in calls of two": (
        SPLITTING,
        NEW,
        Wish({"ref": "7"}, "x y z"),
        "create ref=7; add_tags +x +y; add_tags +z",
    ),
    "two tags ride inside, a third does not": (
        RIDING,
        NEW,
        Wish({"a": 1}, "x y z"),
        "create a=1 +x +y; add_tags +z",
    ),
    "an update takes what calls of one would": (
        RIDING,
        NEW,
        Wish({"a": 1}, "w x y z"),
        "create a=1 +w +x; update +y +z",
    ),
    "everything in one upsert": (
        ADDING,
        NEW,
        Wish({"a": 1}, "x y"),
        "upsert by ref a=1 +x +y",
    ),
    "an empty contact is made all the same": (ADDING, NEW, Wish(), "upsert by ref"),
    "an upsert goes by the key the vendor prefers": (
        KEYED,
        NEW,
        Wish({"phone": "1", "email": "e"}, keys="phone email"),
        "upsert by email email=e phone=1",
    ),
    "the first list rides inside": (
        LISTING,
        NEW,
        Wish({"a": 1}, lists="l m n"),
        "create a=1 lists.l=True; join_lists lists.m=True lists.n=True",
    ),
    (
        "a create carries what the vendor tells contacts apart by, however little "
        "room there is"
    ): (
        TELLING,
        NEW,
        Wish({"a": 1, "email": "", "phone": "1", "ref": "7"}),
        "create phone=1 ref=7; update a=1",
    ),
    "the key it prefers is enough": (
        replace(
            TELLING, create=Write(max_fields=1, keyed_by=("email", "phone")), find_by=()
        ),
        NEW,
        Wish({"a": 1, "email": "e", "phone": "1"}),
        "create email=e; update a=1 phone=1",
    ),
    "a stage of life has a call of its own": (
        STAGED,
        NEW,
        Wish({"name": "I", "stage": "lead"}),
        "create name=I; set_lifecycle stage=lead",
    ),
}
CHANGES: dict[str, Row] = {
    "nothing": (SPLITTING, there("x", a=1), Wish({"a": 1}, "x"), ""),
    "changed fields only": (
        SPLITTING,
        there(a=1, b=2),
        Wish({"a": 1, "b": 3}),
        "update b=3",
    ),
    "true is not 1": (SPLITTING, there(a=1), Wish({"a": True}), "update a=True"),
    "a NULL clears": (SPLITTING, there(a=1), Wish({"a": None}), "update a=None"),
    "a NULL where nothing is": (SPLITTING, there(), Wish({"a": None}), ""),
    "an empty text where nothing is": (SPLITTING, there(), Wish({"a": ""}), ""),
    "a NULL where an empty text is": (ADDING, there(a=""), Wish({"a": None}), ""),
    "an empty text for a value": (
        ADDING,
        there(a=1),
        Wish({"a": ""}),
        "upsert by ref a=",
    ),
    "what is no longer mapped is left alone": (
        SPLITTING,
        there(a=1, old=2),
        Wish({"a": 1}),
        "",
    ),
    "tags come and go": (
        SPLITTING,
        there("x y"),
        Wish(tags="y z"),
        "add_tags +z; remove_tags -x",
    ),
    "tags of others are neither removed nor sent": (
        SPLITTING,
        there(found="own x"),
        Wish(tags="x"),
        "",
    ),
    "tags ride in the update": (
        RIDING,
        there("x", a=1),
        Wish({"a": 2}, "y"),
        "update a=2 +y -x",
    ),
    "a tag alone": (RIDING, there(a=1), Wish({"a": 1}, "y"), "add_tags +y"),
    "an update by id, for an upsert may hit another": (
        KEYED,
        there(email="e", phone="1"),
        Wish({"email": "e", "phone": "2"}, keys="email phone"),
        "update phone=2",
    ),
    "a value that is among those kept": (
        ADDING,
        there(phones=["2"]),
        Wish({"phones": "2"}),
        "",
    ),
    "lists joined and left": (
        LISTING,
        there(lists="l m"),
        Wish(lists="m n"),
        "join_lists lists.n=True; leave_lists lists.l=None",
    ),
    "the last list is left": (
        LISTING,
        there(lists="l"),
        Wish(lists=""),
        "leave_lists lists.l=None",
    ),
    "lists are nobody's business": (
        LISTING,
        there(lists="l"),
        Wish({"a": 1}),
        "update a=1",
    ),
    "a stage that ends": (
        STAGED,
        there(stage="lead"),
        Wish({"stage": None}),
        "set_lifecycle stage=None",
    ),
}
IN_DOUBT: dict[str, Row] = {
    "a field that reverted": (
        SPLITTING,
        there(a=1, doubt=Pending(fields={"a": 2})),
        Wish({"a": 1}),
        "update a=1",
    ),
    "a field that is none now": (
        SPLITTING,
        there(doubt=Pending(fields={"a": 2})),
        Wish({"a": None}),
        "update a=None",
    ),
    "tags that may be there": (
        SPLITTING,
        there(doubt=Pending(add_tags=frozenset("x"))),
        Wish(),
        "remove_tags -x",
    ),
    "tags that may be gone": (
        SPLITTING,
        there("x", doubt=Pending(remove_tags=frozenset("x"))),
        Wish(tags="x"),
        "add_tags +x",
    ),
    "a value that is kept, whatever came beside it": (
        ADDING,
        there(phones=["1"], doubt=Pending(fields={"phones": "2"})),
        Wish({"phones": "1"}),
        "",
    ),
    "a value that may have come": (
        ADDING,
        there(doubt=Pending(fields={"phones": "2"})),
        Wish({"phones": "2"}),
        "upsert by ref phones=2",
    ),
}
SEVERAL: dict[str, Row] = {
    "each item of a list": (
        ADDING,
        there(phones=["1"]),
        Wish({"phones": ["1", "2", "3", "2", None, ""]}),
        "upsert by ref phones=['2', '3']",
    ),
    "none that is new": (
        ADDING,
        there(phones=["1", "2"]),
        Wish({"phones": ["2", "1"]}),
        "",
    ),
}
BY_HELD_VALUE: dict[str, Row] = {
    "behind the create": (
        BY_PHONE,
        NEW,
        Wish({"phone": "1"}, "x"),
        "create phone=1; add_tags by phone=1 +x",
    ),
    "under the new phone": (
        BY_PHONE,
        there(phone="1"),
        Wish({"phone": "2"}, "x"),
        "update phone=2; add_tags by phone=2 +x",
    ),
    "before the phone is cleared": (
        BY_PHONE,
        there("x", phone="1"),
        Wish({"phone": None}),
        "remove_tags by phone=1 -x; update phone=None",
    ),
    "behind a phone in doubt, sent once more": (
        BY_PHONE,
        there("x", phone="1", doubt=Pending(fields={"phone": "2"})),
        Wish({"phone": "1"}),
        "update phone=1; remove_tags by phone=1 -x",
    ),
    "behind a write that carries the phone in doubt anyway": (
        replace(BY_PHONE, update=Write(must_carry=("phone",))),
        there("x", phone="1", doubt=Pending(fields={"phone": "2"})),
        Wish({"a": 1}),
        "update a=1 phone=1; remove_tags by phone=1 -x",
    ),
}
TABLES = {
    "a newcomer": NEWCOMERS,
    "a change": CHANGES,
    "in doubt": IN_DOUBT,
    "several": SEVERAL,
    "by held value": BY_HELD_VALUE,
}


@pytest.mark.parametrize(
    ("vendor", "stands", "wish", "calls"),
    [
        pytest.param(*row, id=f"{table}: {name}")
        for table, rows in TABLES.items()
        for name, row in rows.items()
    ],
)
def test_these_calls_and_nothing_unsupported(
    vendor: Capabilities, stands: Known, wish: Wish, calls: str
) -> None:
    plan = plan_contact(wish.desired, stands, vendor)
    assert isinstance(plan, Plan)
    assert (told(plan.calls), cannot(plan.unsupported)) == (calls, "")


UNSUPPORTED: dict[str, tuple[Capabilities, Known, Wish, str, str]] = {
    "an item that stays": (
        ADDING,
        there(phones=["1", "2"]),
        Wish({"phones": ["2"]}),
        "",
        "change_field phones",
    ),
    "items that stay": (
        ADDING,
        there(phones=["1"]),
        Wish({"phones": []}),
        "",
        "clear_field phones",
    ),
    "no clearing": (
        ADDING,
        there(a=1, b=1),
        Wish({"a": None, "b": 2}),
        "upsert by ref b=2",
        "clear_field a",
    ),
    "no removing of tags": (
        ADDING,
        there("x y"),
        Wish(tags="y z"),
        "upsert by ref +z",
        "remove_tag x",
    ),
    "no tags at all": (
        STAGED,
        NEW,
        Wish({"name": "I"}, "x"),
        "create name=I",
        "add_tag x",
    ),
    "no lists": (
        SPLITTING,
        there(lists="l"),
        Wish(lists="m"),
        "",
        "join_list m; leave_list l",
    ),
    "no such field": (
        STAGED,
        NEW,
        Wish({"name": "I", "age": 1}),
        "create name=I",
        "set_field age",
    ),
    "no update": (
        Capabilities(create=Write()),
        there(a=1),
        Wish({"a": 2, "b": 3}),
        "",
        "change_field a; set_field b",
    ),
    "no creating": (Capabilities(update=Write()), NEW, Wish({"a": 1}), "", "create"),
    "another identity": (
        ADDING,
        there(),
        Wish({"a": 2}, keys="other"),
        "upsert by ref a=2",
        "change_key ref",
    ),
    "a former value stays": (
        ADDING,
        there(phones=["1"]),
        Wish({"phones": "2"}),
        "upsert by ref phones=2",
        "change_field phones",
    ),
    "a former value stays instead of an empty one": (
        ADDING,
        there(phones=["1"]),
        Wish({"phones": ""}),
        "",
        "clear_field phones",
    ),
    "a former value stays instead of none": (
        ADDING,
        there(phones=["1"]),
        Wish({"phones": None}),
        "",
        "clear_field phones",
    ),
    "a former value stays, and a further one is not taken": (
        replace(ADDING, upsert=Write(fields=("a",))),
        there(phones=["1"]),
        Wish({"phones": "2"}),
        "",
        "change_field phones; set_field phones",
    ),
    "tags without a name for the contact": (
        BY_PHONE,
        there(a=1),
        Wish({"a": 2}, "x"),
        "update a=2",
        "add_tag x",
    ),
    "more than a create takes, where nothing follows": (
        Capabilities(create=Write(max_fields=2, add_tags=1), find_by=("ref",)),
        NEW,
        Wish({"a": 1, "b": 2, "ref": "7"}, "x y"),
        "create a=1 ref=7 +x",
        "add_tag y; set_field b",
    ),
    "a field, so that tags can name the contact": (
        replace(BY_PHONE, create=Write(max_fields=1), update=None),
        NEW,
        Wish({"ref": "7", "phone": "1"}, "x"),
        "create phone=1; add_tags by phone=1 +x",
        "set_field ref",
    ),
}


@pytest.mark.parametrize(
    ("vendor", "stands", "wish", "calls", "unsupported"),
    UNSUPPORTED.values(),
    ids=UNSUPPORTED,
)
def test_what_a_vendor_cannot_express_is_named(
    vendor: Capabilities, stands: Known, wish: Wish, calls: str, unsupported: str
) -> None:
    plan = plan_contact(wish.desired, stands, vendor)
    assert isinstance(plan, Plan)
    assert (told(plan.calls), cannot(plan.unsupported)) == (calls, unsupported)


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
LEAVERS: dict[str, tuple[OnRemoved, Capabilities, Known, str, str]] = {
    "is ignored": (OnRemoved.IGNORE, SPLITTING, there("x", a=1), "", ""),
    "loses our tags and keeps its own": (
        OnRemoved.UNTAG,
        SPLITTING,
        there("x", found="own"),
        "remove_tags -x",
        "",
    ),
    "leaves its lists": (
        OnRemoved.UNTAG,
        LISTING,
        there(lists="l", a=1),
        "leave_lists lists.l=None",
        "",
    ),
    "keeps tags that cannot be removed": (
        OnRemoved.UNTAG,
        ADDING,
        there("x"),
        "",
        "remove_tag x",
    ),
    "is deleted": (
        OnRemoved.DELETE,
        replace(SPLITTING, delete=Deletion()),
        there("x"),
        "delete by ref=7",
        "",
    ),
    "cannot be deleted": (OnRemoved.DELETE, SPLITTING, there("x"), "", "delete"),
    "is emptied after its lists are left": (
        OnRemoved.DELETE,
        replace(LISTING, delete=Deletion(keeps=("phone",))),
        there("x", lists="l"),
        "leave_lists lists.l=None; delete by ref=7",
        "remove_tag x",
    ),
    "is deleted with its lists": (
        OnRemoved.DELETE,
        replace(LISTING, delete=Deletion()),
        there(lists="l"),
        "delete by ref=7",
        "",
    ),
    "never got there": (
        OnRemoved.DELETE,
        replace(SPLITTING, delete=Deletion()),
        NEW,
        "",
        "",
    ),
    "may have got there": (
        OnRemoved.DELETE,
        replace(ADDING, delete=Deletion()),
        Known(pending=Pending(creates=True, keys=(REF,))),
        "upsert by ref; delete by ref=7",
        "",
    ),
}


@pytest.mark.parametrize(
    ("policy", "vendor", "stands", "calls", "unsupported"),
    LEAVERS.values(),
    ids=LEAVERS,
)
def test_a_removed_contact(
    policy: OnRemoved, vendor: Capabilities, stands: Known, calls: str, unsupported: str
) -> None:
    plan = plan_removal("7", stands, policy, vendor)
    assert (told(plan.calls), cannot(plan.unsupported)) == (calls, unsupported)
