"""Histories that once went wrong, each with what was lost in it."""

from __future__ import annotations

import pytest

from tests.simulation.history import (
    Copy,
    History,
    Jump,
    Night,
    Standstill,
    Suppress,
    play,
)
from tests.simulation.row_changes import RowChange, SourceEdit

HISTORIES = {
    "one who is back is tagged, the outcome is lost, and the row vanishes again": History(
        "respond_io",
        "back",
        1,
        (
            Night(
                ("POST /contact/{id}/tags: answered", 1),
                afterwards=(SourceEdit(RowChange.LEAVES, 1),),
            ),
        ),
    ),
    "a newcomer who never was created leaves, and the key is still another's": History(
        "respond_io",
        "handed on",
        1,
        (
            Night(
                ("intend: committed", 1), afterwards=(SourceEdit(RowChange.LEAVES, 2),)
            ),
        ),
    ),
    "a key was changed, the outcome is lost, the row vanishes and comes back as it was": History(
        "respond_io",
        "met",
        1,
        (
            Night((" at the vendor", 2), afterwards=(SourceEdit(RowChange.LEAVES, 2),)),
            Night(afterwards=(SourceEdit(RowChange.COMES, 2),)),
        ),
    ),
    "the lease is lost between the answer to a create and its link, and the row vanishes": History(
        "dm_champ:duplicates untold",
        "newcomers",
        29,
        (
            Night(events=((59, Standstill(29.0)),)),
            Night(10, afterwards=(SourceEdit(RowChange.LEAVES, 1),)),
        ),
    ),
    "tags are taken away at a second try, a newcomer takes the contact over, and then the first try arrives": History(
        "respond_io:phones without plus",
        "all at once",
        5151,
        (
            Night(
                (" at the vendor", 2),
                0.5,
                afterwards=(SourceEdit(RowChange.CHANGES_KEY, 4),),
            ),
            Night(faults=0.1),
        ),
    ),
    "a contact is written whole at a second try, then tagged, and then the first try arrives": History(
        "whautomate:deleted twice",
        "changes",
        5765,
        (Night(("intend: committed", 5), 0.3),),
        destinations=2,
    ),
    "a newcomer is made, both runs die before they write it down, and its key can name it but not be sent": History(
        "dm_champ",
        "newcomers",
        1,
        (Night(("link: committed", 2)), Night(("permit granted", 1))),
    ),
    "a newcomer is made, nobody writes it down, it leaves and comes back under another key": History(
        "dm_champ:custom fields",
        "newcomers",
        1,
        (
            Night((" at the vendor", 4), afterwards=(SourceEdit(RowChange.LEAVES, 2),)),
            Night(afterwards=(SourceEdit(RowChange.COMES, 2),)),
        ),
    ),
    "a key is changed behind the judging of all keys, and then another contact asks for the old one": History(
        "chartmogul",
        "handed on",
        1,
        (
            Night(
                events=((20, SourceEdit(RowChange.CHANGES_KEY, 2)),),
                afterwards=(SourceEdit(RowChange.REVERTS, 1),),
            ),
        ),
    ),
    "a create with tags is lost, the second try finds its contact there, and the tags go": History(
        "whautomate:a second contact is refused",
        "newcomers",
        26,
        (Night(faults=0.2, afterwards=(SourceEdit(RowChange.CHANGES, 1),)),),
    ),
    "a newcomer's key is judged, the process dies, the row vanishes, and another asks for the key": History(
        "respond_io",
        "newcomers",
        1,
        (
            Night(
                20,
                afterwards=(
                    SourceEdit(RowChange.LEAVES, 1),
                    SourceEdit(RowChange.INHERITS, 7),
                ),
            ),
        ),
    ),
    "one who leaves is suppressed while its tags are in doubt, and the contact before it takes its copy back": History(
        "respond_io_v2",
        "taken over",
        1,
        (
            Night(("record: asked", 3), afterwards=(SourceEdit(RowChange.LEAVES, 2),)),
            Night(
                events=((19, Suppress(2)),),
                afterwards=(SourceEdit(RowChange.REVERTS, 1),),
            ),
        ),
    ),
    "a key is changed and judged, the process dies, the row is as it was, and another asks for the key": History(
        "respond_io",
        "back",
        1,
        (
            Night(afterwards=(SourceEdit(RowChange.CHANGES_KEY, 2),)),
            Night(
                ("claim: committed", 1),
                afterwards=(
                    SourceEdit(RowChange.REVERTS, 2),
                    SourceEdit(RowChange.INHERITS, 7),
                ),
            ),
        ),
    ),
    "a create is lost, the key changes, it is made under the new one, and nobody writes down under which": History(
        "dm_champ:updates replace",
        "newcomers",
        2,
        (
            Night(
                ("intend: committed", 1),
                afterwards=(SourceEdit(RowChange.CHANGES_KEY, 2),),
            ),
            Night(("link: committed", 2)),
        ),
    ),
    "a newcomer is made, nobody writes it down, it leaves, and is back as it was": History(
        "dm_champ:custom fields",
        "newcomers",
        1,
        (
            Night(("record: asked", 1), afterwards=(SourceEdit(RowChange.LEAVES, 1),)),
            Night(afterwards=(SourceEdit(RowChange.INHERITS, 1),)),
        ),
    ),
    "who left is back, its key is judged, the process dies, it leaves again, and another asks for the key": History(
        "respond_io",
        "left",
        1,
        (
            Night(afterwards=(SourceEdit(RowChange.COMES, 1),)),
            Night(
                ("claim: committed", 1),
                afterwards=(
                    SourceEdit(RowChange.LEAVES, 1),
                    SourceEdit(RowChange.INHERITS, 7),
                ),
            ),
        ),
    ),
    "a newcomer asks for the key of one who left, nothing is sent, it leaves, and the other is back": History(
        "whautomate:a second contact is refused, unknown to us",
        "taken over",
        489,
        (
            Night(
                (": permit granted", 2),
                0.5,
                afterwards=(
                    SourceEdit(RowChange.CHANGES_KEY, 2),
                    SourceEdit(RowChange.REVERTS, 2),
                ),
            ),
            Night(
                (": answered", 5),
                0.3,
                afterwards=(SourceEdit(RowChange.CHANGES_KEY, 7),),
            ),
            Night(
                ("intend: committed", 2),
                0.1,
                afterwards=(SourceEdit(RowChange.INHERITS, 1),),
            ),
        ),
    ),
    "the same, and the other is back under another key": History(
        "respond_io",
        "taken over",
        1,
        (
            Night(
                ("intend: committed", 2), afterwards=(SourceEdit(RowChange.LEAVES, 2),)
            ),
            Night(
                afterwards=(
                    SourceEdit(RowChange.COMES, 1),
                    SourceEdit(RowChange.CHANGES_KEY, 1),
                )
            ),
        ),
    ),
    "a newcomer takes over, dies before it writes, leaves, and the other is back under another key": History(
        "respond_io",
        "taken over",
        1,
        (
            Night(
                ("link: committed", 1),
                afterwards=(
                    SourceEdit(RowChange.LEAVES, 2),
                    SourceEdit(RowChange.COMES, 1),
                    SourceEdit(RowChange.CHANGES_KEY, 1),
                ),
            ),
        ),
    ),
    "a newcomer takes over, dies before it writes, leaves, and the other is back where nobody can be read": History(
        "dm_champ",
        "taken over",
        1,
        (
            Night(
                ("link: committed", 1),
                afterwards=(
                    SourceEdit(RowChange.LEAVES, 2),
                    SourceEdit(RowChange.COMES, 1),
                ),
            ),
        ),
    ),
    "a create is lost, its contact leaves, is found and deleted, nobody writes that down, and it is back": History(
        "respond_io_v2",
        "deleted",
        1,
        (
            Night(afterwards=(SourceEdit(RowChange.COMES, 7),)),
            Night((" at the vendor", 2), afterwards=(SourceEdit(RowChange.LEAVES, 7),)),
            Night((" at the vendor", 2), afterwards=(SourceEdit(RowChange.COMES, 7),)),
        ),
    ),
    "a row vanishes in mid-run, another gets its key, the clock is set back, and the row is as it was": History(
        "chartmogul:nothing clears",
        "swapped",
        88,
        (
            Night(
                72,
                events=((29, SourceEdit(RowChange.LEAVES, 1)), (40, Jump(-5.0))),
                afterwards=(SourceEdit(RowChange.REVERTS, 1),),
            ),
        ),
    ),
    "one with lists leaves and is let be, and a newcomer inherits the key": History(
        "dm_champ",
        "a chain behind one who left",
        199,
        (Night(afterwards=(SourceEdit(RowChange.LEAVES, 2),)),),
    ),
    "an update is answered for a copy that was made by hand with the same key": History(
        "chartmogul",
        "changes",
        3,
        (Night(faults=0.5, events=((9, Copy(1)), (9, Copy(2)))),),
    ),
    "whoever won a shared key lets go of it once the loser is a dead letter": History(
        "respond_io",
        "shared",
        1,
        (),
        final_events=(
            SourceEdit(RowChange.LEAVES, 1),
            SourceEdit(RowChange.CHANGES_KEY, 3),
        ),
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_clean_run_mends_it(name: str) -> None:
    assert play(HISTORIES[name]).violations == ()
