"""Forecast of a run's cost: requests and time.

``app.forecast`` adds up ``expense`` over the contacts of a run, for ``syncengine plan``
to show; ``planning.timing`` turns the sum into time.

Requests follow from what is planned and what look-ups may find. What a look-up finds is
not known before it is made, so a cost is a range. For a new contact that is looked up
by two keys and then created with one request:

- ``least`` 1: the first key finds it, and it is in step;
- ``usual`` 3: two look-ups find nothing, one request creates it;
- ``most``: it is found by the last key with other values in every field, or a create
  says that it exists already, and it is looked up again.

The worst case is worked out by planning against a made-up found contact
(``_most_for_found``). Retries, rate limits and outages are not part of the forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Call, Rejected
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending
from syncengine.model.costs import Cost, exactly, total
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.planning.changes import EMPTY
from syncengine.planning.distrust import known_before_distrust, should_read_back
from syncengine.planning.found_contacts import known_after_not_found
from syncengine.planning.look_up import LookUp, plan_look_up
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import plan_removal

_ANY_ID = "?"
"""External id of a made-up contact, in plans that are counted and never sent."""
_ANY_VALUE = "?"
"""Value of its fields: different from whatever is desired."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Costs of requests at a destination, and the settings that decide about them."""

    capabilities: Capabilities
    on_removed: OnRemoved
    find_first: bool
    """The setting of that name: look up every new contact before it is created."""
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
    """Requests of the look-ups alone, where no contact is found."""
    requests: Cost
    """All requests, those of the look-ups among them."""


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

    Args:
        desired: None for a removed contact.
        known: what the destination is known to hold.
        plan: what ``plan_contact`` or ``plan_removal`` made of the two.
        prices: the destination's prices.
        refused: nothing is sent about the contact, because its row is invalid or it is
            suppressed. All there is to do is to settle an unknown create.
        gone: it was deleted at the vendor by somebody else, and is only looked up.
        recreates: it was deleted there, and is created again.
    """
    if not refused and should_read_back(known, prices.capabilities):
        return _expense_with_read_back(desired, known, prices)
    asked_for = desired
    if refused:
        # Its row asks for nothing then, and only an unknown create is looked up.
        asked_for = None
    look_up = plan_look_up(
        asked_for,
        known,
        prices.capabilities,
        # What is created again is looked up first, whatever find_first says.
        find_first=prices.find_first or recreates,
        always=gone,
    )
    if look_up is None:
        return Expense(0, _cost_without_look_up(desired, known, plan, prices))
    if refused:
        # Whatever is found, nothing follows the look-up.
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
    cost_by_key = [prices.look_up(key) for key in look_up.keys]
    all_keys = total(cost_by_key)
    usual = all_keys.usual + after.usual
    # At best the first key finds a contact that is in step.
    least = min(cost_by_key[0].least, usual)
    rounds = prices.rounds
    if look_up.wait > 0:
        # "Not found" is not believed before the wait is over: the contact is deferred,
        # and looked up once more.
        rounds += 1
    most = rounds * all_keys.most + after.most
    return Expense(all_keys.usual, Cost(least, usual, most))


def likely(
    desired: Desired | None, known: Known, plan: Plan, capabilities: Capabilities
) -> Plan:
    """Return the plan as far as it can be foreseen.

    A contact that is read back first has a plan that sends everything again, since
    nothing of it is trusted. Usually the vendor shows what was known before: then only
    the difference to that is sent.
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
        # Such a vendor shows a contact only as the result of a look-up.
        keys = keys_at_vendor(known, capabilities)
        read = total(prices.look_up(key) for key in keys)
    if desired is None:
        return Expense(0, read + _cost_of_removal_read_back(known, prices))
    plan = plan_contact(desired, known_before_distrust(known), capabilities)
    usual = _requests(plan, prices)
    most = max(usual, _most_for_found(desired, known, prices))
    if capabilities.reads:
        # Reading by id tells for certain that it is gone; a look-up does not.
        most = max(most, _most_for_gone(desired, known, prices))
    return Expense(0, read + Cost(0, usual, most))


def _cost_of_removal_read_back(known: Known, prices: Prices) -> Cost:
    """Return the requests that remove a contact once it was read back."""
    usual = _requests_of_removal(known_before_distrust(known), prices)
    with_all_tags = replace(known, tags=_maybe_our_tags(known))
    most = _requests_of_removal(with_all_tags, prices)
    return Cost(0, usual, max(usual, most))


def _requests_of_removal(known: Known, prices: Prices) -> int:
    # The contact id is of no account: the calls are counted, not sent.
    plan = plan_removal("", known, prices.on_removed, prices.capabilities)
    return _requests(plan, prices)


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
    """Return the plan up to and with its first call.

    A forecast counts no more of a contact that is probed: the probe is refused, as a
    rule, and then nothing follows.
    """
    if not plan.calls:
        return Plan()
    call = plan.calls[0]
    # Each action has a field of its name in the capabilities.
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
    if existing == 0:
        # A create or upsert by key may reach a contact that another one owns: then
        # nothing follows it.
        least = usual
        if _goes_by_key(plan.calls[0], prices.capabilities):
            least = 1
        return Cost(least, usual, usual)
    # At worst the create finds its contact each time, and that is then changed.
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
    usual = _requests(fresh, prices)
    existing = 0
    if isinstance(fresh, Plan):
        existing = _most_for_existing(desired, fresh, prices)
    found = _most_for_found(desired, known, prices)
    return Cost(0, usual, max(usual, prices.rounds * existing + found))


def _requests(plan: Plan | Rejected, prices: Prices) -> int:
    """Return the requests of a plan when nothing goes wrong; 0 for a rejection."""
    if isinstance(plan, Rejected):
        return 0
    extra = sum(prices.extra_requests(call) for call in plan.calls)
    return plan.requests + extra


def requests_of(call: Call, prices: Prices) -> int:
    """Return the requests of one call when nothing goes wrong."""
    # Each action has a field of its name in the capabilities.
    offer = getattr(prices.capabilities, call.action.value)
    requests: int = offer.requests
    return requests + prices.extra_requests(call)


def _goes_by_key(call: Call, capabilities: Capabilities) -> bool:
    """Return whether the call goes by a match key, not by the external id."""
    writes = {Action.CREATE: capabilities.create, Action.UPSERT: capabilities.upsert}
    write = writes.get(call.action)
    return write is not None and bool(write.keyed_by)


def _most_for_existing(desired: Desired, plan: Plan, prices: Prices) -> int:
    """Return the most requests of a create that finds its contact there.

    The vendor answers such a create "exists already", and the contact is looked up by
    the vendor's own keys. 0 where no create is answered so.
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
    # A field that is not known is sent if it has a desired value. To be cleared it has
    # to be known with some value.
    to_clear: dict[str, Json] = {}
    for name, value in desired.fields.items():
        if value in EMPTY and not matches(name, capabilities.accumulates):
            to_clear[name] = _ANY_VALUE
    first_key = desired.keys[0] if desired.keys else None
    found = Known(
        _ANY_ID,
        key=known.key or first_key,
        fields={**to_clear, **_fixed_names(desired, capabilities)},
        tags=_maybe_our_tags(known),
    )
    return _requests(plan_contact(desired, found, capabilities), prices)


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
    return _requests_of_removal(found, prices)


def _maybe_our_tags(known: Known) -> frozenset[str]:
    """Return the tags that are ours if they are there."""
    pending = known.pending or Pending()
    return known.tags | pending.add_tags | pending.remove_tags
