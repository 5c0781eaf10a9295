"""An adapter and its twin understand each other.

The adapter talks to the twin, and the twin's store is looked at past the API: what was
written is there, what was found is it, and everything that ``Capabilities`` declares is
accepted in full. The engine plans by these declarations alone. Where the two disagree,
the vendor's documentation says which of them is to be mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest

from syncengine.errors import VendorHalted
from syncengine.model.calls import Action, Applied, Call, Exists, Rejected
from syncengine.model.capabilities import Write, matches
from syncengine.model.contact import LISTS, MatchKey, Remote
from syncengine.model.http import Exchange, Json
from syncengine.testing.benches import Bench
from syncengine.testing.cases import (
    VendorsUnderTest,
    for_each,
    with_actions,
    with_look_up,
)
from syncengine.testing.expectations import expect
from syncengine.testing.full_calls import blamed_on, full_calls
from syncengine.testing.vendors_under_test import VendorUnderTest


def _every_subject(subjects: VendorsUnderTest) -> VendorsUnderTest:
    return subjects


def _with_lists(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    return [each for each in subjects if each.vendor.capabilities.join_lists]


every_subject = for_each("subject", _every_subject)
every_look_up = for_each("subject", with_look_up)
every_action = for_each(("subject", "action"), with_actions)
with_lists = for_each("subject", _with_lists)
NOBODY = "177640999"
"""The id of no contact."""


def _id_after(call: Call, applied: Applied) -> str:
    """Return the id of the contact that a call was about."""
    external_id = applied.external_id or call.external_id
    assert external_id, (
        f"the answer to a {call.action} names no id, so that the contact cannot be "
        "linked: return Applied(external_id)"
    )
    return external_id


@every_action
def test_what_is_declared_is_accepted(subject: VendorUnderTest, action: Action) -> None:
    bench = Bench(subject)
    call = bench.ready(action)
    external_id = _id_after(call, bench.applied(call))
    if action is not Action.DELETE:
        bench.assert_holds(external_id, call.fields)


@every_action
def test_a_full_call_is_accepted(subject: VendorUnderTest, action: Action) -> None:
    ready = Bench(subject).ready(action)
    for call, because in full_calls(subject, ready):
        bench = Bench(subject)
        external_id = bench.ready(action).external_id
        with blamed_on(because):
            _assert_taken_whole(bench, replace(call, external_id=external_id))


def _assert_taken_whole(bench: Bench, call: Call) -> None:
    external_id = _id_after(call, bench.applied(call))
    if call.action is Action.DELETE:
        return
    if call.action is Action.REMOVE_TAGS:
        bench.assert_holds(external_id, call.fields)
    else:
        bench.assert_holds(external_id, call.fields, frozenset(call.add_tags))


@every_action
def test_doing_it_twice_does_what_doing_it_once_does(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    call = bench.ready(action)
    once = bench.applied(call)
    bench.now += subject.vendor.capabilities.settles_within
    before = bench.state()
    write = subject.write(action)
    where = f"{subject}-{action}"
    changed = (
        f"{where}: the second time changed what the twin stores. A call that is not "
        "repeatable has to be declared so: Write(repeatable=False)."
    )
    if write and not write.repeatable:
        again = bench.send(call)
        is_same_contact = (
            isinstance(again, Applied) and again.external_id == once.external_id
        )
        assert not is_same_contact, (
            f"{where}: sending it twice changed the same contact again. Declare "
            "Write(repeatable=True): it saves a look-up after a lost answer."
        )
    elif action is Action.CREATE:
        again = bench.send(call)
        if isinstance(again, Applied):
            assert write is None or not write.tells_existing, (
                f"{where}: a create that finds its contact there has to return Exists. "
                "If the vendor does not say so, declare Write(tells_existing=False)."
            )
            assert again == once, f"{where}: the second answer is {again}, not {once}"
        else:
            advice = "the contact is there already; return Exists(remote)."
            existing = expect(Exists, again, f"{where} a second time", advice)
            assert existing.remote.external_id == once.external_id, (
                f"{where}: Exists shows another contact, {existing.remote.external_id}"
            )
        assert bench.state() == before, changed
    else:
        # The second time there may be no job left to be given a receipt for.
        again = bench.applied(call)
        assert replace(again, receipt="") == replace(once, receipt=""), (
            f"{where}: the second answer is {again}, and the first was {once}"
        )
        assert bench.state() == before, changed


@every_subject
def test_the_credentials_are_tried(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    probed = bench.do(subject.vendor.probe())
    assert probed is bool(bench.responses), (
        f"{subject}: probe() returned {probed} after {len(bench.responses)} requests. "
        "True means that the credentials were tried at the vendor."
    )
    assert not bench.state(), f"{subject}: probe() made a contact; it only reads"


@every_subject
def test_wrong_credentials_stop_the_account(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    stranger = bench.stranger()
    exchanges: list[Exchange[object]] = [
        stranger.vendor.send(stranger.call(action)) for action in stranger.actions()
    ]
    if stranger.vendor.capabilities.reads:
        exchanges.append(stranger.vendor.read(NOBODY))
    if stranger.vendor.capabilities.find_by:
        exchanges.append(stranger.vendor.find(next(subject.keys(1))))
    for exchange in exchanges:
        with pytest.raises(VendorHalted) as halted:
            bench.do(exchange)
        assert halted.value.setting, (
            f"{subject}: VendorHalted names no setting for refused credentials. Give "
            'the statuses that mean so, such as {401: "settings.token"}.'
        )
    assert not bench.state(), f"{subject}: the twin took a call with wrong credentials"


# --- look-ups -------------------------------------------------------------------------


@every_look_up
def test_each_key_finds_its_contact_and_no_other(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    made = {number: bench.make(number) for number in (1, 2, 12)}
    for number, external_id in made.items():
        keys = list(subject.keys(number))
        assert keys, (
            f"{subject}: no field of Capabilities.find_by differs between the samples "
            f"{number} and {number + 1}; bring others by ContractHints(sample=...)"
        )
        for key in keys:
            found = bench.do(subject.vendor.find(key))
            ids = [remote.external_id for remote in found]
            assert ids == [external_id], (
                f"{subject}: find({key}) found {ids} in place of {external_id} alone. "
                "Drop what the vendor answers beyond the key, as collect_hits does."
            )
            if subject.vendor.capabilities.reads:
                _assert_shows_all(bench, found[0], number)


def _assert_shows_all(bench: Bench, found: Remote, number: int) -> None:
    """Assert that a found contact has the sample's values, as far as they are shown."""
    subject = bench.subject
    for name, value in subject.fields(number).items():
        if subject.hides(name) and name not in found.fields:
            continue
        assert bench.shows(found, name, value), (
            f"{subject}: find() shows {name} as {found.fields.get(name)!r} in place of "
            f"{value!r}. Correct what find() reads, or same(); if it never shows the "
            "field, name it in Capabilities.hidden."
        )


