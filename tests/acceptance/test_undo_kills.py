"""SIGKILL of ``undo RUN --yes`` between any two steps that matter.

An ordinary run that comes in between finishes the contacts that the undo had begun, and
sends nothing of them again. The same undo, repeated, takes back the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.kill_phases import PHASES, Kills, kill, killed_with_open
from tests.support.small_crm import Crm, crm, pattern, report

_VENDOR = "respond_io"
_HOLDS = {
    "request sent, not yet committed": FaultKind.HOLD_BEFORE_COMMIT,
    "vendor committed, answer lost": FaultKind.HOLD_AFTER_COMMIT,
}


class _Copy(NamedTuple):
    """What the vendor holds of one contact."""

    fields: Mapping[str, object]
    tags: frozenset[str]


@pytest.mark.asyncio
async def test_a_killed_undo_is_finished_by_the_same_command(
    database: str, tmp_path: Path
) -> None:
    kills, begun = Kills(), 0
    async with crm(database, tmp_path, _VENDOR, seed=3) as here:
        # More than are prepared at a time, so that no kill finds all of them begun.
        await here.add(30)
        await here.finish()
        ids = await here.recorded()
        for phase in PHASES:
            before = _copies(here)
            await here.change_everybody()
            wrong = await _run(here)
            sent = _copies(here)
            assert all(before[each] != sent[each] for each in before)

            with here.doing("undo", str(wrong), "--yes"):
                assert await _killed(here, phase, kills), phase
            await here.let_leases_run_out()
            noted = await _noted(here, wrong)
            begun += len(noted)
            await here.finish()
            between = {
                each: before[each] if each in noted else sent[each] for each in sent
            }
            assert _copies(here) == between, f"a run in between, after: {phase}"
            assert await here.recorded() == ids

            with here.doing("undo", str(wrong), "--yes"):
                await _run(here)
            assert _copies(here) == before, f"the repeated undo, after: {phase}"
            assert await here.recorded() == ids
        with here.doing("run", "--backfill"):
            assert await here.finish() == 0, "what was taken back is sent again"
    assert {phase for phase in PHASES if kills.phases[phase]} == set(PHASES)
    assert 0 < begun < len(PHASES) * len(ids), "each is killed with some contacts begun"


async def _run(here: Crm) -> int:
    """Let a command end well, and return the number of its run."""
    command = here.start()
    assert await command.ended() == 0, command.said()
    return int(report(command)["run_id"])


async def _killed(here: Crm, phase: str, kills: Kills) -> bool:
    """Kill the command in a phase; where it is of a write, at the first of any route."""
    if phase not in _HOLDS:
        return await kill(here, phase, kills)
    writes = [
        Rule(
            _HOLDS[phase],
            method=route.partition(" ")[0],
            path=pattern(route),
            commit_if_gone=True,
        )
        for route in here.writes()
    ]
    killed = await killed_with_open(writes, here, kills)
    kills.phases[phase] += killed
    return killed


async def _noted(here: Crm, run_id: int) -> set[str]:
    """Return the vendor's ids of contacts that the undo of a run has begun with."""
    rows = await here.source.fetch(
        "SELECT external_id FROM syncengine.sync_taken_back "
        "JOIN syncengine.external_ids USING (destination, contact_id) "
        "WHERE undone = $1",
        run_id,
    )
    return {row["external_id"] for row in rows}


def _copies(here: Crm) -> dict[str, _Copy]:
    """Return everything that the vendor holds, by its ids."""
    contacts: list[dict[str, Any]] = here.sandbox.contacts(here.vendor)
    return {
        contact["id"]: _Copy(
            {name: each for name, each in contact["fields"].items() if each},
            frozenset(contact["tags"]),
        )
        for contact in contacts
    }
