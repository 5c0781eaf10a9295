"""The kit's reading of an answer that shows what was written."""

from __future__ import annotations

import pytest

from syncengine.model.calls import Unsupported
from syncengine.model.http import Json
from syncengine.vendor import (
    fields_lost,
    fields_not_taken,
    same_text,
    tags_not_removed,
    tags_not_taken,
)


def same(_: str, ours: Json, theirs: Json) -> bool:
    return same_text(ours, theirs)


@pytest.mark.parametrize(
    ("sent", "shown", "code"),
    [
        ("new", "new", None),
        ("new", None, "field_not_shown"),
        ("new", "", "field_not_shown"),
        ("new", "old", "field_shown_otherwise"),
        ("a long text", "a long", "field_shown_otherwise"),
        ("new", "NEW", "field_shown_otherwise"),
        (" two\r\nlines ", "two\nlines", None),  # the vendor's form of ours
        (3, "3", None),
        (3, "4", "field_shown_otherwise"),
        (False, None, "field_not_shown"),
        (False, True, "field_shown_otherwise"),
        (None, None, None),
        (None, "", None),
        (None, "old", "clear_field"),
        ("", "old", "clear_field"),
    ],
)
def test_a_field_that_was_not_taken(sent: Json, shown: Json, code: str | None) -> None:
    found = list(fields_not_taken({"f": sent}, {"f": shown}, same))
    assert found == ([Unsupported(code, "f")] if code else [])


def test_a_field_that_a_write_lost() -> None:
    before: dict[str, Json] = {"a": "x", "b": "x", "c": "x", "d": 0}
    lost = list(fields_lost(before, {"a": "x", "b": "from elsewhere", "c": ""}))
    assert lost == [
        Unsupported("field_not_shown", "c"),
        Unsupported("field_not_shown", "d"),
    ]


def test_a_tag_that_was_not_removed() -> None:
    assert list(tags_not_removed(("VIP", "b"), ("vip", "c"))) == [
        Unsupported("remove_tag", "VIP")
    ]


def test_a_tag_that_was_not_taken() -> None:
    assert list(tags_not_taken(("VIP", "new", "b"), ("vip", "B"))) == [
        Unsupported("tag_not_shown", "new")
    ]
