"""Plans against a search: no sequence of requests is shorter, or gets further."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from syncengine.model.calls import Action, Call, Rejected, Unsupported
from syncengine.model.capabilities import Capabilities, ListCall, TagCall
from syncengine.model.capabilities import Write as Offer
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending
from syncengine.planning import packing, plan
from syncengine.planning.plan import Plan, plan_contact
from tests.support.request_search import (
    LIST,
    MEMBERS,
    TAG,
    UNKNOWN,
    WRITES,
    IllegalRequest,
    Least,
    MemberCall,
    RemoteFacts,
    Request,
    Target,
    Vendor,
    Write,
    answer,
    cost,
    search,
)

FIELDS = tuple("abcdef")
TAGS = tuple(f"#{number}" for number in range(6))
LISTS_THERE = tuple(f"lists.{number}" for number in range(3))
IDENTITY = "own_key"
CHUNKS, CASES = 20, 150


@dataclass(frozen=True)
class Case:
    """One contact at one vendor, in the words of the search and of syncengine."""

    vendor: Vendor
    target: Target
    remote: RemoteFacts
    desired: Desired
    known: Known
    capabilities: Capabilities


def case_of(random: Random, size: int) -> Case:
    """Draw a vendor, and a contact of at most ``size`` fields and tags there."""
    fields = FIELDS[:size]
    vendor, identity = _vendor(random, fields)
    exists = random.random() < 0.6
    values = {
        name: random.choice(("1", "2", "3", None))
        for name in fields
        if random.random() < 0.8
    }
    lists = {name: True for name in LISTS_THERE if random.random() < 0.3}
    desired = Desired(
        contact_id="7",
        fields={**values, **lists},
        tags=frozenset(name[1:] for name in TAGS[:size] if random.random() < 0.6),
        manages_lists=random.random() < 0.5,
    )
    keys = [
        name
        for name in random.sample(fields, random.randint(0, min(2, size)))
        if desired.fields.get(name) is not None
    ]
    key = tuple(MatchKey(name, str(desired.fields[name])) for name in keys)
    desired = Desired(
        desired.contact_id,
        desired.fields,
        desired.tags,
        (MatchKey(IDENTITY, "7"),) if identity else key,
        manages_lists=desired.manages_lists,
    )
    known = _known(random, vendor, fields, size, exists=exists)
    return Case(
        vendor,
        _target(vendor, desired, known, keys=() if identity else tuple(keys)),
        _remote_facts(vendor, known),
        desired,
        known,
        _capabilities(vendor, identity=identity),
    )


def _vendor(random: Random, fields: tuple[str, ...]) -> tuple[Vendor, bool]:
    """Draw a vendor, and whether it knows contacts by one identity alone."""
    shape = random.choice(("create", "upsert", "both", "all"))
    must = tuple(name for name in fields if random.random() < 0.1)
    writes = _writes(random, shape, fields, must)
    keyed = "upsert" in writes and random.random() < 0.3
    if keyed:
        keys = tuple(random.sample(fields, random.randint(1, len(fields))))
        writes["upsert"] = replace(writes["upsert"], keyed_by=keys)
    if random.random() < 0.1:
        writes["set_lifecycle"] = _write(random, fields[:1], ())
    members = {
        kind: _member_call(random, kind, fields)
        for kind in MEMBERS
        if random.random() < 0.7
    }
    keeps = frozenset(_some(random, fields, 0.1)) - {*must}
    # What names a contact has one value at a time.
    for offer in members.values():
        keeps -= {*offer.addressed_by}
    finds: frozenset[str] = frozenset()
    if random.random() >= 0.3:
        finds = frozenset(_some(random, fields, 0.5))
    identity = shape == "upsert" and not keyed
    return Vendor(writes, members, keeps, finds), identity


def _writes(
    random: Random, shape: str, fields: tuple[str, ...], must: tuple[str, ...]
) -> dict[str, Write]:
    """Draw the writes of a vendor of this shape; some cannot update at all."""
    actions = {
        "create": ("create", "update"),
        "upsert": ("upsert",),
        "both": ("create", "upsert"),
        "all": WRITES[:3],
    }
    writes = {}
    for action in actions[shape]:
        if shape == "create" and action == "update" and random.random() < 0.15:
            continue
        writes[action] = _write(random, fields, must if random.random() < 0.5 else ())
    return writes


def _member_call(random: Random, kind: str, fields: tuple[str, ...]) -> MemberCall:
    if not kind.endswith("tags"):
        return MemberCall(most=random.choice((None, 1, 2)), cost=1)
    return MemberCall(
        most=random.choice((None, 1, 2, 3)),
        cost=random.choice((1, 1, 2)),
        addressed_by=_some(random, fields, 0.1),
    )


def _some(random: Random, names: tuple[str, ...], share: float) -> tuple[str, ...]:
    return tuple(name for name in names if random.random() < share)


def _write(random: Random, fields: tuple[str, ...], must: tuple[str, ...]) -> Write:
    share = random.choice((1.0, 1.0, 0.7))
    most = random.choice((None, 1, 2, 3, 4))
    return Write(
        fields=frozenset(_some(random, fields, share)),
        clears=frozenset(_some(random, fields, random.choice((0.0, 0.5, 1.0))))
        - {*must},
        must_carry=must,
        max_fields=None if most is None else max(most, len(must)),
        room={
            kind: random.choice((0, 0, 1, 2, None))
            for kind in MEMBERS
            if kind != "leave_lists"
        },
        cost=random.choice((1, 1, 2)),
    )


def _known(
    random: Random, vendor: Vendor, fields: tuple[str, ...], size: int, *, exists: bool
) -> Known:
    """Draw what is known of a contact; with an intent that has no outcome, or none."""
    is_unknown = random.random() < 0.2 and (exists or "upsert" in vendor.writes)
    pending = None
    if is_unknown:
        pending = _pending(random, fields, size, creates=not exists)
    if not exists:
        return Known(pending=pending)
    # Each tag of the contact with whether it is ours.
    tags = {
        name[1:]: random.random() < 0.7 for name in TAGS[:size] if random.random() < 0.5
    }
    values = {
        name: _known_value(random, vendor, name)
        for name in fields
        if random.random() < 0.6
    }
    lists = {name: True for name in LISTS_THERE if random.random() < 0.3}
    return Known(
        external_id="v7",
        key=MatchKey(IDENTITY, "7"),
        fields={**values, **lists},
        tags=frozenset(name for name, ours in tags.items() if ours),
        found_tags=frozenset(name for name, ours in tags.items() if not ours),
        pending=pending,
    )


def _known_value(random: Random, vendor: Vendor, name: str) -> object:
    value = random.choice("123")
    return [value] if name in vendor.keeps else value


def _pending(
    random: Random, fields: tuple[str, ...], size: int, *, creates: bool
) -> Pending:
    return Pending(
        creates=creates,
        fields={
            name: random.choice(("1", "2")) for name in fields if random.random() < 0.3
        },
        add_tags=frozenset(name[1:] for name in TAGS[:size] if random.random() < 0.2),
    )


def _remote_facts(vendor: Vendor, known: Known) -> RemoteFacts:
    """Return what the vendor holds, with UNKNOWN where that is open."""
    facts: dict[str, object] = {}
    for name, value in known.fields.items():
        facts[name] = frozenset(value) if name in vendor.keeps else value
    facts |= {TAG + tag: True for tag in known.tags | known.found_tags}
    if known.pending:
        facts |= {
            name: UNKNOWN for name in known.pending.fields if name not in vendor.keeps
        }
        facts |= {
            TAG + tag: UNKNOWN for tag in known.pending.add_tags - known.found_tags
        }
    return RemoteFacts(
        exists=known.external_id is not None, facts=frozenset(facts.items())
    )


def _target(
    vendor: Vendor, desired: Desired, known: Known, keys: tuple[str, ...]
) -> Target:
    """Return the target. What others set, or is no longer mapped, is left alone."""
    facts: dict[str, object] = dict(desired.fields)
    if desired.manages_lists:
        facts |= {
            name: None
            for name in known.fields
            if name.startswith(LIST) and name not in desired.fields
        }
    sent = known.pending.add_tags if known.pending else frozenset[str]()
    facts |= {
        TAG + tag: None for tag in (known.tags | sent) - known.found_tags - desired.tags
    }
    facts |= {TAG + tag: True for tag in desired.tags}
    return Target(
        facts,
        keys,
        {
            name: value
            for name, value in known.fields.items()
            if name not in vendor.keeps
        },
    )


def _capabilities(vendor: Vendor, *, identity: bool) -> Capabilities:
    """Return the same rules in syncengine's words."""
    writes = {
        kind: Offer(
            fields=tuple(sorted(write.fields)),
            clears=tuple(sorted(write.clears)),
            must_carry=write.must_carry,
            max_fields=write.max_fields,
            add_tags=write.room["add_tags"],
            remove_tags=write.room["remove_tags"],
            join_lists=write.room["join_lists"],
            requests=write.cost,
            keyed_by=write.keyed_by,
        )
        for kind, write in vendor.writes.items()
    }
    members = {
        kind: TagCall(offer.most, offer.cost, offer.addressed_by)
        if kind.endswith("tags")
        else ListCall(offer.most, offer.cost)
        for kind, offer in vendor.members.items()
    }
    # Capabilities are named after their actions.
    offers: dict[str, Any] = {**writes, **members}
    return Capabilities(
        **offers,
        accumulates=tuple(vendor.keeps),
        find_by=tuple(vendor.finds),
        identity=IDENTITY if identity else None,
    )


