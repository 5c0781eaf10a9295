"""SIGKILL of a run in a chosen phase, and changes of the source until the next run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syncengine.sandbox.faults import FaultKind, Rule
from tests.simulation.pair import Pair
from tests.support.command_process import Command, locked, until
from tests.support.small_crm import Crm, Person, pattern
from tests.support.small_crm_checks import assert_in_step

PHASES = (
    "intent written",
    "request sent, not yet committed",
    "vendor committed, answer lost",
    "recording",
    "recorded, batch open",
)
HALF_COMMITTED = "half of a batch committed"
"""The phase that only requests about several contacts have."""
AFTERWARDS = (
    "nothing",
    "reverted",
    "another match key",
    "vanished",
    "match key taken over",
)


@dataclass
class Kills:
    """Counts of what was hit, by the evidence. What was tried the least is next."""

    phases: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    """The routes of the requests that were open."""
    afterwards: Counter[str] = field(default_factory=Counter)
    _tried: Counter[str] = field(default_factory=Counter)

    def next_of(self, choices: Sequence[str]) -> str:
        chosen = min(choices, key=lambda each: self._tried[each])
        self._tried[chosen] += 1
        return chosen

    def note(self, phase: str, *, killed: bool) -> None:
        """Count a run that was to be killed in a phase; one that was not is next again."""
        self.phases[phase] += killed
        if not killed:
            self._tried[phase] -= 1


def phases_of(pair: Pair) -> Sequence[str]:
    """Return the phases of a run at this vendor."""
    # First, as long as several contacts are to be sent: after a kill fewer are left.
    return (HALF_COMMITTED, *PHASES) if pair.has_waves else PHASES


async def history(here: Crm, wanted: int, kills: Kills) -> None:
    """Play rounds of changes.

    In each, two runs are killed, the source changes in between, and further runs finish
    the job.
    """
    await grow(here)
    rounds = 0
    while kills.phases.total() < wanted:
        rounds += 1
        assert rounds < wanted, "runs keep ending before they can be killed"
        before = dict(here.people)
        await here.change()
        for _ in range(2):
            if await kill(here, kills.next_of(phases_of(here.pair)), kills):
                await here.let_leases_run_out()
                await meanwhile(here, before, kills)
        await here.finish()
        await assert_in_step(here)
    assert await here.finish() == 0, "a run on unchanged contacts sent something"


async def grow(here: Crm) -> None:
    """Add contacts to begin with, and fill the journal with every kind of request."""
    await here.add(8)
    await here.finish()
    await here.change()
    await here.finish()
    await assert_in_step(here)


async def kill(here: Crm, phase: str, kills: Kills) -> bool:
    """Start a run and kill it in a phase; False when it ended before it came there."""
    match phase:
        case "intent written":
            killed = await _before_the_first_request(here)
        case "request sent, not yet committed":
            killed = await _with_requests_open(
                here, FaultKind.HOLD_BEFORE_COMMIT, kills
            )
        case "vendor committed, answer lost":
            killed = await _with_requests_open(here, FaultKind.HOLD_AFTER_COMMIT, kills)
        case "half of a batch committed":
            killed = await _with_half_committed(here, kills)
        case "recording":
            killed = await _in_a_transaction(here, "syncengine.sync_outcome")
        case _:
            killed = await _before_the_batch_is_finished(here)
    kills.note(phase, killed=killed)
    return killed


async def _before_the_first_request(here: Crm) -> bool:
    """Kill while the intents are written and the run waits for its quota."""
    requests = here.requests()
    async with locked(here.dsn, "syncengine.sync_quota") as somebody_waits:
        command = here.start()
        if not await command.comes_to(somebody_waits()):
            return False
        assert await here.in_doubt(), (
            "a request was about to go out before the intent was written"
        )
        await command.kill()
    assert here.requests() == requests
    return True


async def _with_requests_open(here: Crm, kind: FaultKind, kills: Kills) -> bool:
    """Kill while writes wait at the vendor, committed or not.

    What is not may be committed once the command is gone.
    """
    return await killed_with_open([next_write(here, kind, kills)], here, kills)


async def _with_half_committed(here: Crm, kills: Kills) -> bool:
    """Kill while half of a batch is committed.

    The other half may be committed once the command is gone.
    """
    route = kills.next_of(here.batches())
    rule = _holding(here, FaultKind.HOLD_HALF_COMMITTED, route)
    return await killed_with_open([rule], here, kills)


async def killed_with_open(writes: Sequence[Rule], here: Crm, kills: Kills) -> bool:
    """Kill as soon as one of these writes waits at the vendor."""
    faults, holds = here.sandbox.faults(here.vendor), here.sandbox.holds(here.vendor)
    faults.configure(writes)
    command = here.start()
    came = await command.comes_to(holds.wait_for(1))
    if came:
        assert await here.in_doubt(), "a request was sent without an intent"
        await command.kill()
        held = await holds.wait_for(1)
        await until(lambda: all(each.gone() for each in held))
        kills.routes.update(each.entry.route for each in held)
    faults.clear()
    holds.release()
    return came


def next_write(here: Crm, kind: FaultKind, kills: Kills) -> Rule:
    """Return a fault that holds the writes of a route back.

    What is not committed may be all the same once the client is gone.
    """
    return _holding(here, kind, kills.next_of(here.writes()))


def _holding(here: Crm, kind: FaultKind, route: str) -> Rule:
    method, _, _ = route.partition(" ")
    return Rule(
        kind,
        method=method,
        path=pattern(route),
        commit_if_gone=here.random.random() < 0.5,
    )


async def _in_a_transaction(here: Crm, table: str) -> bool:
    """Kill while outcomes are half written: their transaction waits for a table."""
    async with locked(here.dsn, table) as somebody_waits:
        return await _killed_at(here.start(), somebody_waits)


async def _before_the_batch_is_finished(here: Crm) -> bool:
    """Kill when outcomes are committed, and their batch is not finished."""
    holds = here.sandbox.holds(here.vendor)
    here.sandbox.faults(here.vendor).configure([Rule(FaultKind.HOLD_BEFORE_COMMIT)])
    command = here.start()
    came = await command.comes_to(holds.wait_for(1))
    here.sandbox.faults(here.vendor).clear()
    if not came:
        return False
    async with locked(here.dsn, "syncengine.sync_batch") as somebody_waits:
        holds.release()
        return await _killed_at(command, somebody_waits)


async def _killed_at(command: Command, moment: Callable[[], Awaitable[None]]) -> bool:
    if not await command.comes_to(moment()):
        return False
    await command.kill()
    return True


async def meanwhile(here: Crm, before: dict[int, Person], kills: Kills) -> None:
    """Change contacts whose outcome is open before the next run sees them."""
    in_doubt = await here.in_doubt()
    chosen = [number for number in in_doubt if number in here.people]
    known = [
        number
        for number in in_doubt
        if number in before and _is_free(here, number, before[number].key)
    ]
    what = kills.next_of(_possible(here, chosen, known))
    await _happen(what, here, chosen, {number: before[number] for number in known})
    kills.afterwards[what] += 1


async def _happen(
    what: str, here: Crm, chosen: Sequence[int], reverted: Mapping[int, Person]
) -> None:
    """Let one of ``AFTERWARDS`` happen to contacts whose outcome is open."""
    match what:
        case "reverted":
            for number, person in reverted.items():
                await here.put(number, person)
        case "another match key":
            for number in chosen:
                await here.change_key(number)
        case "vanished":
            for number in chosen[::2]:
                await here.remove(number)
        case "match key taken over":
            for number in chosen[::2]:
                await here.take_over(number)


def _is_free(here: Crm, number: int, key: int) -> bool:
    """Return whether nobody else has taken a match key over meanwhile.

    Of two rows that ask for it one would be refused.
    """
    return all(
        person.key != key for each, person in here.people.items() if each != number
    )


def _possible(here: Crm, chosen: Sequence[int], known: Sequence[int]) -> list[str]:
    """Return what may happen to the source now.

    Keys stay what they are where they are the contact's only identity.
    """
    keys = chosen and here.pair.key
    possible = {
        "nothing": True,
        "reverted": known,
        "another match key": keys,
        "vanished": chosen,
    }
    return [each for each in AFTERWARDS if possible.get(each, keys)]
