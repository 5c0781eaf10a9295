from __future__ import annotations

from random import Random

import pytest

from syncengine.engine.ledger import BUCKETS, CLOCK_DRIFT, LEARNING, Ledger, Slot
from syncengine.model.limits import Limit

WINDOW = 10.0 * (1 + CLOCK_DRIFT)
SETTLES_WITHIN = 5.0


def ledger(*limits: Limit, tight: bool = False) -> Ledger:
    return Ledger(limits or [Limit(2, 10.0)], SETTLES_WITHIN, tight=tight)


def taken(ledger: Ledger, now: float, method: str = "GET") -> Slot:
    slot = ledger.take(method, now)
    assert slot is not None
    return slot


def free(ledger: Ledger, now: float, method: str = "GET") -> int:
    """Return how many slots there are, by taking them."""
    slots = []
    while slot := ledger.take(method, now):
        slots.append(slot)
    for slot in slots:
        ledger.unsent(slot)
    return len(slots)


def test_a_slot_comes_back_one_window_after_its_answer() -> None:
    book = ledger()
    book.answered(taken(book, 0.0), 3.0)
    assert free(book, 2.9 + WINDOW) == 1
    assert free(book, 3.0 + WINDOW) == 2


def test_a_request_without_an_answer_holds_its_slot_however_long_it_takes() -> None:
    book = ledger()
    taken(book, 0.0), taken(book, 0.0)
    assert free(book, 1e6) == 0
    assert book.free_at("GET") is None


def test_an_abandoned_request_is_reserved_until_it_cannot_arrive_and_a_window_more() -> (
    None
):
    book = ledger()
    book.abandoned(taken(book, 0.0), 3.0)
    assert free(book, 3.0 + SETTLES_WITHIN + WINDOW - 0.1) == 1
    assert free(book, 3.0 + SETTLES_WITHIN + WINDOW) == 2


def test_what_was_never_sent_costs_nothing() -> None:
    book = ledger()
    book.unsent(taken(book, 0.0))
    assert free(book, 0.0) == 2


def test_a_request_takes_a_slot_in_every_limit_that_applies_or_in_none() -> None:
    book = ledger(Limit(1, 10.0, "POST"), Limit(3, 10.0))
    taken(book, 0.0, "POST")
    assert book.take("POST", 0.0) is None
    assert free(book, 0.0, "GET") == 2


@pytest.mark.parametrize(
    "limits", [(Limit(1, 10.0), Limit(1, 20.0)), (Limit(1, 20.0), Limit(1, 10.0))]
)
def test_it_says_when_to_look_again_the_latest_of_all_full_limits(
    limits: tuple[Limit, ...],
) -> None:
    book = ledger(*limits)
    book.answered(taken(book, 0.0), 1.0)
    assert book.free_at("GET") == pytest.approx(1.0 + 20.0 * (1 + CLOCK_DRIFT))


def test_a_filled_ledger_is_used_up_for_one_window() -> None:
    book = ledger()
    book.fill(4.0)
    assert free(book, 3.9 + WINDOW) == 0
    assert free(book, 4.0 + WINDOW) == 2


def test_a_tight_ledger_takes_the_shortest_round_trip_off_once_it_has_learned_it() -> (
    None
):
    book = ledger(Limit(LEARNING + 2, 10.0), tight=True)
    for _ in range(LEARNING):
        book.answered(taken(book, 0.0), 1.0)
    book.answered(taken(book, 0.0), 2.0)
    assert free(book, 0.9 + WINDOW) == 1
    assert free(book, 1.0 + WINDOW) == LEARNING + 2


def test_an_easy_ledger_does_not_bet_on_the_round_trip() -> None:
    book = ledger(Limit(LEARNING + 2, 10.0))
    for _ in range(LEARNING + 1):
        book.answered(taken(book, 0.0), 1.0)
    assert free(book, 0.9 + WINDOW) == 1


def test_a_dump_hands_on_reservations_and_unanswered_requests() -> None:
    old = ledger(Limit(3, 10.0))
    old.answered(taken(old, 100.0), 101.0)
    taken(old, 102.0)
    new = ledger(Limit(3, 10.0))
    new.restore(old.dump(103.0), elapsed=4.0, now=7.0)  # made at 3 by the new clock
    assert free(new, 7.0) == 1
    assert free(new, 1.001 + WINDOW) == 2
    assert free(new, 3.0 + SETTLES_WITHIN + WINDOW - 0.1) == 2
    assert free(new, 3.0 + SETTLES_WITHIN + WINDOW + 0.001) == 3


def test_a_database_clock_set_back_frees_nothing_early_or_an_hour_late() -> None:
    old = ledger()
    old.answered(taken(old, 0.0), 0.0)
    new = ledger()
    new.restore(old.dump(0.0), elapsed=-3600.0, now=50.0)
    assert free(new, 49.9 + WINDOW) == 1
    assert free(new, 50.0 + WINDOW) == 2


def test_a_dump_stays_small_and_gives_nothing_back_early() -> None:
    random, limit = Random(1), Limit(5000, 600.0)
    old = ledger(limit)
    answers = sorted(random.uniform(0.0, 600.0) for _ in range(5000))
    for slot, at in [(taken(old, 0.0), at) for at in answers]:
        old.answered(slot, at)
    dump = old.dump(600.0)
    assert len(dump["limits"][0]["arrivals"]) <= BUCKETS

    def free_at(now: float) -> int:
        new = ledger(limit)
        new.restore(dump, elapsed=0.0, now=600.0)
        return free(new, now)

    for number in range(0, 5000, 250):
        exactly = answers[number] + 600.0 * (1 + CLOCK_DRIFT)
        assert free_at(exactly - 1e-6) <= number
        assert free_at(exactly + 600.0 / (BUCKETS - 1) + 0.002) > number