def prove(case: Case) -> None:
    """Assert that the plan is as good as the best sequence of requests.

    It gets as far, with as few requests, and names the rest unsupported.
    """
    least = search(case.vendor, case.target, case.remote)
    planned = plan_contact(case.desired, case.known, case.capabilities)
    if least is None:
        assert isinstance(planned, Rejected) or planned.unsupported == (
            Unsupported("create", ""),
        )
        return
    assert isinstance(planned, Plan), planned
    remote, spent = case.remote, 0
    for call in planned.calls:
        request = _request(call)
        remote = answer(case.vendor, case.target, remote, request)
        spent += cost(case.vendor, request)
    assert spent == planned.requests
    unsupported = {_name(item, case.vendor) for item in planned.unsupported}
    assert unsupported == case.target.missing(remote, case.vendor)
    assert Least(len(planned.unsupported), spent) == least


def _request(call: Call) -> Request:
    facts = [*call.fields.items(), *((TAG + tag, True) for tag in call.add_tags)]
    facts += [(TAG + tag, None) for tag in call.remove_tags]
    address = None
    is_about_tags = call.action in (Action.ADD_TAGS, Action.REMOVE_TAGS)
    if is_about_tags and call.key and call.key.field != IDENTITY:
        address = (call.key.field, call.key.value)
    return Request(str(call.action), tuple(facts), address)


