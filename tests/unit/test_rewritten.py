"""Contacts that would become another person under one id, and those that change."""

from __future__ import annotations

import pytest

from syncengine.model.capabilities import Capabilities, Write
from syncengine.model.contact import Desired, Known, Pending
from syncengine.model.http import Json
from syncengine.planning.survey import Survey

CAN = Capabilities(
    create=Write(), update=Write(clears=("*",)), accumulates=("phones.*",)
)
WAS = {
    "crm_id": "7",
    "name": "Ann",
    "phone": "+491711000006",
    "email": "ann@x.de",
    "plan": "pro",
    "score": 1,
    "seen": 2,
}
CHANGES: dict[str, tuple[dict[str, Json], bool]] = {
    "nothing": ({}, False),
    "one field": ({"score": 2}, False),
    "two that change every night": ({"score": 2, "seen": 3}, False),
    "most fields": ({"name": "Bob", "plan": "max", "score": 2, "seen": 3}, True),
    "phone and address": ({"phone": "+491711000007", "email": "bob@x.de"}, True),
    "only the phone": ({"phone": "+491711000007", "score": 2}, False),
    "a new field": ({"more": "x"}, False),
}


def _rewritten(
    known: Known, desired: Desired, remapped: frozenset[str] = frozenset()
) -> int:
    survey = Survey(remapped=remapped)
    survey.add(desired, known, CAN)
    return survey.rewritten


@pytest.mark.parametrize("name", CHANGES)
def test_who_becomes_another_person(name: str) -> None:
    changes, is_rewritten = CHANGES[name]
    assert (
        _rewritten(Known("x", fields=WAS), Desired("7", {**WAS, **changes}))
        == is_rewritten
    )


def test_fields_that_are_mapped_in_another_way_do_not_count() -> None:
    desired = Desired(
        "7", {**WAS, "phone": "0171", "email": "ANN", "name": "ann", "plan": "PRO"}
    )
    assert _rewritten(Known("x", fields=WAS), desired) == 1
    assert (
        _rewritten(
            Known("x", fields=WAS),
            desired,
            frozenset({"phone", "email", "name", "plan"}),
        )
        == 0
    )


def test_the_id_of_the_contact_does_not_speak_for_it() -> None:
    was = {"crm_id": "7", "name": "Ann", "city": "A"}
    assert (
        _rewritten(
            Known("x", fields=was),
            Desired("7", {"crm_id": "7", "name": "Bob", "city": "B"}),
        )
        == 1
    )
    assert (
        _rewritten(
            Known("x", fields=was),
            Desired("7", {"crm_id": "7", "name": "Bob", "city": "A"}),
        )
        == 0
    )


def test_what_is_unknown_counts_as_it_was_known() -> None:
    doubtful = Known(
        "x",
        fields=WAS,
        pending=Pending(fields={"name": "Ann", "plan": "pro", "score": 1, "seen": 2}),
    )
    assert _rewritten(doubtful, Desired("7", WAS)) == 0


def test_what_a_vendor_only_adds_to_changes_where_it_is_new() -> None:
    was = {"phones.main": ["+491711000006"], "name": "Ann"}
    assert (
        _rewritten(
            Known("x", fields=was),
            Desired("7", {"phones.main": "+491711000006", "name": "Bob"}),
        )
        == 0
    )
    assert (
        _rewritten(
            Known("x", fields=was),
            Desired("7", {"phones.main": "+491711000007", "name": "Bob"}),
        )
        == 1
    )


def test_a_contact_of_which_nothing_is_known_is_no_other_person() -> None:
    assert _rewritten(Known("x"), Desired("7", WAS)) == 0
