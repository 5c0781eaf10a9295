"""Waves: many contacts share a request, and for each of them it is as if it was alone."""

from __future__ import annotations

import asyncio
from math import ceil, log2
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncengine.errors import CannotBeSent, ContactSuppressed, VendorUnavailable
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import MatchKey
from syncengine.model.http import Request, Response
from syncengine.planning.attempt.steps import Find, Read
from syncengine.planning.waves import LONGEST_WAIT, VendorStep, contacts_at_once
from tests.support.bulk_bank import (
    ROUND_TRIP,
    Asking,
    Bank,
    Server,
    all_well,
    capabilities,
    contacts_in,
    create,
    lost,
    told,
    update,
)
from tests.support.virtual_time import run

HUNDRED = [f"c{number}" for number in range(100)]


def asking(server: Server, size: int = 100, **options: Any) -> Asking:
    return Asking(server, Bank(size), **options)


def find(name: str) -> Find:
    return Find(MatchKey("email", name))


def test_equal_steps_share_a_request_and_each_contact_gets_its_own_answer() -> None:
    server = Server()
    answers = run(asking(server).together(*map(create, HUNDRED)))
    assert server.sizes("/create") == [100]
    assert answers == [Applied(f"id of {name}") for name in HUNDRED]


def test_an_answer_is_told_by_its_contact_and_not_by_its_place() -> None:
    def turned_round(request: Request) -> Response:
        return told([[name, f"id of {name}"] for name in contacts_in(request)[::-1]])

    answers = run(asking(Server(turned_round)).together(*map(create, HUNDRED)))
    assert answers == [Applied(f"id of {name}") for name in HUNDRED]


def test_no_more_contacts_share_a_request_than_the_vendor_takes() -> None:
    server = Server()
    run(asking(server, size=40).together(*map(create, HUNDRED)))
    assert server.sizes("/create") == [40, 40, 20]


def test_steps_of_different_kinds_do_not_share_a_request() -> None:
    server = Server()
    steps: list[VendorStep] = [create("a"), update("b"), find("c"), Read("d")]
    steps += [create("e"), find("f")]
    run(asking(server).together(*steps))
    assert sorted(each.path for each in server.requests) == [
        "/create",
        "/find",
        "/read",
        "/update",
    ]


def test_two_contacts_that_the_vendor_might_take_for_one_do_not_share_a_request() -> (
    None
):
    server = Server()
    steps = [create("a", "One@example.org"), create("b", "one@example.org")]
    run(asking(server).together(*steps))
    assert server.sizes("/create") == [1, 1]


def test_the_same_key_is_looked_up_once_for_all_who_ask() -> None:
    server = Server()
    run(asking(server).together(find("a"), find("a"), find("b")))
    assert [contacts_in(each) for each in server.requests] == [["a", "b"]]


def test_contacts_of_one_answer_have_its_number_and_it_is_told_before_they_go_on() -> (
    None
):
    def half(request: Request) -> Response:
        names = contacts_in(request)
        said = {"c0": "refused bad", "c1": "refused bad"}
        return told([[name, said.get(name, name)] for name in names])

    contacts = asking(Server(half), size=2)
    ends = run(contacts.ended(*map(create, HUNDRED[:6])))
    numbers = [end.number for end in ends]
    assert numbers[0::2] == numbers[1::2]
    assert sorted(set(numbers)) == [1, 2, 3]
    assert sorted(contacts.accepted) == sorted({*numbers} - {numbers[0]})


def test_an_answer_that_carries_nothing_out_is_no_acceptance() -> None:
    contacts = asking(Server())
    run(contacts.together(find("a"), find("b"), Read("c"), Read("d")))
    assert not contacts.accepted


def test_a_contact_that_is_left_alone_by_halving_is_told_of_as_well() -> None:
    def but_b(request: Request) -> Response:
        return (
            Response(400, {}, b"") if "b" in contacts_in(request) else all_well(request)
        )

    contacts = asking(Server(but_b))
    ends = run(contacts.ended(create("a"), create("b"), create("c")))
    assert [end.number for end in ends] == [3, 4, 5]
    assert contacts.accepted == [3, 5]


def test_whoever_said_no_is_taken_out_and_the_others_are_sent() -> None:
    server = Server()
    left = ContactSuppressed("opted out")
    contacts = asking(server, said_no={"c7": left, "c8": left})
    answers = run(contacts.together(*map(create, HUNDRED)))
    (request,) = server.requests
    assert len(contacts_in(request)) == 98
    assert {"c7", "c8"}.isdisjoint(contacts_in(request))
    assert (answers[7], answers[8]) == (left, left)
    others = answers[:7] + answers[9:]
    assert all(isinstance(each, Applied) for each in others)


def test_somebody_who_says_no_while_a_lost_request_is_repeated_is_not_sent_again() -> (
    None
):
    """The first try may have been carried out: that is not forgotten."""
    contacts = asking(Server(lost))

    def say_no() -> None:
        if contacts.server.requests:
            contacts.said_no["b"] = ContactSuppressed("opted out")

    contacts.server.before = say_no
    answers = run(contacts.together(update("a"), update("b")))
    sent = [contacts_in(each) for each in contacts.server.requests]
    assert sent == [["a", "b"], ["a"], ["a"]]
    for answer in answers:
        assert isinstance(answer, VendorUnavailable)
        assert answer.maybe_applied


