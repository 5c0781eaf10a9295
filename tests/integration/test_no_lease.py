"""Who only reads has no lease: its stores read as a run's do, and refuse to write."""

from __future__ import annotations

import pytest

from syncengine.model.contact import Known
from syncengine.model.work import Record, Status
from syncengine.storage.connect import open_pool
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import NoLease
from syncengine.storage.state.runs import NO_RUN


@pytest.mark.asyncio
async def test_it_reads_and_does_not_write(database: str) -> None:
    async with open_pool(database, size=1) as pool:
        contacts = Contacts(NoLease(pool, "acme"), "acme", NO_RUN, numbered=False)
        assert await contacts.load(["1"]) == {}
        record = Record(
            contact_id="1",
            known=Known(external_id="x"),
            status=Status.SYNCED,
            source_hash=None,
            rejections=0,
            rejected_hash=None,
        )
        with pytest.raises(AssertionError, match="without the lease of account acme"):
            await contacts.record(0, [record])
        assert await contacts.load(["1"]) == {}
