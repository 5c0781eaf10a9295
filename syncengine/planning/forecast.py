"""Cost of a run: requests and time.

Requests follow from what is planned and what look-ups may find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending
from syncengine.model.costs import Cost, Duration, exactly, total
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.mapping import OnRemoved
from syncengine.planning.changes import EMPTY
from syncengine.planning.distrust import known_before_distrust, should_read_back
from syncengine.planning.found_contacts import known_after_not_found
from syncengine.planning.look_up import LookUp, plan_look_up
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import plan_removal

_SOMEBODY = "?"
"""The external id of a contact that may be found."""
_SOMETHING = "?"
"""A value that a contact that may be found may have."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a destination's exchanges."""

    capabilities: Capabilities
    on_removed: OnRemoved
    find_first: bool
    look_up: Callable[[MatchKey], Cost]
    """Cost of one look-up; ``usual`` where no contact is found."""
    extra: Callable[[Call], int]
    """Number of requests of a call beyond those that the capabilities declare."""
    rounds: int
    """Number of times a contact may be looked up: once more where the one found may
    belong to another contact."""


@dataclass(frozen=True, slots=True)
class Expense:
    """Cost of one contact."""

    look_ups: int
    """Number of requests of the look-ups where no contact is found."""
    requests: Cost
    """Number of all requests."""


def expense(
    desired: Desired | None,
    known: Known,
    plan: Plan,
    prices: Prices,
    *,
    refused: bool,
    gone: bool = False,
    recreates: bool = False,
) -> Expense:
    """Return what it takes to carry out a contact's plan.

    ``desired`` is None for a contact that left the source; ``refused`` is true where
    all there is to do is to settle what was sent before. ``gone``: it was deleted at
    the vendor and is only looked up; ``recreates``: it is created again.
    """
    if not refused and should_read_back(known, prices.capabilities):
        return _of_read_back(desired, known, prices)
    wanted = None if refused else desired
    look_up = plan_look_up(
        wanted,
        known,
        prices.capabilities,
        find_first=prices.find_first or recreates,
        always=gone,
    )
    if look_up is None:
        return Expense(0, _of_calls(desired, known, plan, prices))
    costs = [prices.look_up(key) for key in look_up.keys]
    looked = total(costs)
    if refused or desired is None:
        after = Cost(0, 0, 0 if refused else _removal_at_most(known, look_up, prices))
    elif gone:
        after = Cost(0, 0, _found_at_most(desired, known, prices))
    else:
        after = _after_look_up(desired, known, plan, prices)
    rounds = prices.rounds + (look_up.wait > 0)
    usual = looked.usual + after.usual
    # At best the first key finds a contact that is in step.
    least = min(costs[0].least, usual)
    return Expense(looked.usual, Cost(least, usual, rounds * looked.most + after.most))


def likely(
    desired: Desired | None, known: Known, plan: Plan, capabilities: Capabilities
) -> Plan:
    """Return the plan as far as it can be foreseen.

    For a contact that is read back first it goes by what was known before.
    """
    if desired is None or not should_read_back(known, capabilities):
        return plan
    foreseen = plan_contact(desired, known_before_distrust(known), capabilities)
    return foreseen if isinstance(foreseen, Plan) else plan


def _of_read_back(desired: Desired | None, known: Known, prices: Prices) -> Expense:
    """Return the cost of a contact that is read before anything is sent about it.

    At best it is in step; at worst it is there with other values, or gone and created.
    """
    can = prices.capabilities
    keys = keys_at_vendor(known, can)
    found = exactly(1) if can.reads else total(map(prices.look_up, keys))
    if desired is None:
        return Expense(0, found + _removal_read_back(known, prices))
    plan = plan_contact(desired, known_before_distrust(known), can)
    sent = _requests(plan, prices) if isinstance(plan, Plan) else 0
    most = max(sent, _found_at_most(desired, known, prices))
    if can.reads:
        most = max(most, _anew_at_most(desired, known, prices))
    return Expense(0, found + Cost(0, sent, most))


def _removal_read_back(known: Known, prices: Prices) -> Cost:
    """Return the requests that remove a contact once it was read back."""
    policy, can = prices.on_removed, prices.capabilities
    usual = plan_removal("", known_before_distrust(known), policy, can)
    most = plan_removal("", replace(known, tags=_maybe_ours(known)), policy, can)
    return Cost(
        0,
        _requests(usual, prices),
        max(_requests(usual, prices), _requests(most, prices)),
    )


def _anew_at_most(desired: Desired, known: Known, prices: Prices) -> int:
    """Return the requests that look up and create a contact that is gone."""
    nobody = known_after_not_found(known, prices.capabilities)
    plan = plan_contact(desired, nobody, prices.capabilities)
    if not isinstance(plan, Plan):
        return 0
    always = replace(prices, find_first=True)
    return expense(desired, nobody, plan, always, refused=False).requests.most


def first_call(plan: Plan, prices: Prices) -> Plan:
    """Return the plan up to and with its first call."""
    first = plan.calls[:1]
    offers = (getattr(prices.capabilities, call.action.value) for call in first)
    return Plan(first, requests=sum(offer.requests for offer in offers))


