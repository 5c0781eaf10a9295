"""Waves take the fewest requests that any order of sending could take.

The model is small and searched whole: three contacts, two in one request, and every
course that a contact can take through look-ups, creates, updates and lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, combinations_with_replacement

from syncengine.model.calls import Action, Call
from syncengine.model.contact import MatchKey
from syncengine.planning.attempt.steps import Find, Read, Send
from syncengine.planning.waves import VendorStep
from tests.support.bulk_bank import Asking, Bank, Server
from tests.support.virtual_time import run

SIZE = 2
CONTACTS = 3
COURSES = (
    "f",
    "fc",
    "fu",
    "fg",
    "fgc",
    "fcj",
    "fuj",
    "g",
    "gc",
    "r",
    "ru",
    "ruj",
    "c",
    "cj",
    "u",
    "uj",
    "uk",
    "ujk",
    "j",
    "jk",
)
"""Courses of a contact, a letter a step: look-ups by one field and by another (f, g),
read (r), create (c), update (u), joining a list and another one (j, k)."""


def step(letter: str, name: str) -> VendorStep:
    """Return the step of a contact that a letter stands for."""
    match letter:
        case "f":
            return Find(MatchKey("email", name))
        case "g":
            return Find(MatchKey("phone", name))
        case "r":
            return Read(name)
        case "c":
            return Send(Call(Action.CREATE, name), repeatable=False)
        case "u":
            return Send(Call(Action.UPDATE, name, name), repeatable=True)
        case _:
            joined = {f"lists.{letter}": True}
            call = Call(Action.JOIN_LISTS, name, name, fields=joined)
            return Send(call, repeatable=True)


def requests_of_waves(courses: tuple[str, ...]) -> int:
    """Return the number of requests that the waves take for these contacts."""
    server = Server()
    scripts = [
        [step(letter, f"contact {number}") for letter in course]
        for number, course in enumerate(courses)
    ]
    run(Asking(server, Bank(SIZE)).scripts(scripts))
    return len(server.requests)


@cache
def fewest(left: tuple[str, ...]) -> int:
    """Return the fewest requests that carry out what is left, of all orders."""
    if not any(left):
        return 0
    return 1 + min(fewest(after) for after in _after_one_request(left))


def _after_one_request(left: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield what is left after each request that could be sent now."""
    for letter in {course[0] for course in left if course}:
        able = [number for number, course in enumerate(left) if course[:1] == letter]
        for size in range(1, min(SIZE, len(able)) + 1):
            for sent in combinations(able, size):
                rest = list(left)
                for number in sent:
                    rest[number] = rest[number][1:]
                yield tuple(sorted(rest))


def test_no_order_of_sending_takes_fewer_requests() -> None:
    for courses in combinations_with_replacement(COURSES, CONTACTS):
        least = fewest(tuple(sorted(courses)))
        assert requests_of_waves(courses) == least, courses
