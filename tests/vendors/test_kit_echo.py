"""What the kit makes of an answer that shows what was written."""

from __future__ import annotations

import pytest

from syncengine.model.calls import Unsupported
from syncengine.model.http import Json
from syncengine.vendors.kit import fields_not_taken, same_text, tags_not_taken


def same(_: str, ours: Json, theirs: Json) -> bool:
    return same_text(ours, theirs)


@pytest.mark.parametrize(
    ("wanted", "before", "shown", "code"),
    [
        ("new", None, "new", None),
        ("new", None, None, "field_not_shown"),
        ("new", "old", "", "field_not_shown"),
        ("new", "old", "old", "field_shown_otherwise"),
        ("new", "old", "NEW", None),  # the vendor's form of ours, or somebody else's
        (3, None, "3", None),
        (False, None, None, "field_not_shown"),
        (None, "old", None, None),
        (None, "old", "", None),
        (None, "old", "old", "clear_field"),
        (None, "old", "other", "clear_field"),
    ],
)
def test_a_field_that_was_not_taken(wanted: Json, before: Json, shown: Json, code: str | None) -> None:
    found = list(fields_not_taken({"f": wanted}, {"f": before}, {"f": shown}, same))
    assert found == ([Unsupported(code, "f")] if code else [])


def test_a_tag_that_was_not_taken() -> None:
    assert list(tags_not_taken(("VIP", "new", "b"), ("vip", "B"))) == [Unsupported("tag_not_shown", "new")]
