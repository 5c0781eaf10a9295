"""Postgres distrusts the known values exactly as the pure function does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from syncengine.model.capabilities import OptOut
from syncengine.model.contact import Known, MatchKey, Pending
from syncengine.model.distrust import Distrust
from syncengine.model.work import Record, RunKind, Status
from syncengine.planning.distrust import distrusted_state
from syncengine.storage.connect import open_pool
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.destinations import Identity
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.lease import Leases
from syncengine.storage.state.resync import distrust_all, distrust_contacts
from syncengine.storage.state.runs import start_run

DISTRUST = Distrust(
    fixed=("phone",),
    kept=("emails",),
    emptied=("name", "city", "emails"),
    opt_outs=(OptOut("silent", True), OptOut("news", "No")),
)
KEY = MatchKey("phone", "+49")
FIELDS = {
    "phone": "+49",
    "name": "Ann",
    "emails": ["a@x.de"],
    "silent": True,
    "news": "yes",
    "odd": {"a": [1.5, None]},
}
UNDER_WAY = Pending(
    creates=True,
    keys=(KEY,),
    fields={"name": "Bea", "city": None},
    add_tags=frozenset({"b", "c"}),
    remove_tags=frozenset({"d"}),
)
KNOWN: Mapping[str, tuple[Known, Status]] = {
    "bare": (Known("x1"), Status.SYNCED),
    "full": (
        Known("x2", KEY, FIELDS, frozenset({"a", "ü"}), frozenset({"f"})),
        Status.SYNCED,
    ),
    "says no": (
        Known("x3", KEY, {**FIELDS, "silent": False, "news": "NO"}),
        Status.REJECTED,
    ),
    "under way": (
        Known("x4", KEY, FIELDS, frozenset({"a"}), pending=UNDER_WAY),
        Status.PENDING,
    ),
    "being merged": (
        Known("x7", KEY, pending=Pending(fields=FIELDS, merged_with="x8")),
        Status.PENDING,
    ),
    "dead": (Known("x5", KEY, FIELDS), Status.DEAD),
    "removed": (Known("x6", KEY, FIELDS, frozenset({"a"})), Status.REMOVED),
    "not there": (Known(None, KEY, {}, pending=UNDER_WAY), Status.PENDING),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("named", [False, True])
async def test_the_statements_distrust_the_same_as_the_pure_function(
    database: str, *, twice: bool, named: bool
) -> None:
    """It is applied once or twice, since a re-sync that was killed begins again."""
    async with open_pool(database) as pool:
        grant = await Leases(pool).acquire("acme", ttl=3600.0, settles_within=0.0)
        fence = Fence(pool, "acme", grant.epoch)
        identity = Identity(
            "acme", "respond_io", "https://example.org", {}, "contacts by id"
        )
        run_id = await start_run(fence, "crm", identity, RunKind.RESYNC)
        contacts = Contacts(fence, "crm", run_id, numbered=False)
        await contacts.record(
            1,
            [
                Record(
                    contact_id,
                    known,
                    status,
                    source_hash=7,
                    rejections=3,
                    rejected_hash=7,
                )
                for contact_id, (known, status) in KNOWN.items()
            ],
        )
        before = await contacts.load(list(KNOWN))
        expected = {
            each: distrusted_state(state, DISTRUST) for each, state in before.items()
        }
        for _ in range(1 + twice):
            if named:
                await distrust_contacts(fence, "crm", list(KNOWN), DISTRUST)
            else:
                await distrust_all(fence, "crm", DISTRUST)
        after = await contacts.load(list(KNOWN))
        assert after == expected
        due = await pool.fetchrow(
            "SELECT resync, looks_first FROM syncengine.sync_destination"
        )
        assert due is not None
        assert tuple(due) == (False, not named)
