"""Many calls in one request: each contact gets its own change, and the answer to it.

``BulkVendor`` takes as many calls as ``Bulk`` allows. What the adapter returns has to
be about the very call, since a wrong id links a contact to somebody else for good; and
one contact that cannot be written keeps nobody else back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from syncengine.model.calls import Action, Applied, Call, Exists, Rejected
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json
from syncengine.ports import BulkVendor
from syncengine.testing.benches import Bench
from syncengine.testing.bulk_calls import (
    MAKING,
    NOBODY,
    all_applied,
    assert_carried_out,
    bulk_actions,
    bulk_of,
    bulk_vendors,
    call_of,
    every_bulk_action,
    id_after,
    many,
    number_of_calls,
    ready_call,
    ready_calls,
    send_many,
)
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.contract.consent import opt_outs, vendor_of
from syncengine.testing.expectations import expect
from syncengine.testing.vendors_under_test import VendorUnderTest


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


@every_bulk_action
def test_many_calls_take_the_requests_of_one(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    calls = ready_calls(bench, action, number_of_calls(subject, action))
    before = len(bench.responses)
    answers = all_applied(bench, calls)
    spent = len(bench.responses) - before
    offer = getattr(subject.vendor.capabilities, action)
    assert spent <= offer.requests, (
        f"{subject}: {len(calls)} calls {action} took {spent} requests, and "
        f"Capabilities.{action}.requests is {offer.requests}"
    )
    items = max(request.items for request in bench.requests[-spent:])
    assert items >= len(calls), (
        f"{subject}: a request carries {len(calls)} contacts, and Request.items is "
        f"{items}: some limits count these"
    )
    for call in calls:
        answered = answers[call.contact_id].external_id
        assert call.external_id is None or answered in (None, call.external_id), (
            f"{subject}: the answer to {call.action} of {call.external_id} names "
            f"{answered}"
        )


@every_bulk_action
def test_each_contact_gets_its_own_change_and_nobody_else_any(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    bystander = bench.make(9)
    calls = ready_calls(bench, action, number_of_calls(subject, action))
    before = bench.stored(bystander)
    answers = all_applied(bench, calls)
    ids = {call.contact_id: id_after(call, answers[call.contact_id]) for call in calls}
    assert len(set(ids.values())) == len(ids), f"{subject}: two calls got one id: {ids}"
    for call in calls:
        assert_carried_out(bench, call, ids[call.contact_id])
    assert bench.stored(bystander) == before, (
        f"{subject}: send_many of {action} changed a contact that no call is about"
    )


@every_bulk_action
def test_one_call_alone_is_carried_out(
    subject: VendorUnderTest, action: Action
) -> None:
    """A request that was refused is sent again in parts, down to a single call."""
    bench = Bench(subject)
    calls = ready_calls(bench, action, 1)
    all_applied(bench, calls)


# --- as many as declared --------------------------------------------------------------


def _plain_bulk_actions(
    subjects: VendorsUnderTest,
) -> list[tuple[VendorUnderTest, Action]]:
    return bulk_actions(plain(subjects))


every_plain_action = for_each(("subject", "action"), _plain_bulk_actions)


@every_plain_action
def test_a_whole_batch_of_the_declared_size_is_taken(
    subject: VendorUnderTest, action: Action
) -> None:
    bulk = bulk_of(subject, action)
    assert bulk
    bench = Bench(subject)
    ids: list[str | None] = [None] * bulk.size
    if action not in MAKING:
        first = replace(subject.call(subject.first, 1, None), add_tags=())
        made = numbered_calls(subject, first, ids)
        ids = [id_after(call, bench.applied(call)) for call in made]
    all_applied(bench, numbered_calls(subject, subject.call(action, 1, None), ids))


def numbered_calls(
    subject: VendorUnderTest, sample: Call, ids: Sequence[str | None]
) -> list[Call]:
    """Return copies of a call, each about the contact with one of the ids."""
    return [
        replace(
            sample,
            contact_id=f"contact-{number}",
            external_id=external_id,
            fields=_numbered(subject, sample, number),
            key=sample.key and numbered_key(sample.key, number),
        )
        for number, external_id in enumerate(ids)
    ]


def numbered_key(key: MatchKey, number: int) -> MatchKey:
    return replace(key, value=_with(key.value, number))


def _numbered(subject: VendorUnderTest, call: Call, number: int) -> Mapping[str, Json]:
    """Return the fields of a call with the unique ones of another contact."""
    can = subject.vendor.capabilities
    writes = [write for write in (can.create, can.upsert) if write]
    names = {name for write in writes for name in write.keyed_by} | {*can.find_by}
    changed = {
        name: _with(str(value), number)
        for name, value in call.fields.items()
        if name in names
    }
    return {**call.fields, **changed}


def _with(value: str, number: int) -> str:
    """Return a value that differs for each number, and keeps its form."""
    head, tail = value[:1], value[1:]
    if value.startswith("+"):
        return f"{value[:-3]}{number:03}"
    return f"{head}{number:03}{tail}"


def _groups(subjects: VendorsUnderTest) -> Iterator[tuple[VendorUnderTest, str]]:
    for subject in bulk_vendors(subjects):
        for group, actions in _actions_by_group(subject).items():
            if len(actions) > 1:
                yield subject, group


def _actions_by_group(subject: VendorUnderTest) -> Mapping[str, list[Action]]:
    """Return the actions that may share a request, by the group that they name."""
    groups: defaultdict[str, list[Action]] = defaultdict(list)
    for action in subject.actions():
        bulk = bulk_of(subject, action)
        if bulk and bulk.group:
            groups[bulk.group].append(action)
    return groups


@for_each(("subject", "group"), _groups)
def test_actions_of_one_group_share_a_request(
    subject: VendorUnderTest, group: str
) -> None:
    actions = _actions_by_group(subject)[group]
    bench = Bench(subject)
    # Each call is about another contact, as the engine sees to.
    calls = [
        ready_call(bench, action, contact)
        for contact, action in enumerate(actions, start=1)
    ]
    before = len(bench.responses)
    all_applied(bench, calls)
    offers = [getattr(subject.vendor.capabilities, action) for action in actions]
    spent = len(bench.responses) - before
    assert spent <= max(offer.requests for offer in offers), (
        f"{subject}: {', '.join(actions)} share the group {group!r} of Bulk, and a "
        f"call of each took {spent} requests"
    )
    for call in calls:
        assert call.external_id
        assert_carried_out(bench, call, call.external_id)


# --- one that cannot be written -------------------------------------------------------


@every_bulk_action
def test_one_missing_contact_keeps_nobody_else_back(
    subject: VendorUnderTest, action: Action
) -> None:
    if action in MAKING:
        return
    bench = Bench(subject)
    calls = ready_calls(bench, action, number_of_calls(subject, action))
    lost = replace(calls[1], external_id=NOBODY)
    answer = _answer_to_odd_one(bench, [calls[0], lost, *calls[2:]], lost)
    where = f"{subject}: send_many of {action}, of which one contact is not there"
    if answer is None:
        return
    if action is Action.DELETE:
        gone = expect(Applied, answer, where, "what is not there is deleted.")
        assert gone.was_gone, f"{where}: Applied(was_gone=True) says so"
        return
    rejected = expect(Rejected, answer, where, "it is not there.")
    assert rejected.code == "not_found", f"{where}: the code is {rejected.code}"


def _with_refused(
    subjects: VendorsUnderTest,
) -> Iterator[tuple[VendorUnderTest, Action]]:
    for subject, action in bulk_actions(subjects):
        refused = subject.hints.refused
        if refused and subject.write(action) is not None:
            yield subject, action


@for_each(("subject", "action"), _with_refused)
def test_one_refused_contact_keeps_nobody_else_back(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    calls = ready_calls(bench, action, number_of_calls(subject, action))
    wrong = replace(calls[1], fields={**calls[1].fields, **subject.hints.refused})
    answer = _answer_to_odd_one(bench, [calls[0], wrong, *calls[2:]], wrong)
    if answer is not None:
        where = f"{subject}: send_many of {action}, of which one is refused"
        expect(Rejected, answer, where, "ContractHints(refused=...) names its values.")


@every_bulk_action
def test_existing_contacts_are_told_or_refused_and_nothing_is_made_twice(
    subject: VendorUnderTest, action: Action
) -> None:
    create = subject.vendor.capabilities.create
    if action is not Action.CREATE or create is None or not create.keyed_by:
        return
    bench = Bench(subject)
    size = number_of_calls(subject, action)
    existing = bench.make(2)
    calls = ready_calls(bench, action, size)
    answer = _answer_to_odd_one(bench, calls, calls[1])
    where = f"{subject}: send_many of creates, one of whose contacts is there"
    assert len(bench.state()) == size, f"{where}: a contact was made twice"
    if answer is not None:
        found = expect(Exists, answer, where, "it is there already.")
        assert found.remote.external_id == existing, f"{where}: it shows another one"


def _answer_to_odd_one(bench: Bench, calls: Sequence[Call], odd: Call) -> object:
    """Send calls of which one cannot be carried out, and return the answer to it.

    All others have to be carried out; where the request is refused as a whole, once
    they are sent without it. The answer is None then.
    """
    subject, action = bench.subject, odd.action
    others = [call for call in calls if call is not odd]
    before = bench.state()
    results = send_many(bench, calls)
    where = f"{subject}: send_many of {action}, of which one cannot be carried out"
    if isinstance(results, Rejected):
        assert bench.state() == before, (
            f"{where}: the whole request is Rejected, and something was carried out. "
            "Rejected in place of results is for requests of which nothing was done."
        )
        answers: Mapping[str, object] = all_applied(bench, others)
    else:
        answers = {each.call.contact_id: each.answer for each in results}
    for call in others:
        advice = "nothing is wrong with this contact."
        applied = expect(Applied, answers.get(call.contact_id), where, advice)
        assert not applied.was_gone, f"{where}: {call.contact_id} was there"
        assert_carried_out(bench, call, id_after(call, applied))
    if isinstance(results, Rejected):
        return None
    answer = answers.get(odd.contact_id)
    assert answer is not None, (
        f"{where}: there is no result for it, although the vendor judged it"
    )
    return answer


# --- consent --------------------------------------------------------------------------


def _lowerings(
    subjects: VendorsUnderTest,
) -> Iterator[tuple[VendorUnderTest, Action, str, Json]]:
    for subject, action in bulk_actions(plain(subjects)):
        for name, no in opt_outs(subject):
            write = subject.write(action)
            is_later = action is not Action.CREATE and write is not None
            if is_later and write and name not in write.must_carry:
                yield subject, action, name, no


@for_each(("subject", "action", "name", "no"), _lowerings)
def test_a_call_that_would_take_back_a_no_is_not_sent_among_others(
    subject: VendorUnderTest, action: Action, name: str, no: Json
) -> None:
    kept = replace(subject, vendor=vendor_of(subject, name, no, lowers=False))
    calls = [call_of(kept, action, number, f"{number}") for number in (1, 2)]
    lowering = {**calls[1].fields, name: subject.fields(1)[name]}
    calls[1] = replace(calls[1], fields=lowering)
    # ``check_call``, called first for each of the calls, raises it.
    with pytest.raises(ValueError, match="opt-out"):
        next(many(kept).send_many(calls))
