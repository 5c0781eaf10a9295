"""What a plan says of each contact, and what a run then sent: made to be compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from syncengine.model.plans import PlanReport
from syncengine.model.reports import RunReport
from tests.support.demo_project import World

EVERYBODY = 1_000_000
"""A sample that holds every contact."""


@dataclass(frozen=True)
class Sent:
    """Calls about one contact, with the values and tags that they change."""

    actions: tuple[str, ...]
    fields: dict[str, Any]
    tags_added: tuple[str, ...]
    tags_removed: tuple[str, ...]


def planned(plan: PlanReport) -> dict[str, Sent]:
    """Return what a plan says of each contact about which something is sent."""
    assert len(plan.sample) == plan.contacts
    return {
        contact.contact_id: Sent(
            contact.actions,
            _values(contact.fields),
            tuple(sorted(contact.tags_added)),
            tuple(sorted(contact.tags_removed)),
        )
        for contact in plan.sample
        if contact.actions
    }


async def sent(here: World, report: RunReport) -> dict[str, Sent]:
    """Return what the state says that a run sent about each contact."""
    async with here.database() as connection:
        rows = await connection.fetch(_SENT, report.run_id)
    return {row["contact_id"]: _sent(row) for row in rows}


def _sent(row: Any) -> Sent:
    actions = tuple(row["actions"])
    if actions == ("delete",):
        # The change says what the contact had; no call takes it away field by field.
        return Sent(actions, {}, (), ())
    values = _values(json.loads(row["fields"]))
    # Tags that may have been there before stand among the fields.
    uncertain = {
        name: value for name, value in values.items() if name.startswith(_TAGS)
    }
    added = {name.removeprefix(_TAGS) for name, value in uncertain.items() if value}
    removed = {
        name.removeprefix(_TAGS) for name, value in uncertain.items() if not value
    }
    return Sent(
        actions,
        {name: value for name, value in values.items() if name not in uncertain},
        tuple(sorted({*row["tags_added"], *added})),
        tuple(sorted({*row["tags_removed"], *removed})),
    )


def _values(changes: Any) -> dict[str, Any]:
    """Return the new value of each field; an empty text counts as none.

    Of a field that accumulates the change lists all values, and the call sends the last.
    """
    values: dict[str, Any] = {}
    for name, change in changes.items():
        new = change["new"]
        if isinstance(new, list) and new:
            new = new[-1]
        values[name] = None if new in ("", []) else new
    return values


_TAGS = "tags."
_SENT = """
SELECT o.contact_id, o.actions, coalesce(c.fields, '{}') AS fields,
       coalesce(c.tags_added, '{}') AS tags_added,
       coalesce(c.tags_removed, '{}') AS tags_removed
FROM syncengine.sync_outcome AS o LEFT JOIN syncengine.sync_change AS c
     USING (run_id, contact_id)
WHERE o.run_id = $1 AND cardinality(o.actions) > 0
"""
