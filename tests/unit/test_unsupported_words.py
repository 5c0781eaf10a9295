"""Messages on changes that are not made, and on contacts that fare alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import syncengine
from syncengine.model.calls import Action, Call, Rejected, Unsupported
from syncengine.model.unsupported import in_words
from syncengine.planning.attempt.conclusions import with_subject
from syncengine.planning.refusals import (
    common_refusal,
    common_refusal_of_dropped,
    dropped_with,
)

_REFUSED = Rejected(
    "http_404", "the vendor refused it; correct the row", 404, words="List not found"
)
_FIELD = Unsupported("field_not_shown", "custom.plan")
_TAG = Unsupported("tag_not_shown", "vip")
_OTHER = Unsupported("change_field", "email")


def _codes() -> set[str]:
    """Return the codes in the program, and those that the noun itself documents."""
    root = Path(syncengine.__file__).parent
    made = {
        code
        for path in root.rglob("*.py")
        for code in re.findall(r'Unsupported\("(\w+)"', path.read_text("utf-8"))
    }
    documented = set(
        re.findall(r"``(\w+)``", (root / "model" / "calls.py").read_text("utf-8"))
    )
    kinds = re.compile(
        "(set|change|clear)_field|(add|remove)_tag|(join|leave)_list|(field|tag)_(not_)?shown.*|lower_.*"
    )
    return (
        made
        | {code for code in documented if kinds.fullmatch(code)}
        | {"field_shown_otherwise"}
    )


def test_every_code_has_a_sentence() -> None:
    codes = _codes()
    assert len(codes) >= 14
    for code in codes:
        said = in_words([Unsupported(code, "the_name")])
        assert len(said.split()) > 5, code
        assert said != in_words([Unsupported("of_another_version", "the_name")])
        assert ("the_name" in said) is (code not in ("create", "delete"))


def test_changes_of_one_kind_are_one_sentence() -> None:
    said = in_words([_TAG, _FIELD, Unsupported("tag_not_shown", "new")])
    assert said == (
        'the vendor did not take tag "vip", tag "new": '
        "define it there, or take it out of the mapping; "
        'the vendor did not take field "custom.plan": '
        "define it there, or take it out of the mapping"
    )


@pytest.mark.parametrize(
    "others", [(), (_OTHER,), (_OTHER, Unsupported("remove_tag", "old"))]
)
@pytest.mark.parametrize("dropped", [(_FIELD,), (_FIELD, _TAG)])
def test_what_a_group_lacks_is_distinct_from_what_else_was_not_done(
    others: tuple[Unsupported, ...], dropped: tuple[Unsupported, ...]
) -> None:
    alike = common_refusal_of_dropped(dropped)
    assert alike is not None
    assert dropped_with(alike.fingerprint, (*others, *dropped)) == dropped
    assert dropped_with(alike.fingerprint + 1, (*others, *dropped)) == ()
    assert dropped_with(alike.fingerprint, ()) == ()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (
            Call(Action.JOIN_LISTS, "1", "x", fields={"lists.L-news": True}),
            'list "L-news": ',
        ),
        (Call(Action.UPDATE, "1", "x", fields={"plan": "secret"}), 'field "plan": '),
        (Call(Action.ADD_TAGS, "1", "x", add_tags=("vip",)), 'tag "vip": '),
        (Call(Action.REMOVE_TAGS, "1", "x", remove_tags=("vip",)), 'tag "vip": '),
        (Call(Action.ADD_TAGS, "1", "x", add_tags=("a", "b")), ""),
        (Call(Action.UPDATE, "1", "x", fields={"plan": "secret"}, add_tags=("a",)), ""),
        (Call(Action.DELETE, "1", "x"), ""),
    ],
)
def test_a_refusal_names_what_its_call_carried_if_that_is_one_thing(
    call: Call, named: str
) -> None:
    told = with_subject(call, _REFUSED)
    assert told.message == named + _REFUSED.message
    assert common_refusal(told) == common_refusal(_REFUSED)
    wordless = Rejected("http_404", "the vendor refused it", 404)
    assert common_refusal(with_subject(call, wordless)) == common_refusal(wordless)
