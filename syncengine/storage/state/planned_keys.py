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
        pairs: list[tuple[str, bytes | None]] = []
        for contact_id, keys in claims.items():
            pairs += [(contact_id, key) for key in dict.fromkeys(keys)] or [
                (contact_id, None)
            ]
        ids = [contact_id for contact_id, _ in pairs]
        whose = (
            self._account,
            self._destination,
            ids,
            numbers(ids, numbered=self._numbered),
        )
        with storage_errors():
            await self._connection.execute(
                _SQL["claim"], *whose, [key for _, key in pairs]
            )

    async def release(self, destinations: Sequence[str]) -> None:
        """Let go of the keys of destinations that have no file."""
        with storage_errors():
            await self._connection.execute(
                _SQL["release"], self._account, list(destinations)
            )

    async def losers(self, contact_ids: Sequence[str]) -> Mapping[str, str]:
        with storage_errors():
            rows = await self._connection.fetch(
                _SQL["losers"], self._account, self._destination, list(contact_ids)
            )
        return {row["contact_id"]: row["winner"] for row in rows}

    async def freed(self) -> Sequence[str]:
        with storage_errors():
            rows = await self._connection.fetch(
                _SQL["dead_duplicates"], self._destination
            )
        dead = [row["contact_id"] for row in rows]
        still = await self.losers(dead) if dead else {}
        return [contact_id for contact_id in dead if contact_id not in still]

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
    with storage_errors():
        async with pool.acquire() as connection:
            undone = connection.transaction(isolation="read_committed")
            await undone.start()
            try:
                await connection.execute(
                    f"{statements('connect')['search_path']}; {_SQL['stay']}"
                )
                with storage_errors(right=PLANS):
                    for maker in (
                        "make_claims",
                        "index_by_hash",
                        "index_by_contact",
                        "make_view",
                    ):
                        await connection.execute(_SQL[maker])
                yield connection
            finally:
                await undone.rollback()
