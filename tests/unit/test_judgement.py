"""Refusals and lost answers in a row.

Some count against a contact, and some stop the account.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from syncengine.engine.judgement import Judge
from syncengine.errors import AccountStopped
from syncengine.model.calls import Action, OutcomeKind
from syncengine.model.contact import Known
from syncengine.model.work import ContactOutcome, ContactState, Record, Status
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.outages import TRIPS_AFTER, Outage, Trouble, trouble_of
from syncengine.planning.refusals import (
    IN_A_ROW,
    RefusalStreak,
    count_refusal,
    version,
    weight,
)

THIS, OTHER = 77, 78


def state(rejections: int, rejected: int | None) -> ContactState:
    return ContactState("1", rejections=rejections, rejected_hash=rejected)


class _Refused(NamedTuple):
    """A state, the hash of a refusal, and what that refusal makes of the state."""

    before: ContactState
    source_hash: int | None
    status: Status
    rejections: int
    weighs: int


@pytest.mark.parametrize(
    ("before", "source_hash", "status", "rejections", "weighs"),
    [
        _Refused(
            before=state(0, None),
            source_hash=THIS,
            status=Status.REJECTED,
            rejections=1,
            weighs=1,
        ),
        _Refused(
            before=state(0, THIS),
            source_hash=THIS,
            status=Status.REJECTED,
            rejections=1,
            weighs=-1,
        ),
        _Refused(
            before=state(1, THIS),
            source_hash=THIS,
            status=Status.REJECTED,
            rejections=2,
            weighs=0,
        ),
        _Refused(
            before=state(2, THIS),
            source_hash=THIS,
            status=Status.DEAD,
            rejections=3,
            weighs=0,
        ),
        _Refused(
            before=state(3, THIS),
            source_hash=THIS,
            status=Status.DEAD,
            rejections=3,
            weighs=0,
        ),
        _Refused(
            before=state(2, OTHER),
            source_hash=THIS,
            status=Status.REJECTED,
            rejections=1,
            weighs=1,
        ),
        _Refused(
            before=state(0, OTHER),
            source_hash=THIS,
            status=Status.REJECTED,
            rejections=1,
            weighs=1,
        ),
        _Refused(
            before=state(0, None),
            source_hash=None,
            status=Status.REJECTED,
            rejections=1,
            weighs=1,
        ),
        _Refused(
            before=state(2, OTHER),
            source_hash=None,
            status=Status.REJECTED,
            rejections=1,
            weighs=1,
        ),
        _Refused(
            before=state(0, version(None)),
            source_hash=None,
            status=Status.REJECTED,
            rejections=1,
            weighs=-1,
        ),
        _Refused(
            before=state(2, version(None)),
            source_hash=None,
            status=Status.DEAD,
            rejections=3,
            weighs=0,
        ),
        _Refused(
            before=state(2, version(None)),
            source_hash=THIS,
            status=Status.REJECTED,
            rejections=1,
            weighs=1,
        ),
    ],
)
def test_what_one_more_refusal_counts_and_weighs(
    before: ContactState,
    source_hash: int | None,
    status: Status,
    rejections: int,
    weighs: int,
) -> None:
    assert count_refusal(before, source_hash) == (status, rejections)
    assert weight(before, source_hash) == weighs


def tripped(*refusals: str | int) -> bool:
    """Return whether the breaker stops the account after these answers.

    A text is the code of a refusal that is news, a number a refusal with code "x" of
    that weight, and "" an acceptance.
    """
    rows, trips = RefusalStreak(), False
    for refusal in refusals:
        if refusal == "":
            rows.accept()
        elif isinstance(refusal, int):
            trips = rows.refuse("x", refusal)
        else:
            trips = rows.refuse(refusal, 1)
    return trips


ROW = (1,) * IN_A_ROW
SHORT = ROW[1:]
OLD = (-1,) * IN_A_ROW


@pytest.mark.parametrize(
    ("refusals", "trips"),
    [
        (SHORT, False),
        (ROW, True),
        ((*SHORT, "another"), True),
        ((*SHORT, 0, 0, 0), False),
        ((*SHORT, 0, 1), True),
        ((*SHORT, ""), False),
        ((*SHORT, "", 1), False),
        ((*SHORT, "", *SHORT), False),
        (("", *SHORT), False),
        (("", *ROW), True),
        (("", *SHORT, "another"), False),
        (("", "another", *SHORT, "another"), False),
        (("", *SHORT, "another", 1), True),
        (("", *(0,) * 50), False),
        (("", *OLD), False),
        (("", *OLD, *ROW), False),
        (("", *OLD, *ROW, *SHORT), False),
        (("", *OLD, *ROW, *ROW), True),
        ((*OLD, *ROW), False),
        ((*OLD, *ROW, *ROW), True),
        ((*ROW, "", 1), True),
    ],
)
def test_a_row_of_refusals_that_are_news_halts(
    refusals: tuple[str | int, ...], *, trips: bool
) -> None:
    assert tripped(*refusals) == trips


@pytest.mark.parametrize(
    ("refusals", "trips"),
    [
        ((*OLD,), True),
        ((*OLD[1:], 1), True),
        ((*OLD[1:], 0, 0), False),
        (("", *OLD), False),
        ((*OLD, ""), False),
    ],
)
def test_a_run_in_which_nobody_was_accepted_is_one_row(
    refusals: tuple[str | int, ...], *, trips: bool
) -> None:
    rows = RefusalStreak()
    for refusal in refusals:
        if isinstance(refusal, int):
            assert not rows.refuse("x", refusal)
        else:
            rows.accept()
    assert rows.end() == trips


@pytest.mark.parametrize("length", [IN_A_ROW, 100, 1000])
def test_bad_rows_next_to_each_other_let_others_through_before_long(
    length: int,
) -> None:
    """Contacts acquitted on earlier nights vouch for the data.

    It takes few nights, and each one gets further.
    """
    acquitted, places = 0, []
    while True:
        rows = RefusalStreak()
        rows.accept()
        bad = (-1 if number < acquitted else 1 for number in range(length))
        place = next(
            (
                number
                for number, weighs in enumerate(bad, 1)
                if rows.refuse("x", weighs)
            ),
            None,
        )
        if place is None:
            break
        places.append(place)
        acquitted = place
    assert places == sorted(set(places))
    assert 1 <= len(places) <= 6


class Watched:
    """A judge, and what it released."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Record]] = []
        self.stopped: list[AccountStopped] = []
        self._answers = itertools.count(1)
        self.judge = Judge(
            lambda batch, record: self.told.append((batch, record)), self.stopped.append
        )

    def refuse(
        self,
        numbers: Iterable[int],
        code: str = "http_403",
        actions: tuple[Action, ...] = (),
        *,
        answered: int | None = None,
    ) -> None:
        for number in numbers:
            outcome = ContactOutcome(
                OutcomeKind.REJECTED, actions, 1, code, f"said of {number}", 403
            )
            record = Record(
                str(number), Known(), Status.REJECTED, None, 1, THIS, outcome
            )
            self.judge.note(
                number,
                AttemptEnding(
                    record, refused=True, weight=1, answered=self._place(answered)
                ),
            )

    def accept(self, number: int, *, answered: int | None = None) -> None:
        outcome = ContactOutcome(OutcomeKind.APPLIED, (Action.UPDATE,), 1)
        record = Record(str(number), Known(), Status.SYNCED, THIS, outcome=outcome)
        self.judge.note(
            number,
            AttemptEnding(record, answered=self._place(answered)),
        )

    def _place(self, answered: int | None) -> int:
        return next(self._answers) if answered is None else answered

    def fail(self, number: int, status: int | None) -> None:
        outcome = ContactOutcome(
            OutcomeKind.DEFERRED, (), 1, "unreachable", f"said of {number}", status
        )
        record = Record(str(number), Known(), Status.PENDING, None, outcome=outcome)
        self.judge.note(number, AttemptEnding(record, unreachable=True))

    @property
    def out(self) -> dict[str, tuple[str, int]]:
        """Return outcome and counted refusals by contact.

        Each was released once, and in its batch.
        """
        assert len({record.contact_id for _, record in self.told}) == len(self.told)
        assert all(str(batch) == record.contact_id for batch, record in self.told)
        return {
            record.contact_id: (
                record.outcome.kind.value if record.outcome else "",
                record.rejections,
            )
            for _, record in self.told
        }

    @property
    def why(self) -> str:
        return str(self.stopped[0]) if self.stopped else ""


