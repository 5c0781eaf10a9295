"""The difference of two plans: what only the second one would send."""

from __future__ import annotations

from typing import Any

from syncengine.model.calls import Action, Call
from syncengine.model.contact import Known
from syncengine.planning.config_difference import ConfigDifference, EarlierPlan

KNOWN = Known("17", fields={"name": "Ann", "city": "Bonn"})


def update(*tags: str, **fields: Any) -> tuple[Call, ...]:
    return (Call(Action.UPDATE, "1", "17", fields=fields, add_tags=tags),)


def test_only_what_is_new_is_counted() -> None:
    earlier = EarlierPlan()
    earlier.add("same", update("a", name="Bea"), KNOWN)
    earlier.add("more", update("a", name="Bea"), KNOWN)
    earlier.add("other", update(name="Bea"), KNOWN)
    earlier.add("gone", update(name="Bea"), KNOWN)
    earlier.add("nothing", (), KNOWN)
    difference = ConfigDifference(earlier)
    difference.add("same", update("a", name="Bea"), KNOWN)
    difference.add("more", update("a", "b", name="Bea", city=None), KNOWN)
    difference.add("other", update(name="Cem"), KNOWN)
    difference.add("new", update(city="Berlin"), KNOWN)
    difference.add("nothing", (), KNOWN)
    assert (difference.only_now, difference.more, difference.no_longer) == (1, 2, 1)
    assert difference.changes.fields() == {
        "city": {"set": 0, "changed": 1, "cleared": 1},
        "name": {"set": 0, "changed": 1, "cleared": 0},
    }
    assert difference.changes.tags() == {"b": {"added": 1, "removed": 0}}


def test_what_is_sent_as_it_is_known_makes_no_difference() -> None:
    earlier = EarlierPlan()
    earlier.add("1", update(name="Ann", city="Berlin"), KNOWN)
    difference = ConfigDifference(earlier)
    difference.add("1", update(city="Berlin"), KNOWN)
    assert (difference.only_now, difference.more, difference.no_longer) == (0, 0, 0)
