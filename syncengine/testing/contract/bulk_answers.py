"""Answers about many contacts: damaged, incomplete, in another order, or refusals.

A call without a result counts as unknown, and is looked up. So what an answer does not
say for certain of the very contact is left out: taken for a success, a change is lost,
and with the id of another entry a contact is linked to somebody else for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson

from syncengine.errors import (
    AccountStopped,
    RequestFailed,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.calls import Action, Applied, Call, CallResult, Rejected
from syncengine.model.http import Json, Response
from syncengine.testing.benches import Bench
from syncengine.testing.bulk_calls import (
    MAKING,
    NOBODY,
    all_applied,
    checked,
    every_bulk_action,
    many,
    number_of_calls,
    ready_calls,
)
from syncengine.testing.driving import answer, html
from syncengine.testing.expectations import described, expect
from syncengine.testing.mutants import mutants, rearranged
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

_SOME_MUTANTS = 400


@every_bulk_action
def test_no_damage_gives_a_call_the_contact_of_another(
    subject: VendorUnderTest, action: Action
) -> None:
    """Entries of an answer are left out, repeated, put elsewhere and broken."""
    bench = Bench(subject)
    calls = ready_calls(bench, action, min(3, number_of_calls(subject, action)))
    honest = all_applied(bench, calls)
    own = {name: each.external_id for name, each in honest.items()}
    theirs = {external_id: name for name, external_id in own.items() if external_id}
    sent = bench.responses[-1]
    for damaged in (*rearranged(sent), *islice(mutants(sent), _SOME_MUTANTS)):
        where = f"{subject}: send_many of {action}, answered {described(damaged)}"
        for each in _results_of(bench, calls, damaged):
            if not isinstance(each.answer, Applied):
                continue
            told = each.answer.external_id
            owner = theirs.get(told or "", each.call.contact_id)
            assert owner == each.call.contact_id, (
                f"{where}: {each.call.contact_id} gets the contact {told} of {owner}. "
                "Match by what an entry says of itself, never by its position."
            )
            assert told or action not in MAKING, (
                f"{where}: Applied without an id, so that {each.call.contact_id} "
                "cannot be linked. Leave out a call of which no entry tells the id."
            )


def _results_of(
    bench: Bench, calls: Sequence[Call], damaged: Response
) -> list[CallResult]:
    """Return the results where every answer of the vendor is a damaged success."""
    exchange = many(bench.subject).send_many(calls)
    try:
        result = bench.pretend(exchange, damaged)
    except (RequestFailed, AccountStopped):
        return []
    results = checked(bench.subject, calls, result)
    assert not isinstance(results, Rejected), (
        f"{bench.subject}: send_many, answered {described(damaged)}: the whole request "
        "is Rejected, as if nothing was carried out, and the status says otherwise"
    )
    return results


@every_bulk_action
def test_a_contact_of_which_the_answer_says_nothing_is_unknown(
    subject: VendorUnderTest, action: Action
) -> None:
    """Only where the vendor's answer has an entry for each contact.

    Where it documents that some are left out, ``ContractHints(unsaid=...)`` says so.
    """
    if (action, False) in subject.unsaid():
        return
    bench = Bench(subject)
    calls = ready_calls(bench, action, number_of_calls(subject, action))
    all_applied(bench, calls)
    sent = bench.responses[-1]
    for shortened in _without_an_entry(sent, len(calls)):
        results = _results_of(bench, calls, shortened)
        applied = [each for each in results if isinstance(each.answer, Applied)]
        assert len(applied) < len(calls), (
            f"{subject}: send_many of {len(calls)} calls {action} was answered with "
            f"{len(calls) - 1} entries, and all count as applied. Leave a call without "
            "an entry out of the results: it is looked up."
        )


def _without_an_entry(response: Response, number: int) -> Iterator[Response]:
    """Yield an answer without one of its entries, where it has one for each call."""
    for shortened in _shortened(orjson.loads(response.body or b"null"), number):
        yield replace(response, body=orjson.dumps(shortened))


def _shortened(value: Json, number: int) -> Iterator[Json]:
    if isinstance(value, list) and _are_entries(value, number):
        yield from (value[:at] + value[at + 1 :] for at in range(number))
    elif isinstance(value, dict) and _are_entries(list(value.values()), number):
        for name in value:
            yield {other: part for other, part in value.items() if other != name}
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from ({**value, name: short} for short in _shortened(part, number))


def _are_entries(values: Sequence[Json], number: int) -> bool:
    """Return whether these are so many objects of one form."""
    forms = [frozenset(each) for each in values if isinstance(each, dict)]
    return len(forms) == len(values) == number and len(set(forms)) == 1


# --- failures and refusals ------------------------------------------------------------


@every_bulk_action
def test_failures_of_a_batch_are_those_of_a_call(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    calls = ready_calls(bench, action, 2)

    def failing(response: Response) -> object:
        try:
            return bench.pretend(many(subject).send_many(calls), response)
        except (RequestFailed, AccountStopped) as failure:
            return failure

    where = f"{subject}: send_many of {action}"
    halted = expect(VendorHalted, failing(html(401)), where, "the key is refused.")
    assert halted.setting, f"{where}: VendorHalted names no setting"
    throttled = answer({}, 429, {"retry-after": "3"})
    expect(VendorThrottled, failing(throttled), where, "it is the rate limit.")
    offer = getattr(subject.vendor.capabilities, action)
    for response in (html(503), html(200), answer(None), answer([[]])):
        advice = "nobody was judged."
        failure = expect(VendorUnavailable, failing(response), where, advice)
        # Where a look-up comes first, nothing is written yet.
        assert failure.maybe_applied or offer.requests > 1, (
            f"{where}: maybe_applied is not set after {described(response)}"
        )


@every_bulk_action
def test_a_refusal_repeats_no_value(subject: VendorUnderTest, action: Action) -> None:
    bench = Bench(subject)
    calls = _told_apart(subject, ready_calls(bench, action, 2))
    words = "wrong: " + ", ".join(_hidden(subject, calls))
    refusal = answer({"status": "error", "message": words, "errors": [words]}, 400)
    _assert_hides(bench, calls, refusal)


@every_bulk_action
def test_a_refusal_of_one_repeats_no_value_of_another(
    subject: VendorUnderTest, action: Action
) -> None:
    """The words about a contact that is refused among others name everybody."""
    bench = Bench(subject)
    calls = ready_calls(bench, action, min(3, number_of_calls(subject, action)))
    if subject.hints.refused and subject.write(action):
        fields = {**calls[1].fields, **subject.hints.refused}
        calls[1] = replace(calls[1], fields=fields)
    elif action not in MAKING:
        calls[1] = replace(calls[1], external_id=NOBODY)
    bench.do(many(subject).send_many(calls))
    own_values = _hidden(subject, calls)
    calls = _told_apart(subject, calls)
    words = "wrong: " + ", ".join(_hidden(subject, calls))
    for telltale in _saying(bench.responses[-1], words, besides=own_values):
        _assert_hides(bench, calls, telltale)


def _told_apart(subject: VendorUnderTest, calls: Sequence[Call]) -> list[Call]:
    """Return the calls with texts that have nothing in common.

    A message is cleaned of parts of values, too, and those of the samples are alike.
    """
    problem = subject.vendor.capabilities.value_problem
    told_apart = []
    for call, word in zip(calls, ("amber", "birch", "cedar"), strict=False):
        fields = dict(call.fields)
        for number, (name, value) in enumerate(call.fields.items()):
            text = f"{word}{number}"
            if isinstance(value, str) and not problem(name, text):
                fields[name] = text
        tag = (f"{word}tag",)
        told_apart.append(
            replace(
                call,
                fields=fields,
                add_tags=tag if call.add_tags else (),
                remove_tags=tag if call.remove_tags else (),
            )
        )
    return told_apart


def _hidden(subject: VendorUnderTest, calls: Sequence[Call]) -> list[str]:
    """Return the values of the contacts and the secrets, those that can be told."""
    values = [
        value
        for call in calls
        for value in (*call.fields.values(), *call.add_tags, *call.remove_tags)
        if isinstance(value, str) and 3 < len(value) < 100
    ]
    return [*values, *secrets(subject.spec).values()]


def _saying(
    response: Response, words: str, besides: Collection[str]
) -> Iterator[Response]:
    """Yield an answer with these words in place of each of its sentences in turn.

    ``besides`` are the contacts' values, which are no sentences.
    """
    for body in _with_words(orjson.loads(response.body or b"null"), words, besides):
        yield replace(response, body=orjson.dumps(body))


def _with_words(value: Json, words: str, besides: Collection[str]) -> Iterator[Json]:
    if isinstance(value, str) and " " in value and value not in besides:
        yield words
    elif isinstance(value, dict):
        for name, part in value.items():
            for each in _with_words(part, words, besides):
                yield {**value, name: each}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            for each in _with_words(part, words, besides):
                yield [*value[:at], each, *value[at + 1 :]]


def _assert_hides(bench: Bench, calls: Sequence[Call], response: Response) -> None:
    """Assert that no refusal in the results repeats a value of any of the contacts."""
    subject = bench.subject
    exchange = many(subject).send_many(calls)
    try:
        result: Any = bench.pretend(exchange, response)
    except (RequestFailed, AccountStopped) as failure:
        shown = str(failure)
    else:
        results = checked(subject, calls, result)
        if isinstance(results, Rejected):
            shown = repr(results)
        else:
            answers = [each.answer for each in results]
            shown = repr([each for each in answers if isinstance(each, Rejected)])
    for value in _hidden(subject, calls):
        assert value not in shown, (
            f"{subject}: a refusal repeats {value!r}: {shown}. Clean the words of the "
            "values of all calls in the request (sent_values_in)."
        )
