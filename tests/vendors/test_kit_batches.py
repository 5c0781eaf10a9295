"""Reading the answer to a request about many contacts."""

from __future__ import annotations

from syncengine.model.calls import Action, Call
from syncengine.vendors.kit.batches import one_each, readable_entries, sent_values_in
from syncengine.vendors.kit.replies import ReplyModel


class _Entry(ReplyModel):
    ref: str


def test_an_entry_that_cannot_be_read_leaves_the_others() -> None:
    entries = [{"ref": "0"}, None, {"ref": 1}, "x", {"ref": "2", "more": True}]
    assert [each.ref for each in readable_entries(_Entry, entries)] == ["0", "2"]


def test_what_is_said_twice_of_one_is_not_believed() -> None:
    said = [("a", 1), ("b", 2), ("a", 1), ("c", 3), ("a", 4)]
    assert one_each(said) == {"b": 2, "c": 3}


def test_the_values_of_all_calls_are_told_once() -> None:
    calls = [
        Call(Action.CREATE, "1", fields={"city": "Bonn", "size": 5}, add_tags=("vip",)),
        Call(Action.CREATE, "2", fields={"city": "Bonn", "size": "5"}),
    ]
    assert [str(value) for value in sent_values_in(calls)] == ["Bonn", "5", "vip"]
