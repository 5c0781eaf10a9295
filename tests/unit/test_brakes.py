"""The brakes disregard the rest of an unfinished first sync."""

from __future__ import annotations

from collections import Counter

import pytest

from syncengine.model.capabilities import Capabilities, ListCall, TagCall, Write
from syncengine.model.contact import Desired, Known
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Scope
from syncengine.planning.brakes import BrakeLimits, brakes_of_diff, brakes_of_survey
from syncengine.planning.survey import Survey

_CAN = Capabilities(
    create=Write(),
    update=Write(clears=("*",)),
    add_tags=TagCall(),
    join_lists=ListCall(),
)

SCOPES = {
    "first run": (Scope(5000, 0, 0), 5000, False),
    "after one contact": (Scope(5000, 1, 0), 4999, False),
    "interrupted": (Scope(5000, 2000, 0, compared_rows=5000), 3000, False),
    "never compared, half known": (Scope(5000, 2500, 0), 2500, False),
    "interrupted, and the source has grown by a third": (
        Scope(6500, 2000, 0, compared_rows=5000),
        4500,
        False,
    ),
    "grown by more than half": (Scope(7501, 5000, 0, compared_rows=5000), 2501, True),
    "grown by half": (Scope(7500, 5000, 0, compared_rows=5000), 2500, False),
    "grown ninefold": (Scope(900, 100, 0, compared_rows=100), 800, True),
    "doubled": (Scope(600, 300, 0, compared_rows=300), 300, True),
    "grown from 5 to 40": (Scope(40, 5, 0, compared_rows=5), 35, False),
    "grown from 40 to 120": (Scope(120, 40, 0, compared_rows=40), 80, False),
    "grown by 1000 from next to nothing": (
        Scope(1005, 5, 0, compared_rows=5),
        1000,
        True,
    ),
    "grown, and all but a few are there already": (
        Scope(9000, 8900, 0, compared_rows=5000),
        100,
        False,
    ),
    "shrunk, then back": (Scope(5000, 4000, 0, compared_rows=5000), 1000, False),
    "other keys": (Scope(5000, 5000, 5000, compared_rows=5000), 5000, True),
    "other keys for five": (Scope(5, 5, 5, compared_rows=5), 5, True),
    "other keys after one contact": (Scope(5000, 1, 1), 5000, True),
    "other keys for half": (Scope(100, 100, 50, compared_rows=100), 50, False),
    "other keys for more than half": (Scope(100, 100, 51, compared_rows=100), 51, True),
    "many leave, few come": (Scope(50, 100, 60, compared_rows=100), 10, False),
    "other keys, and a limit of one": (
        Scope(100, 100, 100, unseen=100, compared_rows=100),
        1,
        True,
    ),
    "a limit in a first sync": (Scope(5000, 10, 0, unseen=4990), 10, False),
}


@pytest.mark.parametrize("name", SCOPES)
def test_the_brake_for_creates(name: str) -> None:
    scope, creates, stops = SCOPES[name]
    brakes = brakes_of_survey(
        Survey(creates=creates), scope, {}, BrakeLimits(), frozenset()
    )
    assert [brake.name for brake in brakes] == (["creates"] if stops else [])
    assert (
        brakes_of_survey(
            Survey(creates=creates), scope, {}, BrakeLimits(), frozenset({"creates"})
        )
        == []
    )


MOVES = {
    "nobody was in step yet": (Scope(600, 300, unfinished=300), 0, None),
    "a mass move": (Scope(300, 300), 94, "94 of 300 known contacts"),
    "a mass move beside a first sync": (
        Scope(900, 900, unfinished=600),
        94,
        "94 of 300 contacts that were in step before",
    ),
    "a small move beside a first sync": (Scope(900, 900, unfinished=600), 90, None),
    "all of a few": (Scope(900, 900, unfinished=850), 50, "50 of 50 contacts that"),
    "fewer than the brake asks about": (Scope(900, 900, unfinished=851), 49, None),
}


@pytest.mark.parametrize("name", MOVES)
def test_the_brakes_for_tags_and_lists(name: str) -> None:
    scope, moved, told = MOVES[name]
    survey = Survey(tags=Counter({"vip": moved}), lists=Counter({"42": moved}))
    brakes = brakes_of_survey(survey, scope, {}, BrakeLimits(), frozenset())
    assert [brake.name for brake in brakes] == (["tags", "lists"] if told else [])
    assert all(str(told) in brake.message for brake in brakes)


@pytest.mark.parametrize("is_settled", [True, False])
def test_first_tags_and_lists_do_not_count_and_emptied_fields_do(
    *, is_settled: bool
) -> None:
    desired = Desired(
        "1", {"name": None, "lists.42": True}, frozenset({"vip"}), manages_lists=True
    )
    known = Known("ext-1", fields={"name": "Ann"})
    survey = Survey()
    survey.add(desired, known, _CAN, is_settled=is_settled)
    assert survey.nulls == {"name": 1}
    assert (survey.tags, survey.lists) == (
        ({"vip": 1}, {"42": 1}) if is_settled else ({}, {})
    )


def test_contacts_that_no_vendor_ever_had_count_for_no_brake() -> None:
    for scope in (Scope(0, 0, 0), Scope(100, 0, 0)):
        assert brakes_of_diff(scope, OnRemoved.DELETE, BrakeLimits(), frozenset()) == []


def test_the_brakes_say_how_many_are_marked_beside_those_that_are_touched() -> None:
    scope = Scope(199, 300, 101, tagged=40, touched=0)
    texts = {
        OnRemoved.IGNORE: "have marked 101 contacts as removed. Is",
        OnRemoved.UNTAG: (
            "have removed our tags from 0 contacts and only marked 101 more as removed."
        ),
        OnRemoved.DELETE: "have deleted 0 contacts and only marked 101 more as removed.",
    }
    for policy, text in texts.items():
        (brake,) = brakes_of_diff(scope, policy, BrakeLimits(), frozenset())
        assert brake.name == "shrunk_source"
        assert text in brake.message