@every_look_up
def test_each_field_of_find_by_can_be_looked_up(subject: VendorUnderTest) -> None:
    names = [key.field for key in subject.keys(1)]
    for pattern in subject.vendor.capabilities.find_by:
        hidden_or_found = [*names, *filter(subject.hides, subject.fields(1))]
        assert any(matches(name, (pattern,)) for name in hidden_or_found), (
            f"{subject}: Capabilities.find_by names {pattern}, and the sample contact "
            "1 has no such text that contact 2 does not share, so that the look-up "
            "cannot be tried. Correct find_by, or bring other samples by "
            "ContractHints(sample=...)."
        )


@every_look_up
def test_the_vendor_itself_chooses_the_contacts_of_a_look_up(
    subject: VendorUnderTest,
) -> None:
    """A look-up shows nobody else.

    An adapter that drops all others finds the right one here, and needs every page of
    the account for it.
    """
    bench = Bench(subject)
    made = {number: bench.make(number) for number in (1, 2)}
    for number, other in ((1, 2), (2, 1)):
        theirs = _marks_of(subject, other, made[other])
        theirs -= _marks_of(subject, number, made[number])
        for key in subject.keys(number):
            strange = theirs & _texts_answered(bench, key)
            assert not strange, (
                f"{subject}: asked for {key}, the twin showed another contact, too: "
                f"{sorted(strange)}. Capabilities.find_by names {key.field}, so "
                "the vendor has to filter by it. Leave the field out if it does not, "
                "or mend what find() sends, or the twin."
            )


