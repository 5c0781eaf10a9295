"""Knowledge of a contact that a look-up found at the vendor."""

from __future__ import annotations

from syncengine.model.contact import Desired, Known, Pending, Remote
from syncengine.model.http import Json
from syncengine.planning.found_contacts import known_from_remote, with_inherited
from syncengine.planning.plan import Plan, plan_contact
from tests.support.plan_shorthand import LISTING, SPLITTING, told

THERE = Remote(
    "v7", {"name": "Ilse", "phone": "49151"}, frozenset({"theirs", "wanted", "sent"})
)
WANTED = Desired("7", {"name": "Ilse", "phone": "+49151"}, frozenset({"wanted", "new"}))
UNKNOWN = Known(pending=Pending(creates=True, add_tags=frozenset({"sent"})))


def _same(field: str, ours: Json, theirs: Json) -> bool:
    return bool(ours == theirs or (field == "phone" and ours == f"+{theirs}"))


def test_values_that_mean_the_same_are_known_in_our_form() -> None:
    assert known_from_remote(THERE, WANTED, Known(), _same).fields == {
        "name": "Ilse",
        "phone": "+49151",
    }


def test_tags_of_others_are_known_and_those_an_unknown_call_sent_are_ours() -> None:
    known = known_from_remote(THERE, WANTED, UNKNOWN, _same)
    assert known.tags == frozenset({"sent"})
    assert known.found_tags == frozenset({"theirs", "wanted"})


def test_tags_of_others_are_known_of_a_removed_contact_too() -> None:
    assert known_from_remote(THERE, None, UNKNOWN, _same).found_tags == frozenset(
        {"theirs", "wanted"}
    )


def test_tags_that_were_to_be_removed_are_ours() -> None:
    known = known_from_remote(
        THERE,
        WANTED,
        Known(pending=Pending(creates=True, remove_tags=frozenset({"sent"}))),
        _same,
    )
    assert known.tags == frozenset({"sent"})


def test_lists_that_the_vendor_does_not_show_stay_unknown() -> None:
    pending = Pending(
        creates=True,
        fields={"name": "Ilse", "lists.vip": True},
        add_tags=frozenset({"sent"}),
    )
    assert known_from_remote(
        THERE, WANTED, Known(pending=pending), _same
    ).pending == Pending(fields={"lists.vip": True})


def test_lists_of_a_removed_contact_are_left_unless_they_are_wanted() -> None:
    desired = Desired("7", {"lists.a": True}, manages_lists=True)
    known = with_inherited(Known("v7"), frozenset(), frozenset({"lists.a", "lists.b"}))
    assert known.pending == Pending(fields={"lists.a": None, "lists.b": None})
    plan = plan_contact(desired, known, LISTING)
    assert isinstance(plan, Plan)
    assert told(plan.calls) == "join_lists lists.a=True; leave_lists lists.b=None"


def test_fields_that_the_vendor_hides_stay_unknown() -> None:
    sent = Known(pending=Pending(creates=True, fields={"name": "B", "picture": "p"}))
    assert known_from_remote(THERE, WANTED, sent, _same, ("pic*",)).pending == Pending(
        fields={"picture": "p"}
    )
    known = with_inherited(
        Known("v7"), frozenset(), frozenset({"name", "picture"}), ("pic*",)
    )
    assert known.pending == Pending(fields={"picture": None})


def test_a_list_that_the_vendor_shows_is_not_unknown() -> None:
    known = with_inherited(
        Known("v7", fields={"lists.a": True}), frozenset(), frozenset({"lists.a"})
    )
    assert known.pending is None


def test_tags_of_others_stay_whether_or_not_they_are_wanted_in_between() -> None:
    known = known_from_remote(THERE, WANTED, Known(), _same)
    later = plan_contact(
        Desired("7", WANTED.fields, frozenset({"theirs"})), known, SPLITTING
    )
    assert isinstance(later, Plan)
    assert told(later.calls) == ""
