"""The database is away for a moment, before a commit or after it.

It costs the run nothing, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from syncengine.errors import StorageError
from syncengine.model.work import Batch, BatchKind, RunKind
from syncengine.storage.connect import Connection
from syncengine.storage.patience import DatabasePatience
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.destinations import Identity
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.lease import Leases
from syncengine.storage.state.runs import start_run
from tests.support.stores import ACCOUNT, HOLDS, InPostgres, in_postgres


def _away() -> StorageError:
    error = StorageError("the connection was closed")
    error.may_pass = True
    return error


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "committed", [False, True], ids=["before it commits", "once it has committed"]
)
async def test_a_batch_is_added_once(
    database: str, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    async with in_postgres(database) as backend:
        assert isinstance(backend, InPostgres)
        grant = await Leases(backend.pool).acquire(
            ACCOUNT, ttl=HOLDS, settles_within=0.0
        )
        fence = Fence(backend.pool, ACCOUNT, grant.epoch, DatabasePatience(60.0))
        identity = Identity(
            ACCOUNT, "respond_io", "https://example.org", {}, "crm.contacts by id"
        )
        run_id = await start_run(fence, "whatsapp", identity, RunKind.SYNC)
        batches, writing, writes = Batches(fence, run_id), Fence.writing, 0
        await batches.add(BatchKind.CHANGES, ["1", "2"])

        @asynccontextmanager
        async def loses_one(
            self: Fence, *, sending: bool = False
        ) -> AsyncIterator[Connection]:
            nonlocal writes
            writes += 1
            lost = writes == 1
            if lost and not committed:
                raise _away()
            async with writing(self, sending=sending) as connection:
                yield connection
            if lost:
                raise _away()

        monkeypatch.setattr(Fence, "writing", loses_one)
        await batches.add(BatchKind.CHANGES, ["3"])
        await batches.add(BatchKind.CHANGES, ["4"])
        assert writes == 3, "one was lost, and came again"
        assert [batch async for batch in batches.waiting()] == [
            Batch(1, BatchKind.CHANGES, ("1", "2")),
            Batch(2, BatchKind.CHANGES, ("3",)),
            Batch(3, BatchKind.CHANGES, ("4",)),
        ]
