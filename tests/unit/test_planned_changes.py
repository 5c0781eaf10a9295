"""What the calls of contacts change is shown by contact, and counted by name."""

from __future__ import annotations

from typing import Any

import pytest

from syncengine.model.calls import Action, Call
from syncengine.model.contact import Known, Pending
from syncengine.planning.planned_changes import (
    ChangeCounter,
    FieldChange,
    FieldEffect,
    field_changes,
    tag_changes,
)

KNOWN = Known("17", fields={"name": "Ann", "city": "Bonn", "vip": True, "zip": ""})


def update(**fields: Any) -> Call:
    return Call(Action.UPDATE, "1", "17", fields=fields)


@pytest.mark.parametrize(
    ("name", "new", "effect"),
    [
        ("phone", "+491", FieldEffect.SET),
        ("zip", "53111", FieldEffect.SET),
        ("name", "Bea", FieldEffect.CHANGED),
        ("vip", 1, FieldEffect.CHANGED),
        ("name", None, FieldEffect.CLEARED),
        ("lists.a", None, FieldEffect.CLEARED),
        ("name", "Ann", None),
        ("vip", True, None),
    ],
)
def test_a_field_is_set_changed_cleared_or_carried_as_it_is(
    name: str, new: Any, effect: FieldEffect | None
) -> None:
    changes = field_changes((update(**{name: new}),), KNOWN)
    assert [change.effect for change in changes.values()] == (
        [effect] if effect else []
    )


def test_what_is_sent_without_an_answer_is_not_known() -> None:
    known = Known("17", fields={"name": "Ann"}, pending=Pending(fields={"name": "Bea"}))
    assert field_changes((update(name="Ann"),), known) == {
        "name": FieldChange(is_known=False, old="Ann", new="Ann")
    }


def test_a_value_is_in_no_representation_of_a_change() -> None:
    assert "Ann" not in repr(field_changes((update(name="Bea"),), KNOWN))
    assert "Bea" not in repr(field_changes((update(name="Bea"),), KNOWN))


def test_contacts_are_counted_once_a_field_though_two_calls_carry_it() -> None:
    counter = ChangeCounter()
    create = Call(Action.CREATE, "1", fields={"name": "Ann", "lists.a": True})
    counter.add((create, update(name="Ann", city="Bonn")), Known())
    counter.add((update(name="Bea"),), KNOWN)
    one = {"set": 1, "changed": 0, "cleared": 0}
    assert counter.fields() == {
        "city": one,
        "name": {"set": 1, "changed": 1, "cleared": 0},
    }
    assert counter.lists() == {"lists.a": one}


def test_tags_are_ranked_by_their_contacts() -> None:
    counter = ChangeCounter()
    both = Call(Action.UPDATE, "1", "17", add_tags=("b", "c"), remove_tags=("a",))
    counter.add((both,), KNOWN)
    counter.add((Call(Action.ADD_TAGS, "2", "18", add_tags=("c",)),), KNOWN)
    assert tag_changes((both,)) == {"b": "added", "c": "added", "a": "removed"}
    assert list(counter.tags().items()) == [
        ("c", {"added": 2, "removed": 0}),
        ("a", {"added": 0, "removed": 1}),
        ("b", {"added": 1, "removed": 0}),
    ]