def restored(was: list[Limit], now: list[Limit], elapsed: float = 0.0) -> Ledger:
    """Restore the ledger under new limits.

    One GET was answered under the old ones right before the dump.
    """
    old = Ledger(was, SETTLES_WITHIN)
    old.answered(taken(old, 0.0), 0.0)
    new = Ledger(now, SETTLES_WITHIN)
    new.restore(old.dump(0.0), elapsed, now=elapsed)
    return new


@pytest.mark.parametrize(
    ("was", "slots"),
    [
        ([Limit(9, 10.0)], 2),
        ([Limit(9, 60.0)], 2),
        ([Limit(9, 10.0, "GET")], 0),
        ([Limit(9, 5.0)], 0),
        ([], 0),
    ],
    ids=["other number", "longer window", "one method only", "shorter window", "none"],
)
def test_a_changed_limit_believes_the_limits_before_it_as_far_as_they_saw_everything(
    was: list[Limit], slots: int
) -> None:
    assert free(restored(was, [Limit(3, 10.0)]), 0.0) == slots


def test_a_limit_of_one_method_believes_the_limit_of_all() -> None:
    assert free(restored([Limit(9, 10.0)], [Limit(3, 10.0, "GET")]), 0.0) == 2


def test_a_lowered_limit_waits_until_enough_has_left_the_window() -> None:
    old = ledger(Limit(4, 10.0))
    for at in (1.0, 2.0, 3.0, 4.0):
        old.answered(taken(old, at), at)
    new = ledger(Limit(2, 10.0))
    new.restore(old.dump(4.0), elapsed=0.0, now=4.0)
    assert free(new, 2.01 + WINDOW) == 0
    assert free(new, 3.01 + WINDOW) == 1


@pytest.mark.parametrize(
    "was",
    [[], [Limit(9, 10.0, "POST")], [Limit(9, 5.0)]],
    ids=["none", "method", "shorter"],
)
def test_a_limit_nobody_counted_for_waits_for_requests_that_were_given_up_right_before(
    was: list[Limit],
) -> None:
    """They may arrive until ``settles_within`` later, and were counted for no limit
    then.
    """
    new = restored(was, [Limit(3, 10.0)])
    assert free(new, SETTLES_WITHIN + WINDOW - 0.1) == 0
    assert free(new, SETTLES_WITHIN + WINDOW) == 3


def items_left(book: Ledger, now: float, method: str = "GET") -> int:
    """Return how many items one more request may carry."""
    carried = 0
    while book.room(method, now, carried + 1):
        carried += 1
    return carried


ITEMS = Limit(items=10, per=10.0)


def test_a_request_takes_a_place_for_each_of_its_items() -> None:
    book = ledger(ITEMS, Limit(3, 10.0))
    first = book.take("GET", 0.0, items=6)
    assert first is not None
    assert book.take("GET", 0.0, items=5) is None
    assert items_left(book, 0.0) == 4
    book.answered(first, 1.0)
    assert items_left(book, 0.9 + WINDOW) == 4
    assert items_left(book, 1.0 + WINDOW) == 10


def test_single_requests_and_batches_count_as_one_where_requests_are_counted() -> None:
    book = ledger(Limit(2, 10.0))
    assert book.take("GET", 0.0, items=1000) is not None
    assert free(book, 0.0) == 1


def test_items_that_were_given_up_or_never_sent_come_back_all_together() -> None:
    book = ledger(ITEMS)
    lost, unsent = (book.take("GET", 0.0, items=number) for number in (7, 3))
    assert lost is not None
    assert unsent is not None
    assert items_left(book, 0.0) == 0
    book.unsent(unsent)
    assert items_left(book, 0.0) == 3
    book.abandoned(lost, 2.0)
    assert items_left(book, 1.9 + SETTLES_WITHIN + WINDOW) == 3
    assert items_left(book, 2.0 + SETTLES_WITHIN + WINDOW) == 10


def test_a_filled_ledger_has_no_room_for_an_item() -> None:
    book = ledger(ITEMS)
    book.fill(0.0)
    assert items_left(book, WINDOW - 0.1) == 0
    assert items_left(book, WINDOW) == 10


def test_a_dump_hands_on_items() -> None:
    old = ledger(ITEMS)
    answered, unanswered = (old.take("GET", 0.0, items=number) for number in (4, 3))
    assert answered is not None
    assert unanswered is not None
    old.answered(answered, 1.0)
    dump = old.dump(2.0)
    assert dump["limits"] == [
        {
            "items": 10,
            "per": 10.0,
            "method": None,
            "arrivals": [[-1.0, 4], [SETTLES_WITHIN, 3]],
        }
    ]
    new = ledger(ITEMS)
    new.restore(dump, elapsed=0.0, now=2.0)
    assert items_left(new, 2.0) == 3
    assert items_left(new, 1.01 + WINDOW) == 7
    assert items_left(new, 2.01 + SETTLES_WITHIN + WINDOW) == 10


@pytest.mark.parametrize("was", [Limit(10, 10.0), Limit(items=10, per=10.0)])
@pytest.mark.parametrize("now", [Limit(10, 10.0), Limit(items=10, per=10.0)])
def test_a_limit_of_items_does_not_believe_one_of_requests_nor_the_other_way_round(
    was: Limit, now: Limit
) -> None:
    expected = 9 if was == now else 0
    assert free(restored([was], [now]), 0.0) == expected
