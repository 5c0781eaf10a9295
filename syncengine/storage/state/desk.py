"""Reads what the pages of ``serve`` and the metrics show.

A page may be opened at any time by anybody, so no statement reads more than a thousand
rows, however large the state is: each takes a page of an index. Where that does not
reach far enough, the page says so (``ChangeCounts.is_complete``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import asyncpg
import orjson

from syncengine.model.desk_pages import (
    AlertFacts,
    ContactAtDestination,
    DestinationFacts,
)
from syncengine.model.http import Json
from syncengine.model.reports import standing_from
from syncengine.model.run_record import (
    ChangeCounts,
    ChangedName,
    MinuteFacts,
    RunFacts,
)
from syncengine.model.work import Standing
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.report import (
    MOST_NAMES,
    json_object,
    minute_facts,
    run_facts,
)
from syncengine.storage.state.standing import standing_in
from syncengine.storage.statements import statements

_SQL = statements("desk")
_RUN = statements("report")["run"]

DESTINATIONS = 30
"""Destinations that are read at a time."""
NEWEST_RUNS = 20
"""Runs among which a destination's last success is looked for."""
MOST_COUNTED = 900
"""Changes of a run that are counted."""
MOST_DESTINATIONS = 400
"""Destinations at which a contact is looked for."""
MOST_MINUTES = 240
"""Minutes of a run that are shown: its newest ones."""
MOST_ALERTS = 500
"""Alerts that are read at a time."""


async def destinations_page(
    pool: Pool, after: str | None, most: int = DESTINATIONS
) -> list[DestinationFacts]:
    """Return destinations by name, those behind ``after``."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["destinations"], after, most, NEWEST_RUNS)
    return [_destination(row) for row in rows]


async def run_of(pool: Pool, run_id: int) -> RunFacts | None:
    """Return one run; None where there is none of this number."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_RUN, run_id)
    return None if row is None else run_facts(row)


async def newest_minutes(pool: Pool, run_id: int) -> list[MinuteFacts]:
    """Return the last minutes of a run, in their order."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["minutes"], run_id, MOST_MINUTES)
    # The index is read from its end, so that the newest ones come first.
    return [minute_facts(row) for row in reversed(rows)]


async def first_changes(pool: Pool, run_id: int) -> ChangeCounts:
    """Count what the first changes of a run were about; no values."""
    async with read_state(pool) as connection:
        # Only the first ones: a page reads a bounded number of rows, however large the
        # run.
        rows = await connection.fetch(_SQL["changes"], run_id, MOST_COUNTED)
    by_kind: dict[str, Counter[str]] = {}
    cleared: Counter[str] = Counter()
    for row in rows:
        # A tag may come twice: known not to be there before, and not known.
        by_kind.setdefault(row["kind"], Counter())[row["name"]] += row["contacts"]
        if row["kind"] == "field":
            cleared[row["name"]] = row["cleared"]
    effects = by_kind.get("effect", Counter())
    contacts = sum(effects.values())

    def named(kind: str) -> tuple[ChangedName, ...]:
        frequent = by_kind.get(kind, Counter()).most_common(MOST_NAMES)
        if kind != "field":
            # A tag is there or not: none is ever cleared.
            return tuple(ChangedName(name, number) for name, number in frequent)
        return tuple(
            ChangedName(name, number, cleared[name]) for name, number in frequent
        )

    return ChangeCounts(
        contacts=contacts,
        effects=effects,
        fields=named("field"),
        tags_added=named("tag_added"),
        tags_removed=named("tag_removed"),
        is_complete=contacts < MOST_COUNTED,
    )


async def contact_everywhere(
    pool: Pool, contact_id: str, *, with_values: bool
) -> list[ContactAtDestination]:
    """Return how a contact stands at each destination that knows it."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["contact"], contact_id, MOST_DESTINATIONS, with_values
        )
    return [_contact(row) for row in rows]


async def all_alerts(pool: Pool) -> list[AlertFacts]:
    """Return the states of all alerts, read page by page."""
    found: list[AlertFacts] = []
    last: tuple[str | None, str | None] = (None, None)
    while True:
        async with read_state(pool) as connection:
            rows = await connection.fetch(_SQL["alerts"], *last, MOST_ALERTS)
        found += [AlertFacts(*row) for row in rows]
        if len(rows) < MOST_ALERTS:
            return found
        last = (rows[-1]["destination"], rows[-1]["concern"])


async def require_answer(pool: Pool) -> None:
    """Ask the state for anything. Raises StorageError where it does not answer."""
    async with read_state(pool) as connection:
        await connection.fetchval(_SQL["answers"])


def _destination(row: asyncpg.Record) -> DestinationFacts:
    counted: Mapping[str, Json] | None = json_object(row["standing"])
    standing: dict[Standing, int] | None = None
    if counted is not None:
        standing = standing_from(counted)
    return DestinationFacts(
        destination=row["name"],
        account=row["at_account"],
        vendor=row["vendor"],
        last_run=None if row["run_id"] is None else run_facts(row),
        succeeded_at=row["succeeded_at"],
        standing=standing,
        counted_in=row["counted_in"],
        holder=row["account_holder"],
    )


def _contact(row: asyncpg.Record) -> ContactAtDestination:
    tags: Sequence[str] = orjson.loads(row["tags"] or "[]")
    return ContactAtDestination(
        destination=row["destination"],
        status=row["status"],
        external_id=row["external_id"],
        code=row["code"] or "",
        standing=standing_in(row),
        rejections=row["rejections"],
        since_run_id=row["failing_since"],
        synced_at=row["synced_at"],
        is_unsettled=bool(row["unsettled"]),
        held_back=tuple(row["names"] or ()),
        undone_run=row["undone"],
        fields=json_object(row["fields"]) or {},
        tags=tuple(tags),
    )
