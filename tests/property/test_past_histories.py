"""Histories that once went wrong, each with what was lost in it.

They were found from seeds, and cut down to the smallest that still went wrong. The seed
that is left decides durations and fates of requests alone.
"""

from __future__ import annotations

import pytest

from tests.simulation.history import (
    Copy,
    History,
    Jump,
    Night,
    Standstill,
    Suppress,
    Undo,
    play,
)
from tests.simulation.manual_edits import Act, AtVendor
from tests.simulation.row_changes import RowChange, SourceEdit

HISTORIES = [
    pytest.param(
        History(
            pair="respond_io",
            scene="back",
            seed=1,
            nights=(
                Night(
                    dies_at=("POST /contact/{id}/tags: answered", 1),
                    afterwards=(SourceEdit(RowChange.LEAVES, 1),),
                ),
            ),
        ),
        id=(
            "a returned contact is tagged, the outcome is lost, and the row "
            "vanishes again"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="handed on",
            seed=1,
            nights=(
                Night(
                    dies_at=("intend: committed", 1),
                    afterwards=(SourceEdit(RowChange.LEAVES, 2),),
                ),
            ),
        ),
        id="a newcomer who never was created leaves, and the key is still another's",
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="met",
            seed=1,
            nights=(
                Night(
                    dies_at=(" at the vendor", 2),
                    afterwards=(SourceEdit(RowChange.LEAVES, 2),),
                ),
                Night(afterwards=(SourceEdit(RowChange.COMES, 2),)),
            ),
        ),
        id=(
            "a key was changed, the outcome is lost, the row vanishes and comes "
            "back as it was"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ:duplicates untold",
            scene="newcomers",
            seed=29,
            nights=(
                Night(events=((59, Standstill(29.0)),)),
                Night(dies_at=10, afterwards=(SourceEdit(RowChange.LEAVES, 1),)),
            ),
        ),
        id=(
            "the lease is lost between the answer to a create and its link, and "
            "the row vanishes"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io:phones without plus",
            scene="all at once",
            seed=5151,
            nights=(
                Night(
                    dies_at=(" at the vendor", 2),
                    faults=0.5,
                    afterwards=(SourceEdit(RowChange.CHANGES_KEY, 4),),
                ),
                Night(faults=0.1),
            ),
        ),
        id=(
            "tags are taken away at a second try, a newcomer takes the contact "
            "over, and then the first try arrives"
        ),
    ),
    pytest.param(
        History(
            pair="whautomate:deleted twice",
            scene="changes",
            seed=5765,
            nights=(Night(dies_at=("intend: committed", 5), faults=0.3),),
            destinations=2,
        ),
        id=(
            "a contact is written whole at a second try, then tagged, and then "
            "the first try arrives"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ",
            scene="newcomers",
            seed=1,
            nights=(
                Night(dies_at=("link: committed", 2)),
                Night(dies_at=("permit granted", 1)),
            ),
        ),
        id=(
            "a newcomer is made, both runs die before they write it down, and its "
            "key can name it but not be sent"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ:custom fields",
            scene="newcomers",
            seed=1,
            nights=(
                Night(
                    dies_at=(" at the vendor", 4),
                    afterwards=(SourceEdit(RowChange.LEAVES, 2),),
                ),
                Night(afterwards=(SourceEdit(RowChange.COMES, 2),)),
            ),
        ),
        id=(
            "a newcomer is made, nobody writes it down, it leaves and comes back "
            "under another key"
        ),
    ),
    pytest.param(
        History(
            pair="chartmogul",
            scene="handed on",
            seed=1,
            nights=(
                Night(
                    events=((20, SourceEdit(RowChange.CHANGES_KEY, 2)),),
                    afterwards=(SourceEdit(RowChange.REVERTS, 1),),
                ),
            ),
        ),
        id=(
            "a key is changed behind the judging of all keys, and then another "
            "contact asks for the old one"
        ),
    ),
    pytest.param(
        History(
            pair="whautomate:a second contact is refused",
            scene="newcomers",
            seed=26,
            nights=(Night(faults=0.2, afterwards=(SourceEdit(RowChange.CHANGES, 1),)),),
        ),
        id=(
            "a create with tags is lost, the second try finds its contact there, "
            "and the tags go"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="newcomers",
            seed=1,
            nights=(
                Night(
                    dies_at=20,
                    afterwards=(
                        SourceEdit(RowChange.LEAVES, 1),
                        SourceEdit(RowChange.INHERITS, 7),
                    ),
                ),
            ),
        ),
        id=(
            "a newcomer's key is judged, the process dies, the row vanishes, and "
            "another asks for the key"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io_v2",
            scene="taken over",
            seed=1,
            nights=(
                Night(
                    dies_at=("record: asked", 3),
                    afterwards=(SourceEdit(RowChange.LEAVES, 2),),
                ),
                Night(
                    events=((19, Suppress(2)),),
                    afterwards=(SourceEdit(RowChange.REVERTS, 1),),
                ),
            ),
        ),
        id=(
            "a removed contact is suppressed while its tags are unknown, and the "
            "contact before it takes its copy back"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="back",
            seed=1,
            nights=(
                Night(afterwards=(SourceEdit(RowChange.CHANGES_KEY, 2),)),
                Night(
                    dies_at=("claim: committed", 1),
                    afterwards=(
                        SourceEdit(RowChange.REVERTS, 2),
                        SourceEdit(RowChange.INHERITS, 7),
                    ),
                ),
            ),
        ),
        id=(
            "a key is changed and judged, the process dies, the row is as it was, "
            "and another asks for the key"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ:updates replace",
            scene="newcomers",
            seed=2,
            nights=(
                Night(
                    dies_at=("intend: committed", 1),
                    afterwards=(SourceEdit(RowChange.CHANGES_KEY, 2),),
                ),
                Night(dies_at=("link: committed", 2)),
            ),
        ),
        id=(
            "a create is lost, the key changes, it is made under the new one, and "
            "nobody writes down under which"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ:custom fields",
            scene="newcomers",
            seed=1,
            nights=(
                Night(
                    dies_at=("record: asked", 1),
                    afterwards=(SourceEdit(RowChange.LEAVES, 1),),
                ),
                Night(afterwards=(SourceEdit(RowChange.INHERITS, 1),)),
            ),
        ),
        id=(
            "a newcomer is made, nobody writes it down, it leaves, and is back "
            "as it was"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="left",
            seed=1,
            nights=(
                Night(afterwards=(SourceEdit(RowChange.COMES, 1),)),
                Night(
                    dies_at=("claim: committed", 1),
                    afterwards=(
                        SourceEdit(RowChange.LEAVES, 1),
                        SourceEdit(RowChange.INHERITS, 7),
                    ),
                ),
            ),
        ),
        id=(
            "a removed contact is back, its key is judged, the process dies, it "
            "leaves again, and another asks for the key"
        ),
    ),
    pytest.param(
        History(
            pair="whautomate:a second contact is refused, unknown to us",
            scene="taken over",
            seed=489,
            nights=(
                Night(
                    dies_at=(": permit granted", 2),
                    faults=0.5,
                    afterwards=(
                        SourceEdit(RowChange.CHANGES_KEY, 2),
                        SourceEdit(RowChange.REVERTS, 2),
                    ),
                ),
                Night(
                    dies_at=(": answered", 5),
                    faults=0.3,
                    afterwards=(SourceEdit(RowChange.CHANGES_KEY, 7),),
                ),
                Night(
                    dies_at=("intend: committed", 2),
                    faults=0.1,
                    afterwards=(SourceEdit(RowChange.INHERITS, 1),),
                ),
            ),
        ),
        id=(
            "a newcomer asks for the key of a removed contact, nothing is sent, "
            "it leaves, and the other is back"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="taken over",
            seed=1,
            nights=(
                Night(
                    dies_at=("intend: committed", 2),
                    afterwards=(SourceEdit(RowChange.LEAVES, 2),),
                ),
                Night(
                    afterwards=(
                        SourceEdit(RowChange.COMES, 1),
                        SourceEdit(RowChange.CHANGES_KEY, 1),
                    )
                ),
            ),
        ),
        id="the same, and the other is back under another key",
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="taken over",
            seed=1,
            nights=(
                Night(
                    dies_at=("link: committed", 1),
                    afterwards=(
                        SourceEdit(RowChange.LEAVES, 2),
                        SourceEdit(RowChange.COMES, 1),
                        SourceEdit(RowChange.CHANGES_KEY, 1),
                    ),
                ),
            ),
        ),
        id=(
            "a newcomer takes over, dies before it writes, leaves, and the other "
            "is back under another key"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ",
            scene="taken over",
            seed=1,
            nights=(
                Night(
                    dies_at=("link: committed", 1),
                    afterwards=(
                        SourceEdit(RowChange.LEAVES, 2),
                        SourceEdit(RowChange.COMES, 1),
                    ),
                ),
            ),
        ),
        id=(
            "a newcomer takes over, dies before it writes, leaves, and the other "
            "is back where nobody can be read"
        ),
    ),
    pytest.param(
        History(
            pair="respond_io_v2",
            scene="deleted",
            seed=1,
            nights=(
                Night(afterwards=(SourceEdit(RowChange.COMES, 7),)),
                Night(
                    dies_at=(" at the vendor", 2),
                    afterwards=(SourceEdit(RowChange.LEAVES, 7),),
                ),
                Night(
                    dies_at=(" at the vendor", 2),
                    afterwards=(SourceEdit(RowChange.COMES, 7),),
                ),
            ),
        ),
        id=(
            "a create is lost, its contact leaves, is found and deleted, nobody "
            "writes that down, and it is back"
        ),
    ),
    pytest.param(
        History(
            pair="chartmogul:nothing clears",
            scene="swapped",
            seed=88,
            nights=(
                Night(
                    dies_at=72,
                    events=((29, SourceEdit(RowChange.LEAVES, 1)), (40, Jump(-5.0))),
                    afterwards=(SourceEdit(RowChange.REVERTS, 1),),
                ),
            ),
        ),
        id=(
            "a row vanishes in mid-run, another gets its key, the clock is set "
            "back, and the row is as it was"
        ),
    ),
    pytest.param(
        History(
            pair="dm_champ",
            scene="a chain behind one who left",
            seed=199,
            nights=(Night(afterwards=(SourceEdit(RowChange.LEAVES, 2),)),),
        ),
        id="a contact with lists is removed and kept, and a newcomer inherits the key",
    ),
    pytest.param(
        History(
            pair="chartmogul",
            scene="changes",
            seed=3,
            nights=(Night(faults=0.5, events=((9, Copy(1)), (9, Copy(2)))),),
        ),
        id="an update is answered for a copy that was made by hand with the same key",
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="shared",
            seed=1,
            nights=(),
            final_events=(
                SourceEdit(RowChange.LEAVES, 1),
                SourceEdit(RowChange.CHANGES_KEY, 3),
            ),
        ),
        id="whoever won a shared key lets go of it once the loser is a dead letter",
    ),
    pytest.param(
        History(
            pair="respond_io",
            scene="a ring",
            seed=1,
            nights=(
                Night(
                    events=((55, SourceEdit(RowChange.LEAVES, 1)),),
                    afterwards=(AtVendor(Act.ABSORBS, 3),),
                ),
            ),
            undo=Undo(night=0, after=0),
        ),
        id=(
            "an undo claims a former key for a contact that is gone at the vendor, "
            "and others lose it for good"
        ),
    ),
]


@pytest.mark.parametrize("history", HISTORIES)
def test_a_clean_run_mends_it(history: History) -> None:
    assert play(history).violations == ()