def test_somebody_who_says_no_costs_the_others_no_try() -> None:
    left = [lost]

    def then_well(request: Request) -> Response:
        return left.pop()(request) if left else all_well(request)

    contacts = asking(Server(then_well))

    def say_no() -> None:
        if contacts.server.requests:
            contacts.said_no["b"] = ContactSuppressed("opted out")

    contacts.server.before = say_no
    a, b, c = run(contacts.ended(update("a"), update("b"), update("c")))
    assert (a.value, c.value) == (Applied("id of a"), Applied("id of c"))
    assert a.after_lost_try
    assert c.after_lost_try
    assert isinstance(b, VendorUnavailable)
    assert b.maybe_applied


def test_a_lost_answer_is_unknown_for_all_and_counts_as_one_failure() -> None:
    server = Server(lost)
    errors = run(asking(server).together(*map(create, HUNDRED)))
    assert len(server.requests) == 1, "a create is not repeated"
    assert all(isinstance(error, VendorUnavailable) for error in errors)
    assert all(error.maybe_applied for error in errors)
    assert [error.is_counted for error in errors].count(False) == 1


def test_a_lost_answer_is_asked_for_again_where_that_does_no_harm() -> None:
    answers_left = [lost, all_well]

    def second_time(request: Request) -> Response:
        return answers_left.pop(0)(request)

    server = Server(second_time)
    answers = run(asking(server).together(*map(update, HUNDRED)))
    assert server.sizes("/update") == [100, 100]
    assert answers == [Applied(f"id of {name}") for name in HUNDRED]


@settings(deadline=None, max_examples=40)
@given(
    number=st.integers(2, 100),
    poisoned=st.sets(st.integers(0, 99), min_size=1, max_size=4),
)
def test_a_request_refused_as_a_whole_costs_two_more_a_halving_for_each_to_blame(
    number: int, poisoned: set[int]
) -> None:
    to_blame = {f"c{each % number}" for each in poisoned}

    def poison(request: Request) -> Response:
        if to_blame.isdisjoint(contacts_in(request)):
            return all_well(request)
        return Response(400, {}, b"")

    server = Server(poison)
    names = HUNDRED[:number]
    answers = run(asking(server).together(*map(create, names)))
    for name, answer in zip(names, answers, strict=True):
        assert isinstance(answer, Rejected if name in to_blame else Applied), name
    most = 1 + len(to_blame) * 2 * ceil(log2(number))
    assert len(server.requests) <= most


def test_a_poisoned_hundred_costs_fourteen_more() -> None:
    def poison(request: Request) -> Response:
        if "c50" in contacts_in(request):
            return Response(400, {}, b"")
        return all_well(request)

    server = Server(poison)
    run(asking(server).together(*map(create, HUNDRED)))
    assert len(server.requests) <= 15


def test_a_contact_that_no_request_can_express_stands_alone_in_the_end() -> None:
    server = Server()
    contacts = asking(server)
    contacts.bank.unsendable.add("c3")
    answers = run(contacts.together(*map(create, HUNDRED)))
    assert isinstance(answers[3], CannotBeSent)
    assert sum(isinstance(answer, Applied) for answer in answers) == 99
    assert sum(server.sizes("/create")) == 99, "nothing was sent about it"


def _without_b(request: Request) -> Response:
    names = [name for name in contacts_in(request) if name != "b"]
    if not names:
        return told([["b", "id of b"]])
    return told([[name, f"id of {name}"] for name in names])


def test_a_create_that_no_answer_names_may_have_been_carried_out() -> None:
    server = Server(_without_b)
    answers = run(asking(server).together(create("a"), create("b"), create("c")))
    assert (answers[0], answers[2]) == (Applied("id of a"), Applied("id of c"))
    assert isinstance(answers[1], VendorUnavailable)
    assert answers[1].maybe_applied
    assert len(server.requests) == 1


def test_an_update_that_no_answer_names_is_sent_again() -> None:
    server = Server(_without_b)
    answers = run(asking(server).together(update("a"), update("b"), update("c")))
    assert answers == [Applied("id of a"), Applied("id of b"), Applied("id of c")]
    assert server.sizes("/update") == [3, 1]


def test_an_update_that_no_answer_named_may_have_been_carried_out_before() -> None:
    contacts = asking(Server(_without_b))
    ends = run(contacts.ended(update("a"), update("b"), update("c")))
    assert ends[1].value == Applied("id of b")
    assert [end.after_lost_try for end in ends] == [False, True, False]


def test_whoever_says_no_after_no_answer_named_it_stays_unknown() -> None:
    contacts = asking(Server(_without_b))

    def say_no() -> None:
        if contacts.server.requests:
            contacts.said_no["b"] = ContactSuppressed("opted out")

    contacts.server.before = say_no
    answers = run(contacts.together(update("a"), update("b"), update("c")))
    assert isinstance(answers[1], VendorUnavailable)
    assert answers[1].maybe_applied


