"""Causes for which a contact is worked on.

They follow from what is known, what is sent, and what changed in the configuration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncengine.model.calls import Action, Call
from syncengine.model.contact import Desired, Known, Pending
from syncengine.model.mapping import FieldMapping, Form, Mapping, OnNull, SetMapping
from syncengine.model.undo import TakenBack
from syncengine.model.work import ContactState, Status
from syncengine.planning.causes import (
    Cause,
    CauseCounter,
    CauseKind,
    Why,
    causes_of,
    changed_parts,
    meaning,
    released_parts,
    why_of,
)

KNOWN = Known("17", fields={"phone": "+491", "name": "Ann", "lists.a": True})
SYNCED = ContactState("1", KNOWN, Status.SYNCED, source_hash=1)
MAPPING = Mapping(
    (FieldMapping("phone", "mobile"), FieldMapping("name", "name")),
    SetMapping("tags"),
    match_on=("phone",),
)


def call(**fields: Any) -> Call:
    return Call(Action.UPDATE, "1", "17", fields=fields)


TAGGED = Call(Action.ADD_TAGS, "1", "17", add_tags=("a",))


def why(
    state: ContactState,
    *calls: Call,
    changed: tuple[str, ...] = (),
    removed: bool = False,
) -> set[Cause]:
    desired = None if removed else Desired("1", {})
    return set(causes_of(state, desired, 2, calls, frozenset(changed)))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ContactState("1"), CauseKind.NEW),
        (replace(SYNCED, status=Status.REMOVED), CauseKind.RETURNED),
        (replace(SYNCED, status=Status.SUPPRESSED), CauseKind.LIFTED),
        (replace(SYNCED, status=Status.REJECTED), CauseKind.REJECTED),
        (replace(SYNCED, status=Status.GONE), CauseKind.GONE),
        (replace(SYNCED, status=Status.PENDING), CauseKind.UNFINISHED),
        (
            replace(SYNCED, known=replace(KNOWN, pending=Pending())),
            CauseKind.UNFINISHED,
        ),
        (ContactState("1", Known(pending=Pending(creates=True))), CauseKind.UNFINISHED),
        (replace(SYNCED, source_hash=None), CauseKind.UNFINISHED),
        (SYNCED, CauseKind.ROW),
        (replace(SYNCED, status=Status.DEAD, rejected_hash=1), CauseKind.ROW),
        (replace(SYNCED, status=Status.DEAD, rejected_hash=2), CauseKind.REJECTED),
        (replace(SYNCED, status=Status.DEAD, rejected_hash=None), CauseKind.REJECTED),
        (ContactState("1", status=Status.DEAD, rejected_hash=1), CauseKind.ROW),
        (replace(SYNCED, source_hash=2), CauseKind.OUT_OF_STEP),
    ],
)
def test_what_is_known_of_a_contact_tells_why(
    state: ContactState, expected: CauseKind
) -> None:
    assert why(state, call(name="Bea")) == {Cause(expected)}


def test_contacts_that_are_not_selected_any_more_are_removed() -> None:
    assert why(SYNCED, call(), removed=True) == {Cause(CauseKind.LEFT)}
    assert why(
        replace(SYNCED, known=replace(KNOWN, pending=Pending())), removed=True
    ) == {Cause(CauseKind.UNFINISHED)}


def test_a_changed_mapping_is_named_by_field_and_only_where_its_field_is_sent() -> None:
    changed = ("fields.phone", "tags")
    assert why(SYNCED, call(phone="+492"), changed=changed) == {
        Cause(CauseKind.MAPPING, "phone")
    }
    assert why(SYNCED, call(name="Bea"), changed=changed) == {Cause(CauseKind.ROW)}
    assert why(SYNCED, TAGGED, changed=changed) == {Cause(CauseKind.TAGS)}
    both = {
        Cause(CauseKind.MAPPING, "phone"),
        Cause(CauseKind.ROW),
        Cause(CauseKind.TAGS),
    }
    assert why(SYNCED, call(phone="+492", name="Bea"), TAGGED, changed=changed) == both


def test_what_is_sent_unchanged_is_no_cause() -> None:
    assert why(SYNCED, call(name="Ann", phone="+492"), changed=("fields.name",)) == {
        Cause(CauseKind.ROW)
    }


def test_lists_nulls_and_versions_are_causes_too() -> None:
    assert why(SYNCED, call(**{"lists.b": True}), changed=("lists",)) == {
        Cause(CauseKind.LISTS)
    }
    assert why(SYNCED, call(phone=None), changed=("on_null",)) == {
        Cause(CauseKind.ON_NULL)
    }
    assert why(SYNCED, call(phone="+492"), changed=("on_null",)) == {
        Cause(CauseKind.ROW)
    }
    assert why(SYNCED, call(phone="+492"), changed=("version",)) == {
        Cause(CauseKind.VERSION)
    }


def test_who_needs_nothing_sent_has_a_cause_all_the_same() -> None:
    assert why(SYNCED) == {Cause(CauseKind.ROW)}


@pytest.mark.parametrize(
    ("now", "parts"),
    [
        (MAPPING, set()),
        (replace(MAPPING, match_on=("name",), opted_out="out"), set()),
        (replace(MAPPING, fields=MAPPING.fields[::-1]), set()),
        (
            replace(
                MAPPING,
                fields=(FieldMapping("phone", "mobile", Form.E164), MAPPING.fields[1]),
            ),
            {"fields.phone"},
        ),
        (
            replace(
                MAPPING,
                fields=(
                    FieldMapping("phone", "mobile", default="x"),
                    MAPPING.fields[1],
                ),
            ),
            {"fields.phone"},
        ),
        (replace(MAPPING, fields=MAPPING.fields[:1]), {"fields.name"}),
        (
            replace(MAPPING, fields=(*MAPPING.fields, FieldMapping("email", "email"))),
            {"fields.email"},
        ),
        (
            replace(MAPPING, tags=SetMapping("tags", prefix="crm:")),
            {"tags", "tags_prefix"},
        ),
        (replace(MAPPING, tags=SetMapping("others")), {"tags"}),
        (replace(MAPPING, tags=None), {"tags"}),
        (replace(MAPPING, lists=SetMapping("lists")), {"lists"}),
        (replace(MAPPING, on_null=OnNull.CLEAR), {"on_null"}),
    ],
)
def test_the_changed_parts_of_a_mapping_are_found_by_their_meaning(
    now: Mapping, parts: set[str]
) -> None:
    before = meaning(MAPPING, ("charles", 1))
    assert changed_parts(before, meaning(now, ("charles", 1))) == parts


def test_another_prefix_is_named_as_such_and_only_where_there_was_one() -> None:
    assert why(SYNCED, TAGGED, changed=("tags", "tags_prefix")) == {
        Cause(CauseKind.PREFIX)
    }
    assert why(SYNCED, call(**{"lists.b": True}), changed=("lists", "tags_prefix")) == {
        Cause(CauseKind.LISTS)
    }
    before = meaning(MAPPING, (1,))
    without = {name: mark for name, mark in before.items() if name != "tags_prefix"}
    other = meaning(replace(MAPPING, tags=SetMapping("tags", prefix="crm:")), (1,))
    assert changed_parts(without, other) == {"tags"}, (
        "an older version remembered no prefix by itself"
    )


def test_a_version_is_a_part_of_the_meaning_and_no_former_one_is_no_change() -> None:
    assert changed_parts(meaning(MAPPING, (1,)), meaning(MAPPING, (2,))) == {"version"}
    assert changed_parts(None, meaning(MAPPING, (1,))) == frozenset()


def test_causes_are_counted_by_contact_and_named_in_one_order() -> None:
    counted = CauseCounter(("fields.phone", "fields.name"))
    for number in range(2, 5):
        counted.add(SYNCED, Desired("1", {}), 2, (call(phone=f"+49{number}"),))
    counted.add(SYNCED, Desired("1", {}), 2, (call(name="Bea"), call(phone="+492")))
    counted.add(ContactState("2"), Desired("2", {}), 2, (call(name="Cem"),))
    assert [(cause.in_words, number) for cause, number in counted.counts()] == [
        ("new", 1),
        ("mapping of name changed", 1),
        ("mapping of phone changed", 4),
    ]
    assert _number_by_why(counted) == {Why.NEW: 1, Why.CONFIGURATION: 4}


def test_each_contact_has_one_reason_and_a_changed_row_outweighs_the_mapping() -> None:
    counted = CauseCounter(("fields.phone",))
    both = call(phone="+492", name="Bea")
    assert counted.add(SYNCED, Desired("1", {}), 2, (both,)) is Why.ROW
    gone = replace(SYNCED, status=Status.GONE)
    assert counted.add(gone, Desired("1", {}), 2, ()) is Why.GONE
    assert counted.add(gone, Desired("1", {}), 2, (), recreates=True) is Why.RECREATED
    assert _number_by_why(counted) == {Why.ROW: 1, Why.GONE: 1, Why.RECREATED: 1}


def _number_by_why(counted: CauseCounter) -> dict[Why, int]:
    return {why: number for why, number in counted.by_why().items() if number}


def test_every_cause_has_its_reason() -> None:
    for kind in CauseKind:
        assert why_of(frozenset({Cause(kind)})).value in {
            kind.value,
            Why.CONFIGURATION.value,
        }


def test_what_an_undo_held_back_is_announced_as_such() -> None:
    before = TakenBack(7, 1, frozenset({"phone", "lists.a"}), tags_on=frozenset("a"))
    after = replace(before, fields=frozenset({"lists.a"}))
    assert released_parts(before, before) == frozenset()
    released = released_parts(before, after)
    counted = CauseCounter()
    why = counted.add(
        SYNCED, Desired("1", {}), 2, (call(phone="1", name="B"),), released=released
    )
    assert why is Why.HELD
    assert {cause.why for cause, _ in counted.counts()} == {
        CauseKind.HELD,
        CauseKind.ROW,
    }
    for ended in (released_parts(before, TakenBack(7)), {"contact"}):
        found = causes_of(
            SYNCED, Desired("1", {}), 2, (TAGGED,), frozenset(), frozenset(ended)
        )
        assert found == {Cause(CauseKind.HELD)}
