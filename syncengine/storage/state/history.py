"""History of one contact: what every run did to it, and the changes of its fields.

Each run is looked up for it, the newest first, a page of runs at a time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import orjson

from syncengine.model.change import named_parts
from syncengine.model.desk import ContactEvent, RecordedChange
from syncengine.model.unsupported import in_words
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.statements import statements

_SQL = statements("history")
PAGE = 300
"""Runs that are asked at a time."""
_MOST_CHANGES = 500
"""Changes of a contact in which its fields are looked for."""


@dataclass(frozen=True, slots=True)
class StandingNow:
    """State of a contact at a destination right now."""

    status: str
    code: str
    standing: str | None
    rejections: int
    since_run_id: int | None
    """The run since which it is not in step."""
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class DatedChange:
    """A change of a contact, with its run."""

    run_id: int
    at: datetime
    change: RecordedChange


async def history_page(
    pool: Pool,
    contact_id: str,
    destinations: Sequence[str] | None,
    *,
    before: int | None = None,
    most: int = PAGE,
) -> tuple[list[ContactEvent], int | None]:
    """Return what the runs of a page did to a contact, and where the next one begins.

    The newest run comes first. The page may be empty although there are more; the
    second value is None behind the last one.
    """
    async with read_state(pool) as connection:
        if destinations is None:
            rows = await connection.fetch(_SQL["of_contact"], contact_id, before, most)
        else:
            rows = await connection.fetch(
                _SQL["of_contact_at"], contact_id, before, most, list(destinations)
            )
    events = [_event(row) for row in rows if row["outcome"] or row["effect"]]
    # By the rows that were read, not by the events: some rows are none.
    is_last = len(rows) < most
    return events, None if is_last else rows[-1]["run_id"]


async def whole_history(
    pool: Pool, contact_id: str, destinations: Sequence[str] | None
) -> AsyncGenerator[list[ContactEvent], None]:
    """Yield what every run did to a contact, page by page."""
    before: int | None = None
    while True:
        events, before = await history_page(
            pool, contact_id, destinations, before=before
        )
        yield events
        if before is None:
            return


async def last_event(
    pool: Pool, contact_id: str, destination: str
) -> ContactEvent | None:
    """Return what the newest run that touched a contact did to it."""
    before: int | None = None
    while True:
        events, before = await history_page(
            pool, contact_id, [destination], before=before
        )
        if events:
            return events[0]
        if before is None:
            return None


async def latest_changes(
    pool: Pool, contact_id: str, destination: str
) -> list[DatedChange]:
    """Return the newest changes of a contact at a destination, the newest first."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["changes"], contact_id, destination, _MOST_CHANGES
        )
    return [DatedChange(row["run_id"], row["at"], _change(row)) for row in rows]


async def where_known(pool: Pool, contact_id: str) -> list[str]:
    """Return the destinations whose state knows the contact."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["where_known"], contact_id)
    return [row["destination"] for row in rows]


async def standing_now(
    pool: Pool, destination: str, contact_id: str
) -> StandingNow | None:
    """Return how a contact stands; None where the state does not know it."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["standing"], destination, contact_id)
    if row is None:
        return None
    return StandingNow(
        status=row["status"],
        code=row["code"] or "",
        standing=row["standing"],
        rejections=row["rejections"],
        since_run_id=row["failing_since"],
        synced_at=row["synced_at"],
    )


def _event(row: asyncpg.Record) -> ContactEvent:
    # An outcome that is only ``unsupported`` has no message of the vendor.
    message = row["message"] or in_words(unsupported_from(row["unsupported"]))
    return ContactEvent(
        run_id=row["run_id"],
        destination=row["destination"],
        kind=row["kind"],
        at=row["at"],
        outcome=row["outcome"] or "",
        code=row["code"] or "",
        message=message,
        http_status=row["http_status"],
        requests=row["requests"],
        actions=tuple(row["actions"] or ()),
        change=_change(row) if row["effect"] else None,
    )


def _change(row: asyncpg.Record) -> RecordedChange:
    parts = named_parts(
        orjson.loads(row["fields"]), row["tags_added"], row["tags_removed"]
    )
    return RecordedChange(
        effect=row["effect"],
        fields=parts.fields,
        tags_added=parts.tags_added,
        tags_removed=parts.tags_removed,
    )