def _name(item: Unsupported, vendor: Vendor) -> str:
    match item.code:
        case "add_tag" | "remove_tag":
            return TAG + item.subject
        case "join_list" | "leave_list":
            return LISTS + item.subject
        case "change_field" | "clear_field" if item.subject in vendor.keeps:
            return item.subject + "+"
        case _:
            return item.subject


def _cases(chunk: int) -> Iterator[Case]:
    """Yield small contacts in the first chunks, those of six fields in the last."""
    for number in range(CASES):
        yield case_of(
            Random(f"{chunk}/{number}"),
            size=1 + (chunk * CASES + number) * 6 // (CHUNKS * CASES),
        )


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_sequence_of_requests_is_shorter_or_gets_further(chunk: int) -> None:
    for case in _cases(chunk):
        prove(case)


@dataclass(frozen=True)
class Spoiled:
    """A function of the planning, and a worse one in its place."""

    module: ModuleType
    function: str
    replacement: Callable[..., object]


SPOILED: dict[str, Spoiled] = {
    "nothing rides inside a write": Spoiled(
        packing,
        "_distribute",
        lambda writes, changes: (
            [packing.BySetChange((), (), (), ())] * len(writes),
            changes,
        ),
    ),
    "the calls go out back to front": Spoiled(
        plan,
        "_in_order",
        lambda draft: [*draft.packing.set_calls, *draft.packing.writes],
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_the_search_notices_a_plan_that_is_spoiled(name: str) -> None:
    spoiled = SPOILED[name]
    with (
        patch.object(spoiled.module, spoiled.function, spoiled.replacement),
        pytest.raises((AssertionError, IllegalRequest)),
    ):
        test_no_sequence_of_requests_is_shorter_or_gets_further(CHUNKS // 2)
