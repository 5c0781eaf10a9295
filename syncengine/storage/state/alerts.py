"""States of alerts and the messages about their changes (``sync_alert``).

A change of state and its messages are written in one transaction, and a message stays
until it is delivered: so none is lost, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import orjson

from syncengine.model.alerts import (
    AlertMessage,
    AlertState,
    Concern,
    UndeliveredAlerts,
)
from syncengine.model.http import Json
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements

_SQL = statements("alerts")
_AT_ONCE = 50
"""Number of messages that one process claims at a time."""


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that this process is to deliver now."""

    message_id: int
    target: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AlertOverview:
    """Standing of many destinations, as one look shows it."""

    states: Mapping[str, Mapping[Concern, AlertState]]
    """By destination; those that were never watched are not there."""
    died_runs: Mapping[str, int]
    """The newest runs of destinations, where their process died."""
    now: datetime
    """The database's time."""


class AlertTransaction:
    """One look at a destination's alerts, and what changes there."""

    def __init__(self, connection: Connection, destination: str) -> None:
        self._connection = connection
        self._destination = destination

    async def states(self) -> tuple[Mapping[Concern, AlertState], datetime]:
        """Return the state of every concern, and the database's time."""
        # Two runs may end at once: without the lock both would see the same state, and
        # each would send the message about its change.
        await self._connection.execute(_SQL["lock"], self._destination)
        await self._connection.execute(
            _SQL["watch"], self._destination, [concern.value for concern in Concern]
        )
        rows = await self._connection.fetch(_SQL["states"], [self._destination])
        now: datetime = await self._connection.fetchval(_SQL["now"])
        return {Concern.known(row["concern"]): _state(row) for row in rows}, now

    async def died_run(self, before: int | None = None) -> int | None:
        """Return the destination's newest run, where its process died; else None.

        With ``before``, that is the newest one before this run.
        """
        run_id: int | None = await self._connection.fetchval(
            _SQL["died_run"], self._destination, before
        )
        return run_id

    async def change(
        self, state: AlertState, message: AlertMessage | None, targets: Sequence[str]
    ) -> None:
        """Write a concern's next state, and the message for each of the targets."""
        await self._connection.execute(
            _SQL["change"],
            state.destination,
            state.concern.value,
            state.state,
            state.since,
            state.run_id,
            state.lowest,
            state.reported,
            state.succeeded_at,
        )
        if message is not None and targets:
            # In the transaction of the state: were it written behind it, a process that
            # dies in between would change the state without a message.
            body = orjson.dumps(message.public()).decode()
            await self._connection.execute(_SQL["enqueue"], list(targets), body)


class Alerts:
    """The alerts of all destinations. Every method raises StorageError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def looking_at(self, destination: str) -> AsyncIterator[AlertTransaction]:
        """Run a transaction about one destination."""
        async with write_state(self._pool) as connection:
            yield AlertTransaction(connection, destination)

    async def overview(self, destinations: Sequence[str]) -> AlertOverview:
        """Return how things stand at these destinations. Locks and writes nothing."""
        async with read_state(self._pool) as connection:
            rows = await connection.fetch(_SQL["states"], list(destinations))
            died = await connection.fetch(_SQL["died_runs"], list(destinations))
            now: datetime = await connection.fetchval(_SQL["now"])
        states: dict[str, dict[Concern, AlertState]] = {}
        for row in rows:
            concern = Concern.known(row["concern"])
            states.setdefault(row["destination"], {})[concern] = _state(row)
        died_runs = {row["destination"]: row["run_id"] for row in died}
        return AlertOverview(states, died_runs, now)

    async def claim(self, targets: Sequence[str]) -> Sequence[ClaimedMessage]:
        """Return messages that are due, oldest first; nobody else gets them now."""
        async with write_state(self._pool) as connection:
            await connection.execute(_SQL["lock_deliveries"])
            rows = await connection.fetch(_SQL["claim"], list(targets), _AT_ONCE)
            # What was delivered long ago goes here, so that no other work has to see to
            # it.
            await connection.execute(_SQL["prune"])
        claimed = [
            ClaimedMessage(row["message_id"], row["target"], orjson.loads(row["body"]))
            for row in rows
        ]
        # RETURNING has no order, and a recovery must not arrive before its alert.
        return sorted(claimed, key=lambda each: each.message_id)

    async def delivered(self, message_id: int) -> None:
        """Note that a target has taken a message."""
        async with write_state(self._pool) as connection:
            await connection.execute(_SQL["delivered"], message_id)

    async def not_delivered(self, message_id: int, why: str) -> None:
        """Note why a target has not taken a message; it is tried again later."""
        async with write_state(self._pool) as connection:
            await connection.execute(_SQL["not_delivered"], message_id, why)


async def read_alerts(
    pool: Pool, destinations: Sequence[str]
) -> tuple[list[AlertState], list[UndeliveredAlerts]]:
    """Return the states of destinations, and what was not delivered. Only reads."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["states"], list(destinations))
        waiting = await connection.fetch(_SQL["undelivered"])
    states = [_state(row) for row in rows]
    undelivered = [
        UndeliveredAlerts(
            target=row["target"],
            number=row["number"],
            oldest=row["oldest"],
            attempts=row["attempts"],
            error=row["error"] or "",
        )
        for row in waiting
    ]
    return states, undelivered


def _state(row: asyncpg.Record) -> AlertState:
    return AlertState(
        destination=row["destination"],
        concern=Concern(row["concern"]),
        state=row["state"],
        since=row["since"],
        run_id=row["run_id"],
        lowest=row["lowest"],
        reported=row["reported"],
        succeeded_at=row["succeeded_at"],
    )
