"""An adapter and its twin understand each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from syncengine.errors import VendorHalted
from syncengine.model.calls import Action, Applied, Call, Exists, Rejected
from syncengine.model.capabilities import TagCall, Write, matches
from syncengine.model.contact import LISTS
from syncengine.model.http import Exchange, Json
from syncengine.testing.benches import Bench
from syncengine.testing.cases import for_each, with_actions, with_look_up
from syncengine.testing.vendors_under_test import VendorUnderTest

every_subject = for_each("subject", lambda subjects: subjects)
every_look_up = for_each("subject", with_look_up)
every_action = for_each(("subject", "action"), with_actions)
with_lists = for_each(
    "subject",
    lambda subjects: [
        subject for subject in subjects if subject.vendor.capabilities.join_lists
    ],
)
NOBODY = "177640999"
"""The id of no contact."""


@every_action
def test_what_is_declared_is_accepted(subject: VendorUnderTest, action: Action) -> None:
    bench = Bench(subject)
    call = bench.ready(action)
    told = bench.applied(call).external_id
    assert told or call.external_id
    if action is not Action.DELETE:
        bench.assert_holds(told or call.external_id or "", call.fields)


@every_action
def test_a_full_call_is_accepted(subject: VendorUnderTest, action: Action) -> None:
    bench = Bench(subject)
    call = _full(subject, bench.ready(action))
    told = bench.applied(call).external_id
    if action is not Action.DELETE:
        tags = frozenset(call.add_tags)
        bench.assert_holds(
            told or call.external_id or "",
            call.fields,
            None if action is Action.REMOVE_TAGS else tags,
        )


def _full(subject: VendorUnderTest, call: Call) -> Call:
    """Return a call with all it may carry; a lot, where there is no limit."""
    match getattr(subject.vendor.capabilities, call.action):
        case Write() as write:
            fields = {**call.fields, **dict(_padding(write))}
            limited = dict(list(fields.items())[: write.max_fields or 65])
            return replace(
                call,
                fields=limited,
                add_tags=_tags(write.add_tags),
                remove_tags=_tags(write.remove_tags),
            )
        case TagCall() as tagging:
            tags = _tags(tagging.max_tags)
            adds = call.action is Action.ADD_TAGS
            return (
                replace(call, add_tags=tags)
                if adds
                else replace(call, remove_tags=tags)
            )
        case _:
            return call


def _padding(write: Write) -> Iterator[tuple[str, Json]]:
    open_ended = [pattern for pattern in write.fields if pattern.endswith("*")]
    for number in range(write.max_fields or 65):
        if open_ended:
            yield open_ended[0].replace("*", f"sample_{number}"), f"value {number}"


def _tags(most: int | None) -> tuple[str, ...]:
    return tuple(f"tag {number}" for number in range(40 if most is None else most))


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
    if write and not write.repeatable:
        again = bench.send(call)
        assert (
            not isinstance(again, Applied) or again.external_id != once.external_id
        ), "declare it as repeatable"
    elif action is Action.CREATE:
        again = bench.send(call)
        if isinstance(again, Applied):
            assert write is None or not write.tells_existing, (
                "a create that finds its contact there has to say so"
            )
            assert again == once
        else:
            assert isinstance(again, Exists)
            assert again.remote.external_id == once.external_id
        assert bench.state() == before
    else:
        # The second time there may be no job left to be given a receipt for.
        assert replace(bench.applied(call), receipt="") == replace(once, receipt="")
        assert bench.state() == before


@every_subject
def test_the_credentials_are_tried(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    asked = bench.do(subject.vendor.probe())
    assert asked is bool(bench.responses)
    assert not bench.state()


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
        assert halted.value.setting
    assert not bench.state()


# --- look-ups -------------------------------------------------------------------------


@every_look_up
def test_each_key_finds_its_contact_and_no_other(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    for number, external_id in [(number, bench.make(number)) for number in (1, 2, 12)]:
        keys = list(subject.keys(number))
        assert keys
        for key in keys:
            (found,) = bench.do(subject.vendor.find(key))
            assert found.external_id == external_id
            if subject.vendor.capabilities.reads:
                assert all(
                    bench.shows(found, name, value)
                    for name, value in subject.fields(number).items()
                    if not subject.hides(name) or name in found.fields
                )


@every_look_up
def test_what_is_not_there_is_not_found(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    bench.make(1)
    for key in subject.keys(7):
        assert tuple(bench.do(subject.vendor.find(key))) == ()
    if subject.vendor.capabilities.reads:
        assert bench.read(NOBODY) is None
    for action in set(subject.actions()) - {
        Action.CREATE,
        Action.UPSERT,
        Action.DELETE,
    }:
        rejected = bench.send(subject.call(action, 7, NOBODY))
        assert isinstance(rejected, Rejected)
        assert rejected.code == "not_found"


@every_look_up
def test_every_contact_that_shares_a_key_is_found_once(
    subject: VendorUnderTest,
) -> None:
    for key in subject.keys(1):
        bench = Bench(subject)
        made = {bench.make(1)}
        for number in range(2, 24):
            call = replace(subject.call(subject.first, number, None), add_tags=())
            goes_by = key if call.key and call.key.field == key.field else call.key
            answer = bench.send(
                replace(call, key=goes_by, fields={**call.fields, key.field: key.value})
            )
            if (
                isinstance(answer, Applied) and answer.external_id
            ):  # some vendors take no second contact of a key
                made.add(answer.external_id)
        found = [remote.external_id for remote in bench.do(subject.vendor.find(key))]
        if matches(key.field, subject.vendor.capabilities.shows_one):
            (one,) = found
            assert one in made
        else:
            assert sorted(found) == sorted(made)


# --- what was written is what is held -------------------------------------------------


@every_subject
def test_every_kind_of_value_comes_back_the_same(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    external_id = bench.make(1)
    bench.assert_holds(external_id, subject.fields(1))
    held = bench.held(external_id)
    assert held
    changed = {
        name: value
        for name, value in subject.fields(2).items()
        if value != subject.fields(1)[name]
    }
    assert changed
    assert not [
        name for name, value in changed.items() if bench.shows(held, name, value)
    ], "same() hides a change"


@every_subject
def test_clears_clear_and_leave_the_rest(subject: VendorUnderTest) -> None:
    for action in subject.actions():
        write = subject.write(action)
        for name in subject.fields(1) if write else ():
            if (
                write is None
                or not matches(name, write.clears)
                or name in write.must_carry
            ):
                continue
            bench = Bench(subject)
            external_id = bench.make(1)
            carried = {must: subject.fields(1)[must] for must in write.must_carry}
            call = subject.call(action, external_id=external_id)
            bench.applied(replace(call, fields={**carried, name: None}, add_tags=()))
            bench.assert_holds(
                external_id, {**subject.fields(1), name: None}, frozenset()
            )


@every_subject
def test_tags_come_and_go(subject: VendorUnderTest) -> None:
    can = subject.vendor.capabilities
    bench = Bench(subject)
    external_id = bench.make(1)
    tag = "ü/李 & co"
    for action, write in ((Action.UPDATE, can.update), (Action.UPSERT, can.upsert)):
        if write and write.add_tags != 0:
            bench.applied(
                replace(
                    subject.call(action, external_id=external_id),
                    add_tags=("in a write",),
                )
            )
            bench.assert_holds(
                external_id, subject.fields(1), frozenset({"in a write"})
            )
    if can.add_tags:
        call = subject.call(Action.ADD_TAGS, external_id=external_id)
        for some in (
            (("a b", tag),) if can.add_tags.max_tags != 1 else (("a b",), (tag,))
        ):
            bench.applied(replace(call, add_tags=some))
        bench.assert_holds(external_id, subject.fields(1), frozenset({"a b", tag}))
    if can.remove_tags:
        call = subject.call(Action.REMOVE_TAGS, external_id=external_id)
        bench.applied(replace(call, remove_tags=("a b", "never set")))
        bench.assert_holds(external_id, subject.fields(1), frozenset({tag}))


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
    lists = {
        f"{LISTS}sample-list-{number}": True for number in range(3)[: write.join_lists]
    }
    external_id = bench.applied(
        replace(call, fields={**call.fields, **lists})
    ).external_id
    assert external_id
    held = bench.held(external_id)
    assert held
    assert {name for name in held.fields if name.startswith(LISTS)} == set(lists)


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
    held = bench.held(external_id)
    bench.applied(call)
    if keeps := subject.vendor.capabilities.delete.keeps:
        assert held
        kept = [
            name
            for name, value in subject.fields(1).items()
            if bench.shows(held, name, value)
        ]
        assert all(matches(name, keeps) for name in kept)
        assert bench.held(external_id) == held
    else:
        assert held is None
        assert bench.make(1) != external_id