def test_refusals_wait_for_an_acceptance_also_in_mid_run() -> None:
    watched = Watched()
    watched.accept(1)
    watched.refuse([2, 3])
    assert watched.out.keys() == {"1"}
    watched.accept(4)
    assert [record.contact_id for _, record in watched.told] == ["1", "2", "3", "4"]
    watched.refuse([5])
    watched.judge.release()
    assert watched.out["5"] == ("rejected", 1)
    assert not watched.stopped


def test_an_acceptance_says_nothing_about_refusals_that_were_answered_after_it() -> (
    None
):
    watched = Watched()
    watched.accept(1)  # the first answer
    watched.refuse([2, 3])  # the second and the third
    watched.accept(4, answered=2)
    assert watched.out.keys() == {"1", "2", "4"}
    watched.accept(5)
    assert watched.out["3"] == ("rejected", 1)


def test_who_ends_late_does_not_interrupt_a_row() -> None:
    watched = Watched()
    watched.accept(1)
    watched.refuse(range(2, 2 + IN_A_ROW - 1))
    watched.accept(90, answered=1)
    assert not watched.stopped
    watched.refuse([91])
    assert (
        "20 contacts in a row were rejected after others had been accepted"
        in watched.why
    )
    assert {
        ending for number, ending in watched.out.items() if number not in ("1", "90")
    } == {("deferred", 0)}


