"""Acts of a person at a vendor's own screen, and how each contact ends.

Every vendor, act and policy is played, and the expected ends are written down here.
Three clean runs later nothing is sent any more, whatever was done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncengine import vendors
from syncengine.cli.exits import exit_code
from syncengine.model.work import Standing
from tests.simulation.pair import contact_id, pairs
from tests.support.any_vendor import Anyone, anyone

PAIRS = {vendor: pairs(vendor)[0] for vendor in vendors.names()}
IN_STEP, GONE, DEAD = "in step", Standing.GONE.value, Standing.DEAD_LETTER.value
POLICIES = ("report", "recreate")
Ends = tuple[str, str]
"""How a contact ends under ``on_gone: report`` and under ``recreate``."""


@dataclass(frozen=True)
class Act:
    """An act on one contact, or on two, whose rows all change afterwards."""

    does: Callable[[Anyone, str, str], object]
    """Is given the vendor's ids of the two contacts."""
    first: Mapping[str, Ends]
    """The end of the first one, by vendor; "": at all others."""
    second: Mapping[str, Ends]


def _stranger(here: Anyone, number: int) -> str:
    """Return the vendor's id of an older contact that belongs to nobody here.

    Strangers differ by their number: a vendor may refuse a second one that is like
    another.
    """
    row = here.pair.row(number, number, (7, 7), ())
    names = (
        *here.pair.others,
        *here.pair.values,
        *([here.pair.key] if here.pair.key else []),
    )
    return here.screen.create(
        {name: row[name] for name in names}, created=1_500_000_000.0
    )


def _edit(here: Anyone, one: str, field: str, text: str) -> None:
    here.screen.edit(one, {field: text})


SAME: Mapping[str, Ends] = {"": (IN_STEP, IN_STEP)}
LOST: Mapping[str, Ends] = {"": (GONE, IN_STEP), "charles": (IN_STEP, IN_STEP)}
"""No contact of the vendor has the match key any more.

charles creates one where a write names an unknown key.
"""
SHARED: Mapping[str, Ends] = {
    "": (GONE, IN_STEP),
    "charles": (DEAD, DEAD),
    "hubspot": (GONE, DEAD),
}
"""Its contact was merged into another one of ours.

charles keeps both keys at the remaining one, so that two of our contacts share it.
hubspot keeps both e-mail addresses there, and lets no other contact have one of them.
"""
OLDER: Mapping[str, Ends] = {
    "": (IN_STEP, IN_STEP),
    "respond_io": (GONE, IN_STEP),
    "respond_io_v2": (GONE, IN_STEP),
}
"""The vendor keeps the older one, which is the stranger."""
ACTS: Mapping[str, Act] = {
    "nothing": Act(lambda _here, _one, _two: None, SAME, SAME),
    "deleted": Act(lambda here, one, _two: here.screen.delete(one), LOST, SAME),
    "created again": Act(lambda here, one, _two: here.screen.recreate(one), SAME, SAME),
    "a value edited": Act(
        lambda here, one, _two: _edit(here, one, here.pair.values[0], "By hand"),
        SAME,
        SAME,
    ),
    "merged into the other": Act(
        lambda here, one, two: here.screen.merge(two, one), SHARED, SAME
    ),
    # Where the vendor keeps the older one, it is the first of the two either way.
    "the other merged into it": Act(
        lambda here, one, two: here.screen.merge(one, two), SAME, SHARED
    ),
    "merged into a stranger": Act(
        lambda here, one, _two: here.screen.merge(_stranger(here, 70), one), LOST, SAME
    ),
    "a stranger merged into it": Act(
        lambda here, one, _two: here.screen.merge(one, _stranger(here, 71)), OLDER, SAME
    ),
}


def _end(ends: Mapping[str, Ends], vendor: str, policy: str) -> str:
    return ends.get(vendor, ends[""])[POLICIES.index(policy)]


@pytest.mark.asyncio
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("vendor", sorted(PAIRS))
async def test_each_contact_ends_as_it_is_written_down(
    database: str, tmp_path: Path, vendor: str, policy: str
) -> None:
    pair = PAIRS[vendor]
    brakes = {
        "gone": {"share": 1.0, "at_least": 1},
        "rewrites": {"share": 1.0, "at_least": 1},
    }
    async with anyone(
        database, tmp_path / "config", pair, on_gone=policy, brakes=brakes
    ) as here:
        numbers = {act: (2 * at + 1, 2 * at + 2) for at, act in enumerate(ACTS)}
        contacts = [number for two in numbers.values() for number in two]
        for contact in contacts:
            await here.put(contact, contact, tags=["a"])
        report = await here.run()
        assert exit_code(report) == 0, report
        for name, act in ACTS.items():
            first, second = numbers[name]
            act.does(
                here, await here.external_id(first), await here.external_id(second)
            )
        # Every row changes, so that every contact is worked on.
        for contact in contacts:
            await here.put(contact, contact, (2, 2), ["a"])
        for _ in range(3):
            await here.run()
        wanted: dict[int, str] = {}
        wrong: dict[str, tuple[str, str]] = {}
        for name, act in ACTS.items():
            for number, ends in zip(
                numbers[name], (act.first, act.second), strict=True
            ):
                wanted[number] = _end(ends, vendor, policy)
                found = await _found(here, number)
                if found != wanted[number]:
                    wrong[f"{name} ({number})"] = (found, wanted[number])
        assert wrong == {}, "found, and written down"
        await _is_stable(here, wanted)


async def _found(here: Anyone, number: int) -> str:
    """Return how a contact ended, by the vendor and by the state."""
    state = (await here.states())[contact_id(number)]
    if state["standing"] is not None:
        return str(state["standing"])
    remote = here.held().get(str(state["external_id"]))
    if remote is None:
        return f"{state['status']}, and not there"
    row = here.pair.row(number, number, (2, 2), ())
    differing = [
        name
        for name in here.pair.values
        if not here.pair.vendor.same(name, row[name], remote.fields.get(name))
    ]
    if differing:
        return f"{state['status']}, with other values in {differing}"
    return IN_STEP


async def _is_stable(here: Anyone, wanted: Mapping[int, str]) -> None:
    """Check that nothing is sent any more and that reports count the others."""
    standing = {
        each.value: sum(end == each.value for end in wanted.values())
        for each in Standing
    }
    for _ in range(2):
        plan, report = await here.plan(), await here.run()
        assert (report.requests, exit_code(report), plan.requests) == (0, 0, 0)
        counted = report.public()["standing"]
        assert counted == plan.public()["standing"] == standing
    _, said = await here.command("run", "--json")
    lines = [
        line
        for line in said.splitlines()
        if line.startswith('{"destination"') and '"event"' not in line
    ]
    (line,) = lines
    assert json.loads(line)["standing"] == standing
