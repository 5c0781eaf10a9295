"""Words for changes that are not made although the contact is in step.

The codes are those of ``model.calls.Unsupported``. Each sentence says what is the case,
and what a person can do; ``{what}`` is the field, tag or list.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncengine.model.calls import Unsupported

_DO_IT_THERE = "do that there"
_DO_OR_UNMAP = "do that there, or take it out of the mapping"
_DEFINE_OR_UNMAP = "define it there, or take it out of the mapping"
_WORDS = {
    "invalid_value": (
        "the source's value for {what} is not in its form, and what the vendor has "
        "stays: correct the row"
    ),
    "create": (
        "the vendor has no call that creates a contact: create it there, and a run "
        "links it"
    ),
    "set_field": (
        "the vendor has no call that sets {what} of such a contact: " + _DO_OR_UNMAP
    ),
    "change_field": (
        "the vendor has no call that changes {what}, and what it has stays: "
        "change it there"
    ),
    "clear_field": (
        "the vendor cannot empty {what}, or did not, and what it has stays: "
        + _DO_IT_THERE
    ),
    "lower_opt_out": (
        "the vendor has an opt-out in {what}, which is not taken back, unless "
        "settings.lower_opt_outs names the field"
    ),
    "add_tag": (
        "the vendor has no call that adds {what} to such a contact: " + _DO_OR_UNMAP
    ),
    "remove_tag": "the vendor cannot take {what} away, or did not: " + _DO_IT_THERE,
    "change_key": (
        "the vendor knows the contact by {what}, which cannot change: the contact "
        "stays under its former one there"
    ),
    "delete": (
        "the vendor cannot delete a contact: do that there, or choose another "
        "on_removed"
    ),
    "join_list": (
        "the vendor has no call that puts such a contact on {what}: " + _DO_OR_UNMAP
    ),
    "leave_list": (
        "the vendor has no call that takes such a contact off {what}: " + _DO_IT_THERE
    ),
    "field_not_shown": "the vendor did not take {what}: " + _DEFINE_OR_UNMAP,
    "field_shown_otherwise": (
        "the vendor took {what} with another value than was sent: look at the form "
        "that it has there, and correct the row or the mapping"
    ),
    "tag_not_shown": "the vendor did not take {what}: " + _DEFINE_OR_UNMAP,
    "old_value_unknown": (
        "nobody knows what {what} was before that run, and what the vendor has stays: "
        + _DO_IT_THERE
    ),
    "changed_since": "a later run has changed {what}, so it stays as it is now",
    "changed_there": "somebody has changed {what} at the vendor, so it stays as it is",
    "created_stays": (
        "that run created the contact, which stays: `--created delete` deletes such "
        "contacts"
    ),
    "deleted_before": "that run deleted the contact, and an undo creates nobody again",
    "gone_since": "the contact is not at the vendor any more, and stays so",
    "other_contact_since": "another contact of the vendor's is linked now: it stays",
    "left_source": (
        "nothing is sent about the contact: its row is not selected any more, and may "
        "have opted out"
    ),
    "selected_elsewhere": "another destination selects the contact, so it stays",
    "key_taken_since": (
        "another contact has the former match key now, so this one stays as it is"
    ),
}
"""Sentences by the code of a change: what it means, and what to do."""
_OTHER = "the vendor does not take {what} as it is wanted: look at it there"
"""For a code that another version of the program wrote down."""


def in_words(unsupported: Iterable[Unsupported]) -> str:
    """Return what the changes mean that were not made of a contact, and what to do.

    There is one sentence for all changes with the same code.
    """
    subjects_by_code: dict[str, list[str]] = {}
    for each in unsupported:
        subjects_by_code.setdefault(each.code, []).append(subject_in_words(each))
    sentences: list[str] = []
    for code, subjects in subjects_by_code.items():
        sentence = _WORDS.get(code, _OTHER)
        sentences.append(sentence.format(what=", ".join(subjects)))
    return "; ".join(sentences)


def subject_in_words(unsupported: Unsupported) -> str:
    """Return the field, tag or list by its kind and name."""
    if unsupported.code.endswith("_list"):
        kind = "list"
    elif "tag" in unsupported.code:
        kind = "tag"
    else:
        kind = "field"
    return f'{kind} "{unsupported.subject}"'