def test_a_row_in_mid_run_halts_and_acquits_those_in_it_and_those_under_way() -> None:
    watched = Watched()
    watched.refuse([1])
    watched.accept(2)
    watched.refuse(range(3, 3 + IN_A_ROW + 2))
    watched.accept(90)
    watched.refuse([91])
    watched.judge.release()
    assert watched.out.pop("1") == ("rejected", 1)
    assert {watched.out.pop(number) for number in ("2", "90")} == {("applied", 0)}
    judged = {
        record.contact_id: record
        for _, record in watched.told
        if record.contact_id not in ("1", "2", "90")
    }
    assert len(judged) == IN_A_ROW + 3
    for record in judged.values():
        assert (record.status, record.rejections, record.rejected_hash) == (
            Status.PENDING,
            0,
            THIS,
        )
        assert record.outcome is not None
        assert (record.outcome.kind, record.outcome.code) == (
            OutcomeKind.DEFERRED,
            "all_refused",
        )
    assert (
        "20 contacts in a row were rejected after others had been accepted"
        in watched.why
    )
    assert "(http_403)" in watched.why
    assert "The last (contact 22): said of 22" in watched.why


def test_refusals_of_a_run_that_ends_in_an_outage_count_against_nobody() -> None:
    watched = Watched()
    watched.accept(1)
    watched.refuse(range(2, 7))
    for number in range(50, 50 + TRIPS_AFTER):
        watched.fail(number, 500)
    watched.judge.release()
    assert "the vendor judged none of 10 contacts in a row" in watched.why
    assert {watched.out[str(number)] for number in range(2, 7)} == {("deferred", 0)}


@pytest.mark.parametrize(
    ("status", "ends"), [(403, ("deferred", 0)), (500, ("rejected", 1))]
)
def test_refusals_that_others_got_without_being_judged_count_against_nobody(
    status: int, ends: tuple[str, int]
) -> None:
    watched = Watched()
    watched.refuse([1, 2])  # with status 403
    watched.fail(3, status)
    watched.judge.release()
    assert not watched.stopped
    assert {watched.out["1"], watched.out["2"]} == {ends}


def test_that_the_first_are_all_refused_blames_the_mapping() -> None:
    watched = Watched()
    watched.refuse(range(1, IN_A_ROW + 1))
    assert set(watched.out.values()) == {("deferred", 0)}
    assert "the first 20 contacts were all rejected" in watched.why
    assert getattr(watched.stopped[0], "setting", None) == "fields"


def test_a_contact_accepted_in_part_proves_the_mapping_and_is_in_the_streak() -> None:
    watched = Watched()
    watched.refuse([1, 2])
    watched.refuse(range(3, 3 + IN_A_ROW), "http_404", (Action.CREATE,))
    assert {watched.out[number] for number in ("1", "2")} == {("rejected", 1)}
    assert {watched.out[str(number)] for number in range(3, 3 + IN_A_ROW)} == {
        ("deferred", 0)
    }
    assert "(http_404)" in watched.why


COUNTED = {("rejected", 1)}
DEFERRED = {("deferred", 0)}
JOINED = (Action.CREATE,)
"""What was carried out for a contact that is refused when it joins a list."""


def ends(watched: Watched, numbers: Iterable[int]) -> set[tuple[str, int]]:
    return {watched.out[str(number)] for number in numbers}


def test_an_answer_that_accepts_others_makes_its_refusals_certain_at_once() -> None:
    watched = Watched()
    watched.judge.accepted(1)
    watched.refuse(range(1, 26), answered=1)
    assert ends(watched, range(1, 26)) == COUNTED
    for number in range(26, 101):
        watched.accept(number, answered=1)
    # In the middle of a run, too, and however often.
    watched.judge.accepted(2)
    watched.refuse(range(101, 151), answered=2)
    assert ends(watched, range(101, 151)) == COUNTED
    assert not watched.stopped


