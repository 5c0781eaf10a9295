"""Match keys as a run would claim them (``ports.KeyStore``).

They are kept in a temporary table: the state stays as it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from syncengine.storage.connect import Connection, Pool
from syncengine.storage.failures import PLANS, storage_errors
from syncengine.storage.state.contacts import numbers
from syncengine.storage.statements import statements

_SQL = statements("planned_keys")
_MAKE_TABLES = ("make_claims", "index_by_hash", "index_by_contact", "make_view")


class PlannedKeys:
    """The claims of one destination.

    Claims that were planned before for others of its account count too.
    """

    def __init__(
        self, connection: Connection, account: str, destination: str, *, numbered: bool
    ) -> None:
        self._connection = connection
        self._account = account
        self._destination = destination
        self._numbered = numbered

    async def claim(self, claims: Mapping[str, Sequence[bytes]]) -> None:
        """Plan the claims of these contacts, in place of those in the state."""
        ids: list[str] = []
        key_hashes: list[bytes | None] = []
        for contact_id, contact_keys in claims.items():
            # A contact that would claim nothing gets a row too. By it, its claims in
            # the state do not count any more.
            planned: list[bytes | None] = [*dict.fromkeys(contact_keys)]
            if not planned:
                planned = [None]
            ids += [contact_id] * len(planned)
            key_hashes += planned
        with storage_errors():
            await self._connection.execute(
                _SQL["claim"],
                self._account,
                self._destination,
                ids,
                numbers(ids, numbered=self._numbered),
                key_hashes,
            )

    async def release(self, destinations: Sequence[str]) -> None:
        """Let go of the keys of destinations that have no file."""
        with storage_errors():
            await self._connection.execute(
                _SQL["release"], self._account, list(destinations)
            )

    async def losers(self, contact_ids: Sequence[str]) -> Mapping[str, str]:
        """Return contacts that would not get a key they claim, with its owner."""
        with storage_errors():
            rows = await self._connection.fetch(
                _SQL["losers"], self._account, self._destination, list(contact_ids)
            )
        return {row["contact_id"]: row["winner"] for row in rows}

    async def freed(self) -> Sequence[str]:
        """Return contacts that were refused for a key, and would get it now."""
        with storage_errors():
            rows = await self._connection.fetch(
                _SQL["dead_duplicates"], self._destination
            )
        duplicates = [row["contact_id"] for row in rows]
        if not duplicates:
            return []
        losers = await self.losers(duplicates)
        return [contact_id for contact_id in duplicates if contact_id not in losers]

    async def reach(self, contact_ids: Sequence[str]) -> None:
        """Note contacts that would be at the vendor by now."""
        with storage_errors():
            await self._connection.execute(
                _SQL["reach"], self._destination, list(contact_ids)
            )


@asynccontextmanager
async def planned_claims(pool: Pool) -> AsyncIterator[Connection]:
    """Open a connection with room for planned claims, which end with the block.

    Raises StorageError.
    """
    with storage_errors():  # noqa: PLR1702 - resources
        async with pool.acquire() as connection:
            # One transaction from the first claim to the last question. A temporary
            # table lives in a session, and behind a pooler in transaction mode only a
            # transaction keeps its session. The rollback drops the table, so nothing is
            # left in a session that serves others afterwards.
            planned = connection.transaction(isolation="read_committed")
            await planned.start()
            try:
                await connection.execute(
                    f"{statements('connect')['search_path']}; {_SQL['stay']}"
                )
                with storage_errors(right=PLANS):
                    for statement in _MAKE_TABLES:
                        await connection.execute(_SQL[statement])
                yield connection
            finally:
                await planned.rollback()
