"""Look-ups of many contacts in one request: each key shows its own contacts.

A look-up must not be wrong about "no such contact": the create that follows would make
a duplicate. So what the vendor did not answer is left out of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from syncengine.errors import (
    AccountStopped,
    RequestFailed,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.calls import Applied
from syncengine.model.contact import MatchKey
from syncengine.model.http import Exchange, Response
from syncengine.testing.benches import Bench
from syncengine.testing.bulk_calls import NOBODY, bulk_vendors, every_bulk_vendor, many
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.contract.bulk import numbered_key
from syncengine.testing.driving import answer, html
from syncengine.testing.expectations import described, expect
from syncengine.testing.mutants import mutants, rearranged
from syncengine.testing.vendors_under_test import VendorUnderTest

_SOME_MUTANTS = 400
_Asked = TypeVar("_Asked")
_Shown = TypeVar("_Shown")
_Start: TypeAlias = Callable[[], Exchange[Mapping[Any, Any]]]
"""Begins a look-up of many anew each time."""


def _plain_bulk_vendors(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    return bulk_vendors(plain(subjects))


every_plain_vendor = for_each("subject", _plain_bulk_vendors)


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
    # The first key and the last have contacts, and one between them has none.
    for keys in _keys_by_field(subject, (1, 7, 3, 2)):
        found = bench.do(many(subject).find_many(tuple(keys.values())))
        assert found.keys() == {*keys.values()}, (
            f"{subject}: find_many was asked for {[*keys.values()]} and answered "
            f"{[*found]}, although the vendor looked all of them up"
        )
        for number, key in keys.items():
            ids = [remote.external_id for remote in found[key]]
            expected = [made[number]] if number in made else []
            assert ids == expected, (
                f"{subject}: find_many found {ids} for {key} in place of {expected}"
            )


@every_bulk_vendor
def test_contacts_that_share_a_key_are_found_by_many_as_by_one(
    subject: VendorUnderTest,
) -> None:
    for keys in _keys_by_field(subject, (1, 2)):
        bench = Bench(subject)
        bench.make(1)
        call = replace(subject.call(subject.first, 2, None), add_tags=())
        shared = replace(call, fields={**call.fields, keys[1].field: keys[1].value})
        if call.key and call.key.field == keys[1].field:
            shared = replace(shared, key=keys[1])
        # Some vendors take no second contact of a key.
        if not isinstance(bench.send(shared), Applied):
            continue
        alone = {
            remote.external_id for remote in bench.do(subject.vendor.find(keys[1]))
        }
        found = bench.do(many(subject).find_many((keys[2], keys[1])))
        ids = [remote.external_id for remote in found[keys[1]]]
        assert sorted(ids) == sorted(alone), (
            f"{subject}: find_many shows {ids} for {keys[1]}, and find {alone}. Where "
            "several contacts share a key, each of them has to be shown."
        )


@every_bulk_vendor
def test_many_ids_are_read_as_each_alone(subject: VendorUnderTest) -> None:
    if not subject.vendor.capabilities.reads:
        return
    bench = Bench(subject)
    first, *ids = [bench.make(number) for number in (1, 2, 3)]
    read = bench.do(many(subject).read_many([first, NOBODY, *ids]))
    assert dict(read) == {
        NOBODY: None,
        **{external_id: bench.read(external_id) for external_id in (first, *ids)},
    }, f"{subject}: read_many shows other contacts than read"


@every_plain_vendor
def test_look_ups_of_the_declared_size_are_taken(subject: VendorUnderTest) -> None:
    can = subject.vendor.capabilities
    bench = Bench(subject)
    for keys in _keys_by_field(subject, (1, 2)):
        wanted = [numbered_key(keys[1], number) for number in range(can.find_many)]
        found = _taken(bench, many(subject).find_many(wanted), "find_many")
        assert found == dict.fromkeys(wanted, ()), (
            f"{subject}: Capabilities.find_many is {can.find_many}, and of so many "
            f"values of {keys[1].field}, {len(found)} were answered. The last answer: "
            f"{described(bench.responses[-1])}"
        )
    if can.reads and can.read_many > 1:
        ids = [f"{NOBODY}{number}" for number in range(can.read_many)]
        read = _taken(bench, many(subject).read_many(ids), "read_many")
        assert read == dict.fromkeys(ids), (
            f"{subject}: Capabilities.read_many is {can.read_many}, and of so many "
            f"ids, {len(read)} were answered. The last answer: "
            f"{described(bench.responses[-1])}"
        )


def _taken(
    bench: Bench, exchange: Exchange[Mapping[_Asked, _Shown]], what: str
) -> Mapping[_Asked, _Shown]:
    """Return the result of a look-up that the vendor has to take."""
    try:
        return bench.do(exchange)
    except RequestFailed as failure:
        number = getattr(bench.subject.vendor.capabilities, what)
        raise AssertionError(
            f"{bench.subject}: Capabilities.{what} is {number}, and a look-up of so "
            f"many failed: {failure}"
        ) from None


# --- damage, failures -----------------------------------------------------------------


@every_bulk_vendor
def test_damaged_look_ups_of_many_show_nobody_else(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    made = {bench.make(number): number for number in (1, 2)}
    fields = list(_keys_by_field(subject, (1, 2)))
    # Variants look up in the same ways, as a rule.
    for keys in fields[:1] if subject.variant else fields:
        asked = {key: number for number, key in keys.items()}
        start = partial(many(subject).find_many, tuple(asked))
        sent = bench.last_answer_to(start())
        for damaged in (*rearranged(sent), *islice(mutants(sent), _SOME_MUTANTS)):
            shown = {
                (key, made.get(remote.external_id, asked[key]))
                for key, remotes in _pretended(bench, start(), damaged).items()
                for remote in remotes
            }
            others = shown - asked.items()
            assert not others, (
                f"{subject}: find_many, answered {described(damaged)}, shows for a key "
                f"the contact of another: {others}"
            )


@every_plain_vendor
def test_damaged_reads_of_many_show_nobody_else(subject: VendorUnderTest) -> None:
    if not subject.vendor.capabilities.reads:
        return
    bench = Bench(subject)
    ids = [bench.make(number) for number in (1, 2)]
    start = partial(many(subject).read_many, ids)
    honest = bench.do(start())
    sent = bench.responses[-1]
    for damaged in (*rearranged(sent), *islice(mutants(sent), _SOME_MUTANTS)):
        for external_id, remote in _pretended(bench, start(), damaged).items():
            other = next(each for each in ids if each != external_id)
            assert remote is None or remote.external_id != other, (
                f"{subject}: read_many, answered {described(damaged)}, shows the "
                f"contact {other} for {external_id}"
            )
    for same in rearranged(sent):
        read = _pretended(bench, start(), same)
        assert not read or read == honest, (
            f"{subject}: read_many shows other values where the vendor answers in "
            "another order. Match by what an entry says of itself."
        )


def _pretended(
    bench: Bench, exchange: Exchange[Mapping[Any, Any]], damaged: Response
) -> Mapping[Any, Any]:
    """Return the result of a look-up; nothing where it failed."""
    try:
        return bench.pretend(exchange, damaged)
    except (RequestFailed, AccountStopped):
        return {}


@every_plain_vendor
def test_a_look_up_of_many_that_failed_says_of_nobody_that_they_are_not_there(
    subject: VendorUnderTest,
) -> None:
    bench = Bench(subject)
    vendor = many(subject)
    starts: list[_Start] = [
        partial(vendor.find_many, tuple(keys.values()))
        for keys in _keys_by_field(subject, (1, 2))
    ]
    if subject.vendor.capabilities.reads:
        starts.append(partial(vendor.read_many, (NOBODY, f"{NOBODY}1")))
    for start in starts:
        _assert_judges_nobody(bench, start)


def _assert_judges_nobody(bench: Bench, start: _Start) -> None:
    def failing(response: Response) -> object:
        try:
            return bench.pretend(start(), response)
        except (RequestFailed, AccountStopped) as failure:
            return failure

    where = f"{bench.subject}: a look-up of many"
    halted = expect(VendorHalted, failing(html(401)), where, "the key is refused.")
    assert halted.setting, f"{where}: VendorHalted names no setting"
    throttled = answer({}, 429, {"retry-after": "3"})
    expect(VendorThrottled, failing(throttled), where, "it is the rate limit.")
    for response in (html(503), html(200), answer(None), answer([[]])):
        failure = expect(
            VendorUnavailable, failing(response), where, "nothing was looked up."
        )
        assert not failure.maybe_applied, (
            f"{where}: maybe_applied is set after {described(response)}, and it "
            "changes nothing. A look-up by POST is a Request(reads=True)."
        )
    for status in (400, 422):
        refused = failing(answer({"message": "a value is wrong"}, status))
        assert isinstance(refused, VendorUnavailable) or refused == {}, (
            f"{where}, refused with status {status}: the result is {refused!r}. "
            "Nothing follows from it for any contact: raise failed_look_up()."
        )