def _texts_answered(bench: Bench, key: MatchKey) -> set[str]:
    """Look a key up; return all texts that the twin answered with."""
    before = len(bench.responses)
    bench.do(bench.subject.vendor.find(key))
    texts: set[str] = set()
    for response in bench.responses[before:]:
        if response.status < 300:
            texts.update(_texts_in(orjson.loads(response.body)))
    return texts


def _marks_of(subject: VendorUnderTest, number: int, external_id: str) -> set[str]:
    """Return the texts by which an answer shows that a contact is in it."""
    marks = {external_id, *_texts_in(subject.fields(number))}
    # Short ones occur by chance.
    return {mark for mark in marks if len(mark) > 3}


def _texts_in(value: Json) -> Iterator[str]:
    """Yield every text in a JSON value, however deep."""
    match value:
        case str():
            yield value
        case dict():
            for part in value.values():
                yield from _texts_in(part)
        case list():
            for part in value:
                yield from _texts_in(part)


@every_look_up
def test_what_is_not_there_is_not_found(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    bench.make(1)
    for key in subject.keys(7):
        found = tuple(bench.do(subject.vendor.find(key)))
        assert found == (), f"{subject}: find({key}) found {found}, and nobody has it"
    if subject.vendor.capabilities.reads:
        assert bench.read(NOBODY) is None, (
            f"{subject}: read() of an id that nobody has has to return None "
            "(see look_up)"
        )
    for action in subject.actions():
        if action in (Action.CREATE, Action.UPSERT, Action.DELETE):
            continue
        result = bench.send(subject.call(action, 7, NOBODY))
        where = f"{subject}: {action} of a contact that is not there"
        advice = (
            'return rejection(..., code="not_found") where Reply.not_found is true.'
        )
        rejected = expect(Rejected, result, where, advice)
        assert rejected.code == "not_found", (
            f'{where}: the code is "{rejected.code}" in place of "not_found"'
        )


@every_look_up
def test_every_contact_that_shares_a_key_is_found_once(
    subject: VendorUnderTest,
) -> None:
    for key in subject.keys(1):
        bench = Bench(subject)
        made = {bench.make(1)}
        for number in range(2, 24):
            call = replace(subject.call(subject.first, number, None), add_tags=())
            fields = {**call.fields, key.field: key.value}
            names_the_field = call.key is not None and call.key.field == key.field
            call_key = key if names_the_field else call.key
            answer = bench.send(replace(call, key=call_key, fields=fields))
            # Some vendors take no second contact of a key.
            if isinstance(answer, Applied) and answer.external_id:
                made.add(answer.external_id)
        found = [remote.external_id for remote in bench.do(subject.vendor.find(key))]
        if matches(key.field, subject.vendor.capabilities.shows_one):
            assert len(found) == 1, (
                f"{subject}: find({key}) found {found}, and Capabilities.shows_one "
                "says that it shows one"
            )
            assert found[0] in made, f"{subject}: find({key}) found another: {found}"
        else:
            assert sorted(found) == sorted(made), (
                f"{subject}: find({key}) found {sorted(found)}, and {sorted(made)} "
                "share the key. Read all pages (collect_hits); if the vendor shows "
                "only one, name the field in Capabilities.shows_one."
            )


# --- what was written is what is stored -----------------------------------------------


@every_subject
def test_every_kind_of_value_comes_back_the_same(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    external_id = bench.make(1)
    bench.assert_holds(external_id, subject.fields(1))
    stored = bench.stored(external_id)
    assert stored
    first, second = subject.fields(1), subject.fields(2)
    changed = {name: value for name, value in second.items() if value != first[name]}
    assert changed, (
        f"{subject}: the sample contacts 1 and 2 are alike; bring others by "
        "ContractHints(sample=...)"
    )
    overlooked = [
        name for name, value in changed.items() if bench.shows(stored, name, value)
    ]
    assert not overlooked, (
        f"{subject}: same() takes different values of {', '.join(overlooked)} for "
        "equal, so that such a change would never be sent"
    )


@every_subject
def test_clears_clear_and_leave_the_rest(subject: VendorUnderTest) -> None:
    for action in subject.actions():
        write = subject.write(action)
        if write is None:
            continue
        for name in subject.fields(1):
            if matches(name, write.clears) and name not in write.must_carry:
                _assert_clears(subject, action, write, name)


def _assert_clears(
    subject: VendorUnderTest, action: Action, write: Write, name: str
) -> None:
    bench = Bench(subject)
    external_id = bench.make(1)
    fields = subject.fields(1)
    carried = {must: fields[must] for must in write.must_carry}
    call = subject.call(action, external_id=external_id)
    bench.applied(replace(call, fields={**carried, name: None}, add_tags=()))
    bench.assert_holds(external_id, {**fields, name: None}, frozenset())


@every_subject
def test_tags_come_and_go(subject: VendorUnderTest) -> None:
    can = subject.vendor.capabilities
    bench = Bench(subject)
    external_id = bench.make(1)
    tag = "ü/李 & co"
    fields = subject.fields(1)
    held: set[str] = set()
    for action, write in ((Action.UPDATE, can.update), (Action.UPSERT, can.upsert)):
        if write and write.add_tags != 0:
            call = subject.call(action, external_id=external_id)
            held.add("in a write")
            bench.applied(replace(call, add_tags=tuple(held)))
            bench.assert_holds(external_id, fields, frozenset(held))
    if can.add_tags:
        call = subject.call(Action.ADD_TAGS, external_id=external_id)
        takes_one = can.add_tags.max_tags == 1
        for tags in [("a b",), (tag,)] if takes_one else [("a b", tag)]:
            bench.applied(replace(call, add_tags=tags))
        held |= {"a b", tag}
        bench.assert_holds(external_id, fields, frozenset(held))
    if can.remove_tags:
        call = subject.call(Action.REMOVE_TAGS, external_id=external_id)
        bench.applied(replace(call, remove_tags=("a b", "never set")))
        bench.assert_holds(external_id, fields, frozenset(held - {"a b"}))


@with_lists
def test_lists_are_joined_and_left(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    external_id = bench.make(1)
    bench.applied(subject.call(Action.JOIN_LISTS, external_id=external_id))
    bench.assert_holds(
        external_id, {**subject.fields(1), f"{LISTS}sample-list-0": True}
    )
    if subject.vendor.capabilities.leave_lists:
        bench.applied(subject.call(Action.LEAVE_LISTS, external_id=external_id))
        bench.assert_holds(
            external_id, {**subject.fields(1), f"{LISTS}sample-list-0": None}
        )


@with_lists
def test_lists_that_may_ride_in_the_first_write_are_joined(
    subject: VendorUnderTest,
) -> None:
    write = subject.write(subject.first)
    if write is None or write.join_lists == 0:
        return
    bench = Bench(subject)
    call = subject.call(subject.first, 1, None)
    names = [f"{LISTS}sample-list-{number}" for number in range(3)][: write.join_lists]
    fields = {**call.fields, **dict.fromkeys(names, True)}
    external_id = bench.applied(replace(call, fields=fields)).external_id
    assert external_id, f"{subject}: the answer to the first write names no id"
    stored = bench.stored(external_id)
    assert stored, f"{subject}: the twin has no contact {external_id}"
    joined = {name for name in stored.fields if name.startswith(LISTS)}
    assert joined == set(names), (
        f"{subject}: a first write with the lists {names} joined {sorted(joined)}. "
        "Write(join_lists=...) says how many may ride along."
    )


@every_subject
def test_what_is_deleted_is_gone_and_may_be_deleted_again(
    subject: VendorUnderTest,
) -> None:
    if not subject.vendor.capabilities.delete:
        return
    bench = Bench(subject)
    external_id = bench.make(1)
    call = subject.call(Action.DELETE, external_id=external_id)
    bench.applied(call)
    bench.now += subject.vendor.capabilities.settles_within
    left = bench.stored(external_id)
    bench.applied(call)
    keeps = subject.vendor.capabilities.delete.keeps
    if not keeps:
        assert left is None, (
            f"{subject}: the deleted contact is stored still: {left}. If the vendor "
            "keeps a part of it, declare Deletion(keeps=...)."
        )
        assert bench.make(1) != external_id, f"{subject}: a deleted id came back"
        return
    assert left, (
        f"{subject}: nothing is left of the deleted contact, and Deletion.keeps says "
        f"that {', '.join(keeps)} are"
    )
    for name, value in subject.fields(1).items():
        assert matches(name, keeps) or not bench.shows(left, name, value), (
            f"{subject}: the deletion left {name}, which Deletion.keeps does not name. "
            "People who ask to be forgotten are told what is left."
        )
    assert bench.stored(external_id) == left, (
        f"{subject}: deleting a second time changed what was left"
    )
