"""What ``adopt`` says of a contact whose row cannot be used."""

from __future__ import annotations

from syncengine.app.adoption_look_up import _refused
from syncengine.model.calls import Rejected
from syncengine.model.contact import Known
from syncengine.model.work import ContactState, Status
from syncengine.planning.attempt import records


def test_adopt_counts_nothing_and_says_of_nobody_that_it_is_left_alone() -> None:
    state = ContactState("7", Known(), Status.REJECTED, rejections=2, rejected_hash=5)
    record = records.rejected(state, Known(), 5, Rejected("mapping", "no such phone"))
    assert record.outcome is not None
    assert record.outcome.message.endswith(records.LEFT_ALONE)
    (note,) = _refused([record])
    assert note.message == "no such phone"