def test_a_hundred_refused_by_the_first_answer_are_configuration() -> None:
    watched = Watched()
    watched.refuse(range(1, 101), answered=1)
    assert "the first 20 contacts were all rejected" in watched.why
    assert ends(watched, range(1, 101)) == DEFERRED


def test_whole_answers_of_refusals_after_an_acceptance_halt() -> None:
    watched = Watched()
    watched.judge.accepted(1)
    watched.accept(1, answered=1)
    for answered in (2, 3, 4):
        first = 100 * answered
        watched.refuse(range(first, first + 100), answered=answered)
    assert "in a row were rejected after others had been accepted" in watched.why
    assert ends(watched, range(200, 500)) == DEFERRED
    # Who was on the way meanwhile is acquitted as well, whatever was accepted since.
    watched.judge.accepted(6)
    watched.refuse([500], answered=5)
    assert ends(watched, [500]) == DEFERRED


@pytest.mark.parametrize("comes", ["before", "after"])
def test_what_was_refused_before_an_answer_that_accepts_is_certain(comes: str) -> None:
    """A request that was refused as a whole was cut down to those who are to blame."""
    watched = Watched()
    watched.judge.accepted(1)
    watched.refuse(range(1, 16), answered=2)
    if comes == "before":
        watched.refuse(range(16, 19), answered=3)
    watched.judge.accepted(4)
    assert ends(watched, range(1, 16)) == COUNTED
    if comes == "after":
        watched.refuse(range(16, 19), answered=3)
    assert ends(watched, range(16, 19)) == COUNTED
    # What is refused from now on is open again.
    watched.refuse(range(20, 39), answered=5)
    assert not watched.stopped
    watched.refuse([39], answered=5)
    assert watched.stopped
    assert ends(watched, range(20, 40)) == DEFERRED


def test_creates_that_go_on_say_nothing_about_a_list_that_refuses_everybody() -> None:
    watched = Watched()
    for wave in range(1, 5):
        # The first answer creates them, and the second one refuses them the list.
        watched.judge.accepted(2 * wave)
        numbers = range(10 * wave, 10 * wave + 5)
        watched.refuse(numbers, "http_404", JOINED, answered=2 * wave + 1)
    assert "(http_404)" in watched.why
    assert ends(watched, (number for number in range(10, 45) if number % 10 < 5)) == (
        DEFERRED
    )


def test_a_list_that_accepts_others_makes_its_refusals_certain() -> None:
    watched = Watched()
    watched.judge.accepted(1)
    watched.judge.accepted(2)
    watched.refuse(range(1, 31), "http_404", JOINED, answered=2)
    assert ends(watched, range(1, 31)) == COUNTED
    assert not watched.stopped


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, Trouble.SILENCE),
        (200, Trouble.UNREADABLE),
        (204, Trouble.UNREADABLE),
        (400, Trouble.EVASION),
        (449, Trouble.EVASION),
        (408, Trouble.ERROR),
        (500, Trouble.ERROR),
        (504, Trouble.ERROR),
        (100, Trouble.ERROR),
        (999, Trouble.ERROR),
    ],
)
def test_what_came_instead_of_a_judgement(status: int | None, kind: Trouble) -> None:
    assert trouble_of(status) is kind
    outage = Outage()
    assert [outage.add(status) for _ in range(TRIPS_AFTER + 1)] == [
        *[False] * (TRIPS_AFTER - 1),
        True,
        False,
    ]
    assert outage.describe().startswith(f"{kind.value} ({TRIPS_AFTER + 1} times); ")


def test_an_outage_names_what_there_was_most_of_and_ends_with_a_judgement() -> None:
    outage = Outage()
    for status in (None, 502, 502):
        outage.add(status)
    assert outage.describe() == (
        "an error of the vendor's own (2 times), no answer (1 times); "
        "does the vendor tell of an outage?"
    )
    outage.end()
    assert not any(outage.add(None) for _ in range(TRIPS_AFTER - 1))


@pytest.mark.parametrize("judged", ["refused", "accepted"])
def test_contacts_whom_nobody_judges_halt_the_account_when_they_are_in_a_row(
    judged: str,
) -> None:
    watched = Watched()
    for number in range(1, TRIPS_AFTER):
        watched.fail(number, 200)
    watched.accept(50) if judged == "accepted" else watched.refuse([50])
    for number in range(51, 50 + TRIPS_AFTER):
        watched.fail(number, 200)
    assert not watched.stopped
    watched.fail(99, 200)
    assert (
        "the vendor judged none of 10 contacts in a row: "
        "an answer that cannot be read (10 times)"
    ) in watched.why
    assert "The last (contact 99): said of 99" in watched.why