def _of_calls(
    desired: Desired | None, known: Known, plan: Plan, prices: Prices
) -> Cost:
    """Return the cost of a plan whose contact is not looked up."""
    usual = _requests(plan, prices)
    if desired is None or known.external_id is not None or not plan.calls:
        return exactly(usual)
    told = _told_at_most(desired, plan, prices)
    if not told:
        by_key = _goes_by_key(plan.calls[0], prices.capabilities)
        return Cost(1 if by_key else usual, usual, usual)
    most = max(usual, prices.rounds * told + _found_at_most(desired, known, prices))
    return Cost(min(usual, 1), usual, most)


def _after_look_up(desired: Desired, known: Known, plan: Plan, prices: Prices) -> Cost:
    """Return the cost of what follows a look-up."""
    fresh = (
        plan_contact(
            desired,
            known_after_not_found(known, prices.capabilities),
            prices.capabilities,
        )
        if known.pending
        else plan
    )
    usual, told = 0, 0
    if isinstance(fresh, Plan):
        usual = _requests(fresh, prices)
        told = _told_at_most(desired, fresh, prices)
    found = _found_at_most(desired, known, prices)
    return Cost(0, usual, max(usual, prices.rounds * told + found))


def _requests(plan: Plan, prices: Prices) -> int:
    return plan.requests + sum(map(prices.extra, plan.calls))


def _goes_by_key(call: Call, capabilities: Capabilities) -> bool:
    """Return whether the call may reach a contact that another one owns.

    Nothing follows the call then.
    """
    writes = {Action.CREATE: capabilities.create, Action.UPSERT: capabilities.upsert}
    write = writes.get(call.action)
    return write is not None and bool(write.keyed_by)


def _told_at_most(desired: Desired, plan: Plan, prices: Prices) -> int:
    """Return the requests of a create that finds its contact there.

    0 where it never does.
    """
    create = prices.capabilities.create
    creates = bool(plan.calls) and plan.calls[0].action is Action.CREATE
    if (
        create is None
        or not creates
        or not create.keyed_by
        or not create.tells_existing
    ):
        return 0
    there = [
        name for name in create.keyed_by if desired.fields.get(name) not in (None, "")
    ]
    keys = [desired.key(name) for name in there]
    # It may be sent again when whoever had the key has let go of it meanwhile.
    return 2 * create.requests + total(map(prices.look_up, keys)).most


def _found_at_most(desired: Desired, known: Known, prices: Prices) -> int:
    """Return the requests that bring a found contact in step in the worst case.

    It was found with other values and without our tags.
    """
    capabilities = prices.capabilities
    emptied = {
        name: _SOMETHING
        for name, value in desired.fields.items()
        if value in EMPTY and not matches(name, capabilities.accumulates)
    }
    held = {**emptied, **_fixed_names(desired, capabilities)}
    met = Known(
        _SOMEBODY,
        key=known.key or next(iter(desired.keys), None),
        fields=held,
        tags=_maybe_ours(known),
    )
    plan = plan_contact(desired, met, capabilities)
    return _requests(plan, prices) if isinstance(plan, Plan) else 0


def _fixed_names(desired: Desired, capabilities: Capabilities) -> dict[str, Json]:
    """Return the fields that name a contact in tag calls, and that no update changes.

    A contact that was found by one has it.
    """
    calls = (capabilities.add_tags, capabilities.remove_tags)
    update = capabilities.update.fields if capabilities.update else ()
    names = {
        name
        for call in calls
        if call
        for name in call.addressed_by
        if not matches(name, update)
    }
    return {
        name: desired.fields[name]
        for name in names
        if desired.fields.get(name) not in EMPTY
    }


def _removal_at_most(known: Known, look_up: LookUp, prices: Prices) -> int:
    """Return the requests that remove a contact found after an unknown create."""
    pending = known.pending or Pending()
    lists = {
        name: value for name, value in pending.fields.items() if name.startswith(LISTS)
    }
    met = replace(
        known,
        external_id=_SOMEBODY,
        key=known.key or look_up.keys[0],
        fields={**known.fields, **lists},
        tags=_maybe_ours(known),
        pending=None,
    )
    return _requests(
        plan_removal("", met, prices.on_removed, prices.capabilities), prices
    )


def _maybe_ours(known: Known) -> frozenset[str]:
    """Return the tags that are ours if they are there."""
    pending = known.pending or Pending()
    return known.tags | pending.add_tags | pending.remove_tags


def duration(requests: Cost, limits: Sequence[Limit]) -> Duration:
    """Return the time that requests take when sent evenly under the limits.

    The first goes out at once. Of limits for one HTTP method each it is assumed that
    all requests meet the same one; at best they are spread over all of them.
    """
    common = [limit.calls / limit.per for limit in limits if limit.method is None]
    single: dict[str, float] = {}
    for limit in limits:
        if limit.method is not None:
            rate = limit.calls / limit.per
            single[limit.method] = min(rate, single.get(limit.method, rate))
    slow = [*common, *single.values()]
    fast = [*common, *([sum(single.values())] if single else [])]
    return Duration(
        _seconds(requests.least, fast),
        _seconds(requests.usual, slow),
        _seconds(requests.most, slow),
    )


def _seconds(requests: int, rates: Sequence[float]) -> float:
    return max(0, requests - 1) / min(rates) if rates else 0.0
