"""Counts of requests against brute force: no schedule of few contacts takes fewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import ceil
from random import Random
from typing import TypeAlias

import pytest

from syncengine.model.contact import MatchKey
from syncengine.model.costs import Cost
from syncengine.planning.attempt.steps import Find
from syncengine.planning.priced_steps import PricedStep, StepRange, between, certain
from syncengine.planning.request_count import RequestCount, RunPart
from syncengine.planning.waves import Kind

CASES = range(5)
Steps: TypeAlias = tuple[PricedStep, ...]


@dataclass(frozen=True)
class Contact:
    steps: Steps
    mark: str = ""
    """No two contacts with the same one share a request."""


def step(kind: str, size: int, requests: int = 1) -> PricedStep:
    return PricedStep(Find(MatchKey(kind, "1")), Kind(kind), size, requests)


def counted(*contacts: StepRange) -> Cost:
    count = RequestCount()
    for contact in contacts:
        count.add(RunPart.CHANGES, contact)
    return count.requests


def fewest(contacts: Sequence[Contact]) -> int:
    """Return the fewest requests by trying every schedule.

    Each contact's steps come one after the other; a request carries next steps of one
    kind, as many as fit, and never two with the same mark.
    """
    start = tuple(0 for _ in contacts)
    reached, requests = {start}, 0
    end = tuple(len(contact.steps) for contact in contacts)
    while end not in reached:
        reached = {later for now in reached for later in _after(now, contacts)}
        requests += 1
    return requests


def _after(
    now: tuple[int, ...], contacts: Sequence[Contact]
) -> Iterator[tuple[int, ...]]:
    """Yield how far the contacts may be after one more request."""
    waiting: dict[PricedStep, list[int]] = {}
    for number, (at, contact) in enumerate(zip(now, contacts, strict=True)):
        if at < len(contact.steps):
            waiting.setdefault(contact.steps[at], []).append(number)
    for kind, numbers in waiting.items():
        for size in range(1, kind.size + 1):
            for chosen in combinations(numbers, size):
                marks = [contacts[each].mark for each in chosen if contacts[each].mark]
                if len(marks) == len(set(marks)):
                    yield tuple(
                        at + (number in chosen) for number, at in enumerate(now)
                    )


def drawn(random: Random) -> list[Contact]:
    """Draw contacts whose steps follow each other in one order of kinds."""
    kinds = [step(name, random.choice((1, 2, 2, 3))) for name in "abc"]
    contacts: list[Contact] = []
    for _ in range(random.randint(1, 5)):
        mark = random.choice(("", "", "x"))
        steps = [kind for kind in kinds if random.random() < 0.6]
        if not mark and random.random() < 0.2:
            # Such as tags in two calls: the second one waits for the first.
            steps = [kind for kind in steps for _ in range(2)][:3]
        contacts.append(Contact(tuple(steps), mark))
    return contacts


@pytest.mark.parametrize("seed", CASES)
def test_no_schedule_takes_fewer_requests(seed: int) -> None:
    random = Random(seed)
    for _ in range(15):
        contacts = drawn(random)
        count = RequestCount()
        for contact in contacts:
            marked = [
                (each, frozenset({contact.mark} - {""})) for each in contact.steps
            ]
            count.add(RunPart.CHANGES, certain(contact.steps), marked=marked)
        assert count.requests.usual == fewest(contacts), contacts


@pytest.mark.parametrize("seed", CASES)
def test_whatever_the_vendor_answers_the_requests_are_in_the_range(seed: int) -> None:
    """A contact may take the usual steps, others, or only the least of them."""
    random = Random(f"range {seed}")
    for _ in range(15):
        a, b, c, d = (step(name, random.randint(1, 3)) for name in "abcd")
        ranges: list[StepRange] = []
        ways: list[Sequence[Steps]] = []
        for _ in range(random.randint(1, 4)):
            first, usual = (a,), (a, b)
            other = (a, *(each for each in (b, c, d) if random.random() < 0.6))
            if random.random() < 0.3:
                ranges.append(certain(usual))
                ways.append([usual])
            else:
                ranges.append(between(first, usual, other))
                ways.append([first, usual, other])
        cost = counted(*ranges)
        for chosen in product(*ways):
            requests = fewest([Contact(steps) for steps in chosen])
            assert cost.least <= requests <= cost.most


def test_a_vendor_of_single_contacts_takes_the_sum() -> None:
    """Nothing is shared, so the range is that of one contact after the other."""
    find, create, update = step("a", 1, 3), step("b", 1, 2), step("c", 1, 4)
    contact = between((step("a", 1),), (find, create), (find, find, update))
    assert contact.alone == Cost(1, 5, 10)
    assert counted(*[contact] * 7) == Cost(7, 35, 70)


def test_parts_of_a_run_share_no_request() -> None:
    count = RequestCount()
    for part in (RunPart.REMOVALS, RunPart.CHANGES, RunPart.CHANGES):
        count.add(part, certain((step("a", 100, requests=2),)))
    assert (count.requests.usual, count.items.usual) == (2 + 2, 3 * 2)


@pytest.mark.parametrize("contacts", [1, 99, 100, 101, 538, 10_000])
def test_hundreds_of_contacts_take_hundredths_of_the_requests(contacts: int) -> None:
    count = RequestCount()
    find, create = step("find", 100), step("create", 100)
    for _ in range(contacts):
        count.add(RunPart.CHANGES, certain((find, create)), (find,))
    hundreds = ceil(contacts / 100)
    assert (count.look_ups, count.requests.usual) == (hundreds, 2 * hundreds)
