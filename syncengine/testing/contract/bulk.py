"""Many calls in one request: each result is about the contact that it names.

``BulkVendor`` takes as many calls as ``Bulk`` allows. The vendor may answer in any
order, leave somebody out or refuse one of many; what the adapter returns has to be
about the very call, since a wrong id links a contact to somebody else for good. A call
without a result counts as unknown, and is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from syncengine.model.calls import Action, Applied, Call, CallResult, Exists, Rejected
from syncengine.model.capabilities import Bulk
from syncengine.model.contact import MatchKey
from syncengine.model.http import Exchange, Json, Response
from syncengine.ports import BulkVendor
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each
from syncengine.testing.driving import answer, html
from syncengine.testing.expectations import described, expect
from syncengine.testing.mutants import mutants
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

NOBODY = "177640999"
"""The id of no contact."""
_FEW = 5
"""Calls in one request of most tests, where the vendor takes as many."""
_SOME_MUTANTS = 400
_MAKING = (Action.CREATE, Action.UPSERT)


def bulk_of(subject: VendorUnderTest, action: Action) -> Bulk | None:
    """Return what the vendor declares of an action for many calls, if anything."""
    offer = getattr(subject.vendor.capabilities, action)
    bulk: Bulk | None = getattr(offer, "bulk", None)
    return bulk if bulk and bulk.size > 1 else None


def _bulk_vendors(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    return [each for each in subjects if isinstance(each.vendor, BulkVendor)]


def _bulk_actions(subjects: VendorsUnderTest) -> list[tuple[VendorUnderTest, Action]]:
    return [
        (subject, action)
        for subject in _bulk_vendors(subjects)
        for action in subject.actions()
        if bulk_of(subject, action)
    ]


every_action = for_each(("subject", "action"), _bulk_actions)
every_bulk_vendor = for_each("subject", _bulk_vendors)


def _calls(bench: Bench, action: Action, number: int) -> list[Call]:
    """Return calls about so many contacts, which are there unless they are made."""
    subject = bench.subject
    calls = []
    for contact in range(1, number + 1):
        external_id = None if action in _MAKING else bench.make(contact)
        call = subject.call(action, contact, external_id)
        if action is Action.UPDATE:
            # The values of another contact, but for those that only one may have.
            call = replace(call, fields=_changed(subject, contact))
        calls.append(call)
    return calls


def _changed(subject: VendorUnderTest, contact: int) -> Mapping[str, Json]:
    """Return the fields of an update that changes some of them."""
    can = subject.vendor.capabilities
    writes = [write for write in (can.create, can.upsert) if write]
    unique = {name for write in writes for name in write.keyed_by}
    own = subject.sample(Action.UPDATE, contact)
    other = subject.sample(Action.UPDATE, contact + 20)
    return {name: own[name] if name in unique else other[name] for name in own}


def _size(subject: VendorUnderTest, action: Action) -> int:
    bulk = bulk_of(subject, action)
    assert bulk, f"{subject}: {action} takes one call a request"
    return min(_FEW, bulk.size)


def _send(bench: Bench, calls: Sequence[Call]) -> list[CallResult] | Rejected:
    """Send the calls in one go; each result has to name one of them, and its own."""
    result = bench.do(_bulk(bench.subject).send_many(calls))
    return _checked(bench.subject, calls, result)


def _bulk(subject: VendorUnderTest) -> BulkVendor:
    assert isinstance(subject.vendor, BulkVendor)
    return subject.vendor


def _checked(
    subject: VendorUnderTest, calls: Sequence[Call], result: Any
) -> list[CallResult] | Rejected:
    if isinstance(result, Rejected):
        return result
    results = list(result)
    for each in results:
        expect(CallResult, each, subject, "send_many returns a result for each call.")
        assert each.call in calls, (
            f"{subject}: a result of send_many names the call {each.call!r}, which was "
            "not sent. Return the very call that was handed in."
        )
    named = [each.call.contact_id for each in results]
    assert len(named) == len(set(named)), (
        f"{subject}: send_many returns two results for one call ({named})"
    )
    return results


def _applied(bench: Bench, calls: Sequence[Call]) -> dict[str, Applied]:
    """Send calls that have to be carried out, all of them; return the answers."""
    results = _send(bench, calls)
    where = f"{bench.subject}: send_many of {len(calls)} calls {calls[0].action}"
    last = described(bench.responses[-1])
    assert not isinstance(results, Rejected), (
        f"{where}: the whole request was refused: {results}. The last answer: {last}"
    )
    answers: dict[str, Applied] = {}
    for each in results:
        advice = f"Capabilities declares the call. The last answer: {last}"
        answers[each.call.contact_id] = expect(Applied, each.answer, where, advice)
    missing = {call.contact_id for call in calls} - answers.keys()
    assert not missing, f"{where}: there is no result for {missing}; answered: {last}"
    return answers


def _external_id(call: Call, applied: Applied) -> str:
    external_id = call.external_id or applied.external_id
    assert external_id, f"{call.action}: the result has no id of the contact"
    return external_id


# --- writes ---------------------------------------------------------------------------


@for_each("subject", list)
def test_what_is_declared_for_many_has_its_port(subject: VendorUnderTest) -> None:
    can = subject.vendor.capabilities
    declared = can.find_many > 1 or can.read_many > 1
    declared = declared or any(bulk_of(subject, each) for each in subject.actions())
    assert declared is isinstance(subject.vendor, BulkVendor), (
        f"{subject}: Capabilities declares many calls a request (Bulk, find_many, "
        "read_many) where the adapter has no find_many, read_many and send_many, or "
        "the other way round"
    )


@every_action
def test_many_calls_take_the_requests_of_one(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    calls = _calls(bench, action, _size(subject, action))
    before = len(bench.responses)
    answers = _applied(bench, calls)
    spent = len(bench.responses) - before
    offer = getattr(subject.vendor.capabilities, action)
    assert spent <= offer.requests, (
        f"{subject}: {len(calls)} calls {action} took {spent} requests, and "
        f"Capabilities.{action}.requests is {offer.requests}"
    )
    for call in calls:
        answered = answers[call.contact_id].external_id
        assert call.external_id is None or answered in (None, call.external_id), (
            f"{subject}: the answer to {call.action} of {call.external_id} names "
            f"{answered}"
        )


@every_action
def test_each_contact_has_the_values_of_its_own_call(
    subject: VendorUnderTest, action: Action
) -> None:
    if subject.write(action) is None:
        return
    bench = Bench(subject)
    calls = _calls(bench, action, _size(subject, action))
    answers = _applied(bench, calls)
    ids = {
        call.contact_id: _external_id(call, answers[call.contact_id]) for call in calls
    }
    assert len(set(ids.values())) == len(ids), f"{subject}: two calls got one id: {ids}"
    for call in calls:
        bench.assert_holds(ids[call.contact_id], call.fields)


@every_action
def test_a_whole_batch_of_the_declared_size_is_taken(
    subject: VendorUnderTest, action: Action
) -> None:
    bulk = bulk_of(subject, action)
    if action not in _MAKING or bulk is None:
        return
    calls = [
        replace(call, fields=_numbered(subject, call, number), key=_key(call, number))
        for number, call in enumerate([subject.call(action, 1, None)] * bulk.size)
    ]
    calls = [
        replace(call, contact_id=f"contact-{number}")
        for number, call in enumerate(calls)
    ]
    _applied(Bench(subject), calls)


def _key(call: Call, number: int) -> MatchKey | None:
    return call.key and replace(call.key, value=_with(call.key.value, number))


def _numbered(subject: VendorUnderTest, call: Call, number: int) -> Mapping[str, Json]:
    """Return the fields of a call with the unique ones of another contact."""
    write = subject.write(call.action)
    names = write.keyed_by if write else ()
    can = subject.vendor.capabilities
    found = [name for name in call.fields if name in (*names, *can.find_by)]
    changed = {name: _with(str(call.fields[name]), number) for name in found}
    return {**call.fields, **changed}


def _with(value: str, number: int) -> str:
    """Return a value that differs for each number, and keeps its form."""
    head, tail = value[:1], value[1:]
    if value.startswith("+"):
        return f"{value[:-3]}{number:03}"
    return f"{head}{number:03}{tail}"


@every_action
def test_one_missing_contact_keeps_nobody_else_back(
    subject: VendorUnderTest, action: Action
) -> None:
    if action in (*_MAKING, Action.DELETE):
        return
    bench = Bench(subject)
    calls = _calls(bench, action, _size(subject, action))
    lost = replace(calls[1], external_id=NOBODY)
    others = [calls[0], *calls[2:]]
    before = bench.state()
    results = _send(bench, [calls[0], lost, *calls[2:]])
    where = f"{subject}: send_many of {action}, of which one contact is not there"
    if isinstance(results, Rejected):
        assert bench.state() == before, (
            f"{where}: the whole request is Rejected, and something was carried out"
        )
        _applied(bench, others)
        return
    answers = {each.call.contact_id: each.answer for each in results}
    rejected = expect(Rejected, answers[lost.contact_id], where, "it is not there.")
    assert rejected.code == "not_found", f"{where}: the code is {rejected.code}"
    for call in others:
        expect(Applied, answers.get(call.contact_id), where, "its contact is there.")


@every_action
def test_existing_contacts_are_told_or_refused_and_nothing_is_made_twice(
    subject: VendorUnderTest, action: Action
) -> None:
    create = subject.vendor.capabilities.create
    if action is not Action.CREATE or create is None or not create.keyed_by:
        return
    bench = Bench(subject)
    size = _size(subject, action)
    existing = bench.make(2)
    calls = [subject.call(action, number, None) for number in range(1, size + 1)]
    results = _send(bench, calls)
    if isinstance(results, Rejected):
        assert len(bench.state()) == 1, (
            f"{subject}: the whole request is Rejected, and contacts were made"
        )
        return
    where = f"{subject}: send_many of creates, one of whose contacts is there"
    answers = {each.call.contact_id: each.answer for each in results}
    found = expect(Exists, answers[calls[1].contact_id], where, "it is there already.")
    assert found.remote.external_id == existing, f"{where}: Exists shows another one"
    assert len(bench.state()) == size, f"{where}: a contact was made twice"


# --- damage ---------------------------------------------------------------------------


@every_action
def test_no_damage_gives_a_call_the_contact_of_another(
    subject: VendorUnderTest, action: Action
) -> None:
    """Entries of an answer are left out, repeated, exchanged and broken."""
    bench = Bench(subject)
    calls = _calls(bench, action, min(3, _size(subject, action)))
    honest = _applied(bench, calls)
    own = {name: each.external_id for name, each in honest.items()}
    theirs = {external_id: name for name, external_id in own.items() if external_id}
    sent = bench.responses[-1]
    for damaged in islice(mutants(sent), _SOME_MUTANTS):
        for each in _results_of(bench, calls, damaged):
            told = each.answer.external_id if isinstance(each.answer, Applied) else None
            owner = theirs.get(told or "", each.call.contact_id)
            assert owner == each.call.contact_id, (
                f"{subject}: send_many of {action}, answered {described(damaged)}: "
                f"{each.call.contact_id} gets the contact {told} of {owner}. Match by "
                "what an entry says of itself, never by its position."
            )


def _results_of(
    bench: Bench, calls: Sequence[Call], damaged: Response
) -> list[CallResult]:
    """Return the results where every answer of the vendor is a damaged one."""
    exchange = _bulk(bench.subject).send_many(calls)
    try:
        result = bench.pretend(exchange, damaged)
    except (RequestFailed, AccountStopped):
        return []
    results = _checked(bench.subject, calls, result)
    return [] if isinstance(results, Rejected) else results


@every_action
def test_failures_of_a_batch_are_those_of_a_call(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    calls = _calls(bench, action, 2)

    def failing(response: Response) -> object:
        try:
            return bench.pretend(_bulk(subject).send_many(calls), response)
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


@every_action
def test_a_refusal_repeats_no_value(subject: VendorUnderTest, action: Action) -> None:
    bench = Bench(subject)
    calls = _calls(bench, action, 2)
    values = [
        value
        for call in calls
        for value in (*call.fields.values(), *call.add_tags, *call.remove_tags)
        if isinstance(value, str) and len(value) > 3
    ]
    hidden = [*values, *secrets(subject.spec).values()]
    words = "wrong: " + ", ".join(hidden)
    refusal = answer({"status": "error", "message": words, "errors": [words]}, 400)
    try:
        result = bench.pretend(_bulk(subject).send_many(calls), refusal)
    except VendorUnavailable as failure:
        shown = str(failure)
    else:
        shown = repr(_refusals(subject, calls, result))
    for value in hidden:
        assert value not in shown, f"{subject}: a refusal repeats {value!r}: {shown}"


def _refusals(
    subject: VendorUnderTest, calls: Sequence[Call], result: Any
) -> list[Rejected]:
    results = _checked(subject, calls, result)
    if isinstance(results, Rejected):
        return [results]
    return [each.answer for each in results if isinstance(each.answer, Rejected)]


# --- look-ups -------------------------------------------------------------------------


def _keys_by_field(
    subject: VendorUnderTest, numbers: Sequence[int]
) -> Iterator[dict[int, MatchKey]]:
    """Yield the keys of sample contacts by their number, one field at a time."""
    keys_of = {
        number: {key.field: key for key in subject.keys(number)} for number in numbers
    }
    for name in keys_of[numbers[0]]:
        yield {number: keys[name] for number, keys in keys_of.items() if name in keys}


@every_bulk_vendor
def test_many_keys_find_their_own_contacts(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    made = {number: bench.make(number) for number in (1, 2, 3)}
    vendor = _bulk(subject)
    for keys in _keys_by_field(subject, (1, 2, 3, 7)):
        found = bench.do(vendor.find_many(tuple(keys.values())))
        for number, key in keys.items():
            ids = [remote.external_id for remote in found[key]]
            expected = [made[number]] if number in made else []
            assert ids == expected, (
                f"{subject}: find_many found {ids} for {key} in place of {expected}"
            )


@every_bulk_vendor
def test_many_ids_are_read_as_each_alone(subject: VendorUnderTest) -> None:
    if not subject.vendor.capabilities.reads:
        return
    bench = Bench(subject)
    ids = [bench.make(number) for number in (1, 2, 3)]
    read = bench.do(_bulk(subject).read_many([*ids, NOBODY]))
    assert dict(read) == {
        NOBODY: None,
        **{external_id: bench.read(external_id) for external_id in ids},
    }, f"{subject}: read_many shows other contacts than read"


@every_bulk_vendor
def test_damaged_look_ups_of_many_show_nobody_else(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    made = {bench.make(number): number for number in (1, 2)}
    vendor = _bulk(subject)
    keys = next(_keys_by_field(subject, (1, 2)))
    asked = {key: number for number, key in keys.items()}

    def find_many() -> Exchange[Mapping[MatchKey, Sequence[Any]]]:
        return vendor.find_many(tuple(asked))

    for damaged in islice(mutants(bench.last_answer_to(find_many())), _SOME_MUTANTS):
        found = _pretended(bench, find_many, damaged)
        for key, remotes in found.items():
            for remote in remotes:
                number = made.get(remote.external_id, asked[key])
                assert number == asked[key], (
                    f"{subject}: find_many, answered {described(damaged)}, shows the "
                    f"contact {number} for the key of {asked[key]}"
                )


def _pretended(
    bench: Bench, start: Callable[[], Exchange[Mapping[Any, Any]]], damaged: Response
) -> Mapping[Any, Any]:
    """Return the result of a look-up; nothing where it failed."""
    try:
        found = bench.pretend(start(), damaged)
    except (RequestFailed, AccountStopped):
        return {}
    assert orjson.dumps(len(found))
    return found
