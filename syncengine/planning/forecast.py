"""Forecast of a run's cost: requests and time. Pure.

Requests follow from what is planned and what look-ups may find. What a look-up finds is
not known before it is made, so a cost is a range: at least, usually (where no contact
is found), and at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Call, Rejected
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

_ANY_ID = "?"
"""The external id of a contact that may be found."""
_ANY_VALUE = "?"
"""A value that a contact that may be found may have."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a destination's exchanges."""

    capabilities: Capabilities
    on_removed: OnRemoved
    find_first: bool
    look_up: Callable[[MatchKey], Cost]
    """Cost of one look-up; ``usual`` where no contact is found."""
    extra_requests: Callable[[Call], int]
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

    ``desired`` is None for a removed contact; ``refused`` is true where all there is to
    do is to settle what was sent before. ``gone``: it was deleted at the vendor and is
    only looked up; ``recreates``: it is created again.
    """
    if not refused and should_read_back(known, prices.capabilities):
        return _expense_with_read_back(desired, known, prices)
    look_up = plan_look_up(
        None if refused else desired,
        known,
        prices.capabilities,
        find_first=prices.find_first or recreates,
        always=gone,
    )
    if look_up is None:
        return Expense(0, _cost_without_look_up(desired, known, plan, prices))
    if refused:
        after = Cost()
    elif desired is None:
        after = Cost(most=_most_for_removal(known, look_up, prices))
    elif gone:
        after = Cost(most=_most_for_found(desired, known, prices))
    else:
        after = _cost_after_look_up(desired, known, plan, prices)
    return _expense_with_look_up(look_up, after, prices)


def _expense_with_look_up(look_up: LookUp, after: Cost, prices: Prices) -> Expense:
    """Return the expense of a look-up and what follows it."""
    costs = [prices.look_up(key) for key in look_up.keys]
    all_keys = total(costs)
    usual = all_keys.usual + after.usual
    # At best the first key finds a contact that is in step.
    least = min(costs[0].least, usual)
    # "Not found" is not believed before the wait is over: the contact is deferred, and
    # looked up once more.
    rounds = prices.rounds + (1 if look_up.wait > 0 else 0)
    most = rounds * all_keys.most + after.most
    return Expense(all_keys.usual, Cost(least, usual, most))


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


def _expense_with_read_back(
    desired: Desired | None, known: Known, prices: Prices
) -> Expense:
    """Return the cost of a contact that is read before anything is sent about it.

    At best it is in step; at worst it is there with other values, or gone and created.
    """
    capabilities = prices.capabilities
    if capabilities.reads:
        read = exactly(1)
    else:
        keys = keys_at_vendor(known, capabilities)
        read = total(prices.look_up(key) for key in keys)
    if desired is None:
        return Expense(0, read + _cost_of_removal_read_back(known, prices))
    plan = plan_contact(desired, known_before_distrust(known), capabilities)
    usual = _requests(plan, prices) if isinstance(plan, Plan) else 0
    most = max(usual, _most_for_found(desired, known, prices))
    if capabilities.reads:
        most = max(most, _most_for_gone(desired, known, prices))
    return Expense(0, read + Cost(0, usual, most))


def _cost_of_removal_read_back(known: Known, prices: Prices) -> Cost:
    """Return the requests that remove a contact once it was read back."""
    policy, capabilities = prices.on_removed, prices.capabilities
    as_before = known_before_distrust(known)
    usual = _requests(plan_removal("", as_before, policy, capabilities), prices)
    with_all_tags = replace(known, tags=_maybe_our_tags(known))
    most = _requests(plan_removal("", with_all_tags, policy, capabilities), prices)
    return Cost(0, usual, max(usual, most))


def _most_for_gone(desired: Desired, known: Known, prices: Prices) -> int:
    """Return the most requests that look up and create a contact that is gone."""
    absent = known_after_not_found(known, prices.capabilities)
    plan = plan_contact(desired, absent, prices.capabilities)
    if not isinstance(plan, Plan):
        return 0
    # What is created again is looked up first, whatever find_first says.
    with_look_up = replace(prices, find_first=True)
    return expense(desired, absent, plan, with_look_up, refused=False).requests.most


def first_call(plan: Plan, prices: Prices) -> Plan:
    """Return the plan up to and with its first call."""
    if not plan.calls:
        return Plan()
    call = plan.calls[0]
    offer = getattr(prices.capabilities, call.action.value)
    return Plan((call,), requests=offer.requests)


def _cost_without_look_up(
    desired: Desired | None, known: Known, plan: Plan, prices: Prices
) -> Cost:
    """Return the cost of a plan whose contact is not looked up."""
    usual = _requests(plan, prices)
    exists = known.external_id is not None
    if desired is None or exists or not plan.calls:
        return exactly(usual)
    existing = _most_for_existing(desired, plan, prices)
    if not existing:
        # A create or upsert by key may reach a contact that another one owns: then
        # nothing follows it.
        by_key = _goes_by_key(plan.calls[0], prices.capabilities)
        return Cost(1 if by_key else usual, usual, usual)
    found = _most_for_found(desired, known, prices)
    most = max(usual, prices.rounds * existing + found)
    return Cost(min(usual, 1), usual, most)


def _cost_after_look_up(
    desired: Desired, known: Known, plan: Plan, prices: Prices
) -> Cost:
    """Return the cost of what follows a look-up."""
    fresh: Plan | Rejected = plan
    if known.pending is not None:
        # The plan sends what is unknown again. Once nothing was found, nothing is
        # unknown any more.
        absent = known_after_not_found(known, prices.capabilities)
        fresh = plan_contact(desired, absent, prices.capabilities)
    usual = 0
    existing = 0
    if isinstance(fresh, Plan):
        usual = _requests(fresh, prices)
        existing = _most_for_existing(desired, fresh, prices)
    found = _most_for_found(desired, known, prices)
    return Cost(0, usual, max(usual, prices.rounds * existing + found))


def _requests(plan: Plan, prices: Prices) -> int:
    return plan.requests + sum(prices.extra_requests(call) for call in plan.calls)


def _goes_by_key(call: Call, capabilities: Capabilities) -> bool:
    """Return whether the call goes by a match key, not by the external id."""
    writes = {Action.CREATE: capabilities.create, Action.UPSERT: capabilities.upsert}
    write = writes.get(call.action)
    return write is not None and bool(write.keyed_by)


def _most_for_existing(desired: Desired, plan: Plan, prices: Prices) -> int:
    """Return the most requests of a create that finds its contact there.

    0 where it never does.
    """
    create = prices.capabilities.create
    if create is None or not create.keyed_by or not create.tells_existing:
        return 0
    if not plan.calls or plan.calls[0].action is not Action.CREATE:
        return 0
    filled = [
        name for name in create.keyed_by if desired.fields.get(name) not in (None, "")
    ]
    look_ups = total(prices.look_up(desired.key(name)) for name in filled)
    # The create may be sent again when the contact that had the key has lost it
    # meanwhile.
    return 2 * create.requests + look_ups.most


def _most_for_found(desired: Desired, known: Known, prices: Prices) -> int:
    """Return the requests that bring a found contact in step in the worst case.

    It was found with other values and without our tags.
    """
    capabilities = prices.capabilities
    to_empty = {
        name: _ANY_VALUE
        for name, value in desired.fields.items()
        if value in EMPTY and not matches(name, capabilities.accumulates)
    }
    first_key = desired.keys[0] if desired.keys else None
    found = Known(
        _ANY_ID,
        key=known.key or first_key,
        fields={**to_empty, **_fixed_names(desired, capabilities)},
        tags=_maybe_our_tags(known),
    )
    plan = plan_contact(desired, found, capabilities)
    return _requests(plan, prices) if isinstance(plan, Plan) else 0


def _fixed_names(desired: Desired, capabilities: Capabilities) -> dict[str, Json]:
    """Return the fields that name a contact in tag calls, and that no update changes.

    A contact that was found by one has it.
    """
    update = capabilities.update.fields if capabilities.update else ()
    fixed: dict[str, Json] = {}
    for call in (capabilities.add_tags, capabilities.remove_tags):
        names = call.addressed_by if call else ()
        for name in names:
            value = desired.fields.get(name)
            if value not in EMPTY and not matches(name, update):
                fixed[name] = value
    return fixed


def _most_for_removal(known: Known, look_up: LookUp, prices: Prices) -> int:
    """Return the requests that remove a contact found after an unknown create."""
    pending = known.pending or Pending()
    lists = {
        name: value for name, value in pending.fields.items() if name.startswith(LISTS)
    }
    found = replace(
        known,
        external_id=_ANY_ID,
        key=known.key or look_up.keys[0],
        fields={**known.fields, **lists},
        tags=_maybe_our_tags(known),
        pending=None,
    )
    plan = plan_removal("", found, prices.on_removed, prices.capabilities)
    return _requests(plan, prices)


def _maybe_our_tags(known: Known) -> frozenset[str]:
    """Return the tags that are ours if they are there."""
    pending = known.pending or Pending()
    return known.tags | pending.add_tags | pending.remove_tags


def duration(requests: Cost, limits: Sequence[Limit]) -> Duration:
    """Return the time that requests take when sent evenly under the limits.

    The first goes out at once. Of limits for one HTTP method each it is assumed that
    all requests meet the same one; at best they are spread over all of them.
    """
    common: list[float] = []
    by_method: dict[str, float] = {}
    for limit in limits:
        rate = limit.calls / limit.per
        if limit.method is None:
            common.append(rate)
        else:
            by_method[limit.method] = min(rate, by_method.get(limit.method, rate))
    slow = [*common, *by_method.values()]
    fast = [*common]
    if by_method:
        fast.append(sum(by_method.values()))
    return Duration(
        _seconds(requests.least, fast),
        _seconds(requests.usual, slow),
        _seconds(requests.most, slow),
    )


def _seconds(requests: int, rates: Sequence[float]) -> float:
    """Return the seconds that requests take under all of these rates a second."""
    if not rates:
        return 0.0
    return max(0, requests - 1) / min(rates)
