"""Senders of what is unknown: which run's call a part of a note is about.

A note (``model.contact.Pending``) may have been written by several runs, one after the
other, none of which learned what became of its calls. Each of its parts
(``model.unknown_parts``) has a sender. The rules:

- What a run is about to send is its own.
- What an earlier run sent, and a later one sends again with the same value, stays the
  earlier one's: at the vendor nothing is different whether it arrived once or twice.
- What a later run sends with another value is the later one's. Which of the two values
  was there before is not known then (``SendingRun.over_unknown``).
- What is unknown for another reason (it was distrusted, taken over from a former owner,
  written over by another contact) is nobody's. Whichever run sends it next owns it.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.contact import Pending, SendingRun
from syncengine.model.unknown_parts import parts_of, sender_of, with_needed_senders
from syncengine.planning.changes import equal_as_json


def with_earlier_senders(note: Pending, earlier: Pending | None) -> Pending:
    """Return a note by a run in which parts that were unknown before keep their sender.

    ``earlier`` is what was unknown when the run sent what it notes.
    """
    if earlier is None:
        return note
    before = parts_of(earlier)
    senders = dict(note.senders)
    for part, value in parts_of(note).items():
        if part not in before or part in senders:
            continue
        if equal_as_json(value, before[part]):
            senders[part] = sender_of(earlier, part)
        else:
            senders[part] = SendingRun(note.run_id, over_unknown=True)
    return with_needed_senders(note, senders)


def with_both_senders(combined: Pending, earlier: Pending, later: Pending) -> Pending:
    """Return the combination of two notes, with the senders of both.

    ``later`` was sent on top of ``earlier``.
    """
    parts = parts_of(later)
    if not parts:
        return replace(combined, run_id=earlier.run_id, senders=earlier.senders)
    later = with_earlier_senders(later, earlier)
    senders = dict(later.senders)
    for part in parts_of(earlier):
        if part not in parts:
            senders[part] = sender_of(earlier, part)
    return with_needed_senders(replace(combined, run_id=later.run_id), senders)
