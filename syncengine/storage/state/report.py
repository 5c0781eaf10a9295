"""Facts for the report of one run, read from the state.

Unlike the pages of ``serve`` (``state.desk``) it counts all that the run did,
however much that is: a report is written once, and read often.
"""

from __future__ import annotations

import asyncpg
import orjson

from syncengine.model.change import named_parts
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus
from syncengine.model.run_record import (
    ChangeCounts,
    ChangedContact,
    ChangedName,
    ChangedValue,
    FailureKind,
    MinuteFacts,
    RunFacts,
    RunRecord,
    StandingKind,
)
from syncengine.model.unsupported import in_words
from syncengine.model.work import Standing
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.state.run_list import batch_summary
from syncengine.storage.statements import statements

_SQL = statements("report")

MOST_NAMES = 40
"""Fields, and tags, of which the changes are listed."""
MOST_KINDS = 40
"""Kinds of failures, and of standing contacts."""
MOST_IDS = 8
"""Contacts that are named of each kind."""
MOST_BATCHES = 50
"""Batches that are listed; all are counted."""
MOST_CHANGED = 200
"""Contacts whose changes are listed with their values."""


async def read_record(
    pool: Pool, run_id: int, *, with_values: bool
) -> RunRecord | None:
    """Return a run with all that its report shows; None where there is no such run.

    Values of contacts are read only where they are asked for. Raises StorageError.
    """
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["run"], run_id)
        if row is None:
            return None
        run = run_facts(row)
        changed: list[asyncpg.Record] = []
        if with_values:
            changed = await connection.fetch(
                _SQL["changed_contacts"], run_id, MOST_CHANGED
            )
        failures = await connection.fetch(
            _SQL["failures"], run_id, MOST_IDS, MOST_KINDS
        )
        standing = await connection.fetch(
            _SQL["standing"], run.destination, MOST_IDS, MOST_KINDS
        )
        minutes = await connection.fetch(_SQL["minutes"], run_id)
        batches = await connection.fetch(_SQL["batches"], run_id, MOST_BATCHES)
        return RunRecord(
            run=run,
            changes=await _change_counts(connection, run_id),
            minutes=tuple(minute_facts(each) for each in minutes),
            failures=tuple(_failure_kind(each) for each in failures),
            standing=tuple(_standing_kind(each) for each in standing),
            batches=tuple(batch_summary(run_id, each) for each in batches),
            batch_count=await connection.fetchval(_SQL["batch_count"], run_id),
            changed_contacts=tuple(changed_contact(each) for each in changed),
        )


async def _change_counts(connection: Connection, run_id: int) -> ChangeCounts:
    rows = await connection.fetch(_SQL["effects"], run_id)
    effects = {row["effect"]: row["contacts"] for row in rows}
    field_rows = await connection.fetch(_SQL["changed_fields"], run_id, MOST_NAMES)
    fields = [
        ChangedName(row["name"], row["contacts"], row["cleared"]) for row in field_rows
    ]
    added = await connection.fetch(_SQL["tags_added"], run_id, MOST_NAMES)
    removed = await connection.fetch(_SQL["tags_removed"], run_id, MOST_NAMES)
    return ChangeCounts(
        contacts=sum(effects.values()),
        effects=effects,
        fields=tuple(fields),
        tags_added=tuple(changed_name(row) for row in added),
        tags_removed=tuple(changed_name(row) for row in removed),
    )


def run_facts(row: asyncpg.Record) -> RunFacts:
    """Return the run of a row."""
    return RunFacts(
        run_id=row["run_id"],
        destination=row["destination"],
        account=row["account"],
        kind=row["kind"],
        status=RunStatus(row["status"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        read_at=row["read_at"],
        retry_of=row["retry_of"],
        totals=json_object(row["totals"]) or {},
        error=row["error"],
        holder=row["holder"],
        forecast=json_object(row.get("forecast")),
        progress=json_object(row["progress"]),
    )


def changed_name(row: asyncpg.Record) -> ChangedName:
    """Return the tag of a row, with the number of contacts that got or lost it."""
    return ChangedName(row["name"], row["contacts"])


def minute_facts(row: asyncpg.Record) -> MinuteFacts:
    """Return the minute of a row."""
    return MinuteFacts(
        minute=row["minute"],
        requests=row["requests"],
        throttled=row["throttled"],
        outcomes=json_object(row["outcomes"]) or {},
        codes=json_object(row["codes"]) or {},
    )


def changed_contact(row: asyncpg.Record) -> ChangedContact:
    """Return a contact with its changed values."""
    parts = named_parts(
        json_object(row["fields"]) or {}, row["tags_added"], row["tags_removed"]
    )
    return ChangedContact(
        contact_id=row["contact_id"],
        effect=row["effect"],
        fields=tuple(
            ChangedValue(name, each.get("old"), each.get("new"), "old" in each)
            for name, each in sorted(parts.fields.items())
        ),
        tags_added=parts.tags_added,
        tags_removed=parts.tags_removed,
        run_id=row["run_id"],
        at=row["at"],
    )


def _failure_kind(row: asyncpg.Record) -> FailureKind:
    return FailureKind(
        outcome=row["outcome"],
        code=row["code"],
        contacts=row["contacts"],
        # An outcome that is only unsupported has no message of the vendor.
        message=row["message"] or in_words(unsupported_from(row["unsupported"])),
        contact_ids=tuple(row["contact_ids"]),
    )


def _standing_kind(row: asyncpg.Record) -> StandingKind:
    return StandingKind(
        reason=Standing(row["standing"]),
        code=row["code"],
        contacts=row["contacts"],
        contact_ids=tuple(row["contact_ids"]),
    )


def json_object(stored: str | None) -> dict[str, Json] | None:
    """Return a stored JSON object; None where there is none."""
    if stored is None:
        return None
    value = orjson.loads(stored)
    return value if isinstance(value, dict) else None
