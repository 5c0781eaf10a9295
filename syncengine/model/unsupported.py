"""Words for changes that are not made although the contact is in step."""

from __future__ import annotations

from collections.abc import Iterable

from syncengine.model.calls import Unsupported

_UNDEFINED = "define it there, or take it out of the mapping"
_WORDS = {
    "invalid_value": "the source's value for {what} is not in its form, and what the vendor has stays: correct the row",
    "create": "the vendor has no call that creates a contact: create it there, and a run links it",
    "set_field": (
        "the vendor has no call that sets {what} of such a contact: do that there, or take it out of the mapping"
    ),
    "change_field": "the vendor has no call that changes {what}, and what it has stays: change it there",
    "clear_field": "the vendor cannot empty {what}, or did not, and what it has stays: do that there",
    "lower_opt_out": (
        "the vendor has an opt-out in {what}, which is not taken back, unless settings.lower_opt_outs names the field"
    ),
    "add_tag": (
        "the vendor has no call that adds {what} to such a contact: do that there, or take it out of the mapping"
    ),
    "remove_tag": "the vendor cannot take {what} away, or did not: do that there",
    "change_key": (
        "the vendor knows the contact by {what}, which cannot change: the contact stays under its former one there"
    ),
    "delete": "the vendor cannot delete a contact: do that there, or choose another on_removed",
    "join_list": (
        "the vendor has no call that puts such a contact on {what}: do that there, or take it out of the mapping"
    ),
    "leave_list": "the vendor has no call that takes such a contact off {what}: do that there",
    "field_not_shown": f"the vendor did not take {{what}}: {_UNDEFINED}",
    "field_shown_otherwise": (
        "the vendor took {what} with another value than was sent: look at the form that it has there, and correct the "
        "row or the mapping"
    ),
    "tag_not_shown": f"the vendor did not take {{what}}: {_UNDEFINED}",
}
"""Sentences by the code of a change: what it means, and what to do."""
_OTHER = "the vendor does not take {what} as it is wanted: look at it there"
"""For a code that another version of the program wrote down."""


def in_words(unsupported: Iterable[Unsupported]) -> str:
    """Return what the changes mean that were not made of a contact, and what to do."""
    by_code: dict[str, list[str]] = {}
    for each in unsupported:
        by_code.setdefault(each.code, []).append(subject_in_words(each))
    sentences = (
        _WORDS.get(code, _OTHER).format(what=", ".join(subjects))
        for code, subjects in by_code.items()
    )
    return "; ".join(sentences)


def subject_in_words(unsupported: Unsupported) -> str:
    """Return the field, tag or list by its kind and name."""
    kind = "tag" if "tag" in unsupported.code else "field"
    if unsupported.code.endswith("_list"):
        kind = "list"
    return f'{kind} "{unsupported.subject}"'
