"""Forecast of a run's cost: requests and time.

``app.forecast`` adds up ``expense`` over the contacts of a run, for ``syncengine plan``
to show; ``planning.timing`` turns the sum into time. An expense is in steps, not in
requests: contacts share these where the vendor takes many in one
(``planning.request_count``).

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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Call, Rejected
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending
from syncengine.model.costs import Cost, total
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.planning.changes import EMPTY
from syncengine.planning.distrust import known_before_distrust, should_read_back
from syncengine.planning.found_contacts import known_after_not_found
from syncengine.planning.look_up import LookUp, plan_look_up
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.priced_steps import (
    PricedStep,
    StepPricer,
    StepRange,
    between,
    certain,
)
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
    pricer: StepPricer
    """Makes the steps of which expenses consist."""


@dataclass(frozen=True, slots=True)
class Expense:
    """Cost of one contact, in steps: others may share the requests of these."""

    look_ups: tuple[PricedStep, ...]
    """The steps of the look-ups alone, where no contact is found."""
    steps: StepRange
    """All steps, those of the look-ups among them."""


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
        return Expense((), _steps_with_read_back(desired, known, prices))
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
        return Expense((), _steps_without_look_up(desired, known, plan, prices))
    if refused:
        # Whatever is found, nothing follows the look-up.
        after = StepRange()
    elif desired is None:
        after = between((), (), _most_for_removal(known, look_up, prices))
    elif gone:
        after = between((), (), _most_for_found(desired, known, prices))
    else:
        after = _steps_after_look_up(desired, known, plan, prices)
    return _expense_with_look_up(look_up, after, prices)


def _expense_with_look_up(look_up: LookUp, after: StepRange, prices: Prices) -> Expense:
    """Return the expense of a look-up and what follows it."""
    costs = [prices.look_up(key) for key in look_up.keys]
    least = _finds(look_up.keys, [cost.least for cost in costs], prices)
    finds = _finds(look_up.keys, [cost.usual for cost in costs], prices)
    most = _finds(look_up.keys, [cost.most for cost in costs], prices)
    rounds = prices.rounds
    if look_up.wait > 0:
        # "Not found" is not believed before the wait is over: the contact is deferred,
        # and looked up once more.
        rounds += 1
    # At best the first key finds a contact that is in step.
    range_of_finds = between(least[:1], finds, prices.pricer.in_turn(most, rounds))
    without_least = replace(after, least=())
    return Expense(finds, range_of_finds + without_least)


def _finds(
    keys: Sequence[MatchKey], requests: Sequence[int], prices: Prices
) -> tuple[PricedStep, ...]:
    """Return the look-ups by keys, each with its number of requests."""
    return tuple(
        prices.pricer.find(key, number)
        for key, number in zip(keys, requests, strict=True)
    )


def read_before(known: Known, prices: Prices) -> tuple[PricedStep, ...]:
    """Return the step that reads a contact before it is written to.

    Empty where the vendor does not show contacts.
    """
    if prices.capabilities.reads:
        return (prices.pricer.read(known.external_id or _ANY_ID),)
    keys = keys_at_vendor(known, prices.capabilities)
    return (prices.pricer.find(keys[0], 1),) if keys else ()


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


def _steps_with_read_back(
    desired: Desired | None, known: Known, prices: Prices
) -> StepRange:
    """Return the steps of a contact that is read before anything is sent about it.

    At best it is in step; at worst it is there with other values, or gone and created.
    """
    capabilities = prices.capabilities
    reads = _read_back(known, prices)
    if desired is None:
        return reads + _removal_read_back(known, prices)
    plan = plan_contact(desired, known_before_distrust(known), capabilities)
    found = _most_for_found(desired, known, prices)
    gone = StepRange()
    if capabilities.reads:
        # Reading by id tells for certain that it is gone; a look-up does not.
        gone = _steps_for_gone(desired, known, prices)
    usual = _steps_of(plan, prices)
    return reads + between((), usual, found, gone.usual, gone.most)


def _read_back(known: Known, prices: Prices) -> StepRange:
    """Return the steps that read a contact back."""
    if prices.capabilities.reads:
        return certain(read_before(known, prices))
    # Such a vendor shows a contact only as the result of a look-up.
    keys = keys_at_vendor(known, prices.capabilities)
    costs = [prices.look_up(key) for key in keys]
    return between(
        _finds(keys, [cost.least for cost in costs], prices),
        _finds(keys, [cost.usual for cost in costs], prices),
        _finds(keys, [cost.most for cost in costs], prices),
    )


def _removal_read_back(known: Known, prices: Prices) -> StepRange:
    """Return the steps that remove a contact once it was read back."""
    usual = _steps_of_removal(known_before_distrust(known), prices)
    with_all_tags = replace(known, tags=_maybe_our_tags(known))
    return between((), usual, _steps_of_removal(with_all_tags, prices))


def _steps_of_removal(known: Known, prices: Prices) -> tuple[PricedStep, ...]:
    # The contact id is of no account: the calls are counted, not sent.
    plan = plan_removal("", known, prices.on_removed, prices.capabilities)
    return _steps_of(plan, prices)


def _steps_for_gone(desired: Desired, known: Known, prices: Prices) -> StepRange:
    """Return the steps that look up and create a contact that is gone."""
    absent = known_after_not_found(known, prices.capabilities)
    plan = plan_contact(desired, absent, prices.capabilities)
    if not isinstance(plan, Plan):
        return StepRange()
    # What is created again is looked up first, whatever find_first says.
    with_look_up = replace(prices, find_first=True)
    return expense(desired, absent, plan, with_look_up, refused=False).steps


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


def _steps_without_look_up(
    desired: Desired | None, known: Known, plan: Plan, prices: Prices
) -> StepRange:
    """Return the steps of a plan whose contact is not looked up."""
    usual = _steps_of(plan, prices)
    exists = known.external_id is not None
    if desired is None or exists or not plan.calls:
        return certain(usual)
    first = (prices.pricer.call(plan.calls[0], 1),)
    existing = _most_for_existing(desired, plan, prices)
    if not existing:
        if not _goes_by_key(plan.calls[0], prices.capabilities):
            return certain(usual)
        # A create or upsert by key may reach a contact that another one owns: then
        # nothing follows it.
        return between(first, usual)
    # At worst the create finds its contact each time, and that is then changed.
    found = _most_for_found(desired, known, prices)
    return between(first, usual, prices.pricer.in_turn(existing, prices.rounds) + found)


def _steps_after_look_up(
    desired: Desired, known: Known, plan: Plan, prices: Prices
) -> StepRange:
    """Return the steps that follow a look-up."""
    fresh: Plan | Rejected = plan
    if known.pending is not None:
        # The plan sends what is unknown again. Once nothing was found, nothing is
        # unknown any more.
        absent = known_after_not_found(known, prices.capabilities)
        fresh = plan_contact(desired, absent, prices.capabilities)
    existing: tuple[PricedStep, ...] = ()
    if isinstance(fresh, Plan):
        existing = _most_for_existing(desired, fresh, prices)
    found = _most_for_found(desired, known, prices)
    usual = _steps_of(fresh, prices)
    return between((), usual, prices.pricer.in_turn(existing, prices.rounds) + found)


def _steps_of(plan: Plan | Rejected, prices: Prices) -> tuple[PricedStep, ...]:
    """Return the steps of a plan when nothing goes wrong; none for a rejection."""
    if isinstance(plan, Rejected):
        return ()
    return tuple(
        prices.pricer.call(call, requests_of(call, prices)) for call in plan.calls
    )


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


def _most_for_existing(
    desired: Desired, plan: Plan, prices: Prices
) -> tuple[PricedStep, ...]:
    """Return the create that finds its contact there, with the most requests it takes.

    The vendor answers such a create "exists already", and the contact is looked up by
    the vendor's own keys. Empty where no create is answered so.
    """
    create = prices.capabilities.create
    if create is None or not create.keyed_by or not create.tells_existing:
        return ()
    if not plan.calls or plan.calls[0].action is not Action.CREATE:
        return ()
    filled = [
        name for name in create.keyed_by if desired.fields.get(name) not in (None, "")
    ]
    look_ups = total(prices.look_up(desired.key(name)) for name in filled)
    # The create may be sent again when the contact that had the key has lost it
    # meanwhile.
    requests = 2 * create.requests + look_ups.most
    return (prices.pricer.call(plan.calls[0], requests),)


def _most_for_found(
    desired: Desired, known: Known, prices: Prices
) -> tuple[PricedStep, ...]:
    """Return the steps that bring a found contact in step in the worst case.

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
    return _steps_of(plan_contact(desired, found, capabilities), prices)


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


def _most_for_removal(
    known: Known, look_up: LookUp, prices: Prices
) -> tuple[PricedStep, ...]:
    """Return the steps that remove a contact found after an unknown create."""
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
    return _steps_of_removal(found, prices)


def _maybe_our_tags(known: Known) -> frozenset[str]:
    """Return the tags that are ours if they are there."""
    pending = known.pending or Pending()
    return known.tags | pending.add_tags | pending.remove_tags
