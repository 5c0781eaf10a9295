"""Calls about several contacts, for the parts of the contract about ``BulkVendor``.

Each call is about a contact of its own and changes it in a way of its own, so that a
change which reaches somebody else shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncengine.model.calls import Action, Applied, Call, CallResult, Rejected
from syncengine.model.capabilities import Bulk, Deletion
from syncengine.model.http import Json
from syncengine.ports import BulkVendor
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each
from syncengine.testing.expectations import described, expect
from syncengine.testing.vendors_under_test import VendorUnderTest

NOBODY = "177640999"
"""The id of no contact."""
FEW = 5
"""Calls in one request of most tests, where the vendor takes as many."""
MAKING = (Action.CREATE, Action.UPSERT)
_TAGS = ("sample-tag-0", "sample-tag-1", "sample-tag-2")


def bulk_of(subject: VendorUnderTest, action: Action) -> Bulk | None:
    """Return what the vendor declares of an action for many calls, if anything."""
    offer = getattr(subject.vendor.capabilities, action)
    bulk: Bulk | None = getattr(offer, "bulk", None)
    return bulk if bulk and bulk.size > 1 else None


def bulk_vendors(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    return [each for each in subjects if isinstance(each.vendor, BulkVendor)]


def bulk_actions(subjects: VendorsUnderTest) -> list[tuple[VendorUnderTest, Action]]:
    return [
        (subject, action)
        for subject in bulk_vendors(subjects)
        for action in subject.actions()
        if bulk_of(subject, action)
    ]


every_bulk_action = for_each(("subject", "action"), bulk_actions)
every_bulk_vendor = for_each("subject", bulk_vendors)


def many(subject: VendorUnderTest) -> BulkVendor:
    """Return the adapter as one that takes many contacts in a request."""
    assert isinstance(subject.vendor, BulkVendor)
    return subject.vendor


def number_of_calls(subject: VendorUnderTest, action: Action) -> int:
    """Return the number of calls that a test puts into one request."""
    bulk = bulk_of(subject, action)
    assert bulk, f"{subject}: {action} takes one call a request"
    return min(FEW, bulk.size)


def ready_calls(bench: Bench, action: Action, number: int) -> list[Call]:
    """Return calls that can be sent now: their contacts are there, or to be made."""
    return [ready_call(bench, action, contact) for contact in range(1, number + 1)]


def ready_call(bench: Bench, action: Action, contact: int) -> Call:
    external_id = None if action in MAKING else bench.make(contact)
    call = call_of(bench.subject, action, contact, external_id)
    for before in _before(bench.subject, call):
        bench.applied(before)
    return call


def call_of(
    subject: VendorUnderTest, action: Action, contact: int, external_id: str | None
) -> Call:
    """Return the call about one of several contacts."""
    call = subject.call(action, contact, external_id)
    own_tag = (_TAGS[contact % len(_TAGS)],)
    if action is Action.UPDATE:
        call = replace(call, fields=_changed(subject, contact))
    return replace(
        call,
        add_tags=own_tag if call.add_tags else (),
        remove_tags=own_tag if call.remove_tags else (),
    )


def _changed(subject: VendorUnderTest, contact: int) -> Mapping[str, Json]:
    """Return the values of another contact, but for those that only one may have."""
    can = subject.vendor.capabilities
    writes = [write for write in (can.create, can.upsert) if write]
    unique = {name for write in writes for name in write.keyed_by}
    own = subject.sample(Action.UPDATE, contact)
    other = subject.sample(Action.UPDATE, contact + 20)
    return {name: own[name] if name in unique else other[name] for name in own}


def _before(subject: VendorUnderTest, call: Call) -> Iterator[Call]:
    """Yield the calls before one that takes away: it has to change something."""
    can = subject.vendor.capabilities
    if call.action is Action.REMOVE_TAGS and can.add_tags:
        add = subject.call(Action.ADD_TAGS, 1, call.external_id)
        step = can.add_tags.max_tags or len(_TAGS)
        for start in range(0, len(_TAGS), step):
            tags = _TAGS[start : start + step]
            yield replace(add, contact_id=call.contact_id, key=call.key, add_tags=tags)
    if call.action is Action.LEAVE_LISTS and can.join_lists:
        lists = dict.fromkeys(call.fields, True)
        yield replace(call, action=Action.JOIN_LISTS, fields=lists)


# --- results --------------------------------------------------------------------------


def send_many(bench: Bench, calls: Sequence[Call]) -> list[CallResult] | Rejected:
    """Send calls in one go; each result has to name one of them, and its own."""
    return checked(bench.subject, calls, bench.do(many(bench.subject).send_many(calls)))


def checked(
    subject: VendorUnderTest, calls: Sequence[Call], result: Any
) -> list[CallResult] | Rejected:
    """Return what ``send_many`` returned, once it is well formed."""
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


def all_applied(bench: Bench, calls: Sequence[Call]) -> dict[str, Applied]:
    """Send calls that have to be carried out, all of them; return the answers."""
    results = send_many(bench, calls)
    where = f"{bench.subject}: send_many of {len(calls)} calls {calls[0].action}"
    last = described(bench.responses[-1])
    assert not isinstance(results, Rejected), (
        f"{where}: the whole request was refused: {results}. Bulk.size says how many "
        f"calls one request takes. The last answer: {last}"
    )
    answers: dict[str, Applied] = {}
    for each in results:
        advice = f"Capabilities declares the call. The last answer: {last}"
        applied = expect(Applied, each.answer, where, advice)
        assert applied.dropped == (), (
            f"{where}: {each.call.contact_id} is said not to have {applied.dropped}. "
            "Compare an answer with the call that it is about."
        )
        answers[each.call.contact_id] = applied
    missing = {call.contact_id for call in calls} - answers.keys()
    assert not missing, f"{where}: there is no result for {missing}; answered: {last}"
    return answers


def id_after(call: Call, applied: Applied) -> str:
    """Return the id of the contact that a call was about."""
    external_id = call.external_id or applied.external_id
    assert external_id, f"{call.action}: the result has no id of the contact"
    return external_id


def assert_carried_out(bench: Bench, call: Call, external_id: str) -> None:
    """Assert that the contact is as this call leaves it."""
    subject = bench.subject
    offer = getattr(subject.vendor.capabilities, call.action)
    if isinstance(offer, Deletion):
        bench.now += max(subject.vendor.capabilities.settles_within, offer.within)
        assert offer.keeps or bench.stored(external_id) is None, (
            f"{subject}: the contact {external_id} was to be deleted, and is there"
        )
        return
    bench.assert_holds(external_id, call.fields, _tags_after(call))


def _tags_after(call: Call) -> frozenset[str] | None:
    """Return the tags of the contact after a call; None where it is not about tags."""
    match call.action:
        case Action.REMOVE_TAGS:
            return frozenset(_TAGS) - set(call.remove_tags)
        case Action.JOIN_LISTS | Action.LEAVE_LISTS | Action.SET_LIFECYCLE:
            return None
        case _:
            return frozenset(call.add_tags)