def test_a_refused_half_of_a_lost_request_may_have_been_carried_out() -> None:
    answers_left = [lost]

    def then_refused(request: Request) -> Response:
        if answers_left:
            return answers_left.pop()(request)
        return Response(400, {}, b"")

    contacts = asking(Server(then_refused))
    ends = run(contacts.ended(update("a"), update("b")))
    assert all(isinstance(end.value, Rejected) for end in ends)
    assert contacts.server.sizes("/update") == [2, 2, 1, 1]
    assert all(end.after_lost_try for end in ends)


def test_a_vendor_that_names_nobody_is_asked_about_each_and_then_no_more() -> None:
    server = Server(lambda _: told([]))
    errors = run(asking(server).together(*map(update, HUNDRED[:4])))
    assert all(isinstance(error, VendorUnavailable) for error in errors)
    assert max(server.sizes("/update")) == 4


def test_two_answers_to_one_call_are_none() -> None:
    def both(request: Request) -> Response:
        names = contacts_in(request)
        return told([["a", "id of a"], ["a", "refused bad"], [names[-1], "id of b"]])

    answers = run(asking(Server(both)).together(create("a"), create("b")))
    assert isinstance(answers[0], VendorUnavailable)
    assert answers[0].maybe_applied
    assert answers[1] == Applied("id of b")


def test_contacts_that_were_just_created_are_tried_again_together() -> None:
    seen: list[Request] = []

    def not_yet(request: Request) -> Response:
        seen.append(request)
        if len(seen) == 1:
            names = contacts_in(request)
            return told([[name, "refused not_found"] for name in names])
        return all_well(request)

    server = Server(not_yet)
    steps = [update(name, is_just_created=True) for name in HUNDRED]
    answers = run(asking(server).together(*steps))
    assert answers == [Applied(f"id of {name}") for name in HUNDRED]
    assert server.sizes("/update") == [100, 100]


def test_a_mistake_in_reading_an_answer_ends_with_its_request() -> None:
    server = Server(lambda _: Response(200, {}, b"<html>"))
    errors = run(asking(server).together(create("a"), create("b")))
    assert all(isinstance(error, VendorUnavailable) for error in errors)
    assert all(error.maybe_applied for error in errors)


def test_requests_are_counted_once() -> None:
    server = Server()
    contacts = asking(server)
    run(contacts.together(*map(create, HUNDRED)))
    assert sum(meter.requests for meter in contacts.meters) == len(server.requests)


def test_a_request_that_was_held_back_is_not_counted() -> None:
    said_no = {"c7": ContactSuppressed("opted out")}
    for names in (HUNDRED, ["c7"]):
        contacts = asking(Server(), said_no=said_no)
        run(contacts.together(*map(create, names)))
        counted = sum(meter.requests for meter in contacts.meters)
        assert counted == len(contacts.server.requests)


def test_a_request_is_counted_before_its_contacts_go_on() -> None:
    contacts = asking(Server(_without_b))
    counted: list[int] = []

    def count() -> None:
        counted.append(sum(meter.requests for meter in contacts.meters))

    contacts.server.before = count
    run(contacts.together(update("a"), update("b"), update("c")))
    assert counted == [0, 2]


def test_nobody_waits_where_nobody_can_come() -> None:
    async def seconds() -> float:
        await asking(Server()).together(create("a"), update("b"))
        return asyncio.get_running_loop().time()

    # The update could have been joined by what follows the create, had anything.
    assert run(seconds()) == pytest.approx(2 * ROUND_TRIP, abs=0.01)


def test_a_wave_waits_for_answers_that_may_bring_others() -> None:
    server = Server()
    run(asking(server).scripts([[find("a"), create("a")], [create("b")]]))
    assert [each.path for each in server.requests] == ["/find", "/create"]
    assert server.sizes("/create") == [2]


def test_a_straggling_wave_goes_out_in_the_end() -> None:
    """Somebody is worked on for an hour: the others wait a few seconds at most."""
    sent_at: list[float] = []
    server = Server()
    server.before = lambda: sent_at.append(asyncio.get_running_loop().time())
    run(asking(server, busy=3600.0).together(create("a"), create("b")))
    assert sent_at == [pytest.approx(LONGEST_WAIT, abs=0.01)]


def test_as_many_contacts_are_worked_on_as_fill_the_requests_under_way() -> None:
    assert contacts_at_once(8, capabilities(1)) == 8
    assert contacts_at_once(4, capabilities(50)) == 200
    assert contacts_at_once(50, capabilities(100)) == 1000
    assert contacts_at_once(2000, capabilities(100)) == 2000


def _steps(name: str) -> list[VendorStep]:
    return [find(name), create(name)]


def test_a_night_of_538_newcomers_takes_six_look_ups_and_six_creates() -> None:
    server = Server()
    names = [f"c{number}" for number in range(538)]
    run(asking(server).scripts([_steps(name) for name in names]))
    assert (len(server.sizes("/find")), len(server.sizes("/create"))) == (6, 6)
