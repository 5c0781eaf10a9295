"""Undos, and records of changes, that are broken on purpose: each is noticed.

A break that goes unnoticed means that the histories do not draw its case, or that
nobody looks at what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import chain

import pytest

from syncengine.engine import contact_planner
from syncengine.model.change import ChangedField, ContactChange
from syncengine.model.contact import THIS_RUN, Desired
from syncengine.model.work import RunChanges
from syncengine.planning import change_log, undo
from syncengine.planning.attempt import progress
from syncengine.planning.change_log import Piece, with_pieces
from tests.simulation.drawing import draw_history
from tests.simulation.history import play
from tests.support.memory.contacts import Contacts

MOST = 400
"""Seeds within which a break must show."""

Break = Callable[[pytest.MonkeyPatch], None]


def _who_settles_has_sent(patch: pytest.MonkeyPatch) -> None:
    def of_this_run(changes: RunChanges, pieces: Collection[Piece]) -> RunChanges:
        return with_pieces(changes, [each._replace(run_id=THIS_RUN) for each in pieces])

    patch.setattr(progress, "with_pieces", of_this_run)


def _what_is_unknown_was_empty(patch: pytest.MonkeyPatch) -> None:
    def known(new: object, old: object = None, **_: object) -> ChangedField:
        return ChangedField(new, old, is_old_known=True)

    patch.setattr(change_log, "ChangedField", known)


def _the_last_step_is_all(patch: pytest.MonkeyPatch) -> None:
    def last(_: ContactChange | None, then: ContactChange) -> ContactChange | None:
        return then

    patch.setattr(change_log, "merged", last)


def _unknown_old_values_are_cleared(patch: pytest.MonkeyPatch) -> None:
    judged = undo._Judge._judge_field

    def as_if_known(judge: undo._Judge, name: str, value: ChangedField) -> None:
        judged(judge, name, replace(value, is_old_known=True))

    patch.setattr(undo._Judge, "_judge_field", as_if_known)


def _nothing_is_noted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Contacts, "_write_note", lambda *_: None)


def _notes_are_ignored(patch: pytest.MonkeyPatch) -> None:
    def whole(desired: Desired, *_: object) -> Desired:
        return desired

    patch.setattr(contact_planner, "without_taken_back", whole)


@dataclass(frozen=True)
class BrokenUndo:
    """What is broken, and how the simulation notices."""

    break_it: Break
    vendor: str
    """A vendor whose histories draw the case."""
    violation: str
    """Words of the violation."""


BREAKS = {
    "who settles has sent": BrokenUndo(
        _who_settles_has_sent, vendor="chartmogul", violation="has sent nothing"
    ),
    "what is unknown was empty": BrokenUndo(
        _what_is_unknown_was_empty, vendor="respond_io", violation=", not None"
    ),
    "the last step is all": BrokenUndo(
        _the_last_step_is_all, vendor="respond_io", violation=", after run "
    ),
    "unknown old values are cleared": BrokenUndo(
        _unknown_old_values_are_cleared,
        vendor="dm_champ",
        violation="of which nobody knows",
    ),
    "nothing is noted": BrokenUndo(
        _nothing_is_noted, vendor="chartmogul", violation="was taken back to"
    ),
    "notes are ignored": BrokenUndo(
        _notes_are_ignored, vendor="respond_io", violation="was taken back to"
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_undo_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BREAKS[name]
    broken.break_it(monkeypatch)
    found = chain.from_iterable(_played(broken.vendor, seed) for seed in range(MOST))
    assert any(broken.violation in each for each in found), (
        f"{MOST} histories of {broken.vendor} do not show it"
    )


def _played(vendor: str, seed: int) -> tuple[str, ...]:
    history = draw_history(vendor, seed)
    if history.undo is None:
        return ()
    # With bases of its own: a world that a whole engine prepared would hide the break.
    return play(history, {}).violations
