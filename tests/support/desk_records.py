"""Records of runs as the report gets them, made up by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from syncengine.model.desk import BatchSummary
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
from syncengine.model.work import Standing

STARTED = datetime(2026, 11, 28, 1, 30, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>\u202e'
"""A name that tries to become a part of the page, and to turn its direction."""


def run_facts(status: RunStatus = RunStatus.INCOMPLETE, **changes: Any) -> RunFacts:
    """Return a run of 10,000 contacts, of which some hundred fell short."""
    contacts = {"changed": 10_000, "applied": 9_602, "rejected": 183, "deferred": 212}
    totals = {
        "contacts": {**contacts, "unsupported": 0, "suppressed": 0, "unknown": 3},
        "standing": {"dead_letter": 41, "gone": 3, "unsupported": 1204},
        "actions": {"create": 320, "update": 9_100},
        "calls": 10_001,
        "requests": 10_312,
        "throttled": 1,
    }
    limit = {"calls": 200, "per": 60.0, "method": None, "text": "200 a minute"}
    facts = RunFacts(
        run_id=412,
        destination="whatsapp_de",
        account="respond_de",
        kind="sync",
        status=status,
        started_at=STARTED,
        ended_at=STARTED + timedelta(minutes=52, seconds=13),
        read_at=STARTED + timedelta(hours=3),
        totals=totals,
        progress={"limit": limit},
        forecast={
            "calls": 10_001,
            "requests": 10_300,
            "seconds": 3100.0,
            "calls_made": 10_001,
            "requests_made": 10_312,
            "seconds_made": 3133.0,
        },
    )
    return replace(facts, **changes)


def night_record(run: RunFacts | None = None, *, minutes: int = 52) -> RunRecord:
    """Return the record of such a night, as full as a record gets."""
    names = [f"custom_properties.field_number_{number}" for number in range(40)]
    ids = tuple(str(number) for number in range(4711, 4719))
    return RunRecord(
        run=run or run_facts(),
        changes=ChangeCounts(
            contacts=9_602,
            effects={"created": 320, "updated": 9_282},
            fields=tuple(
                ChangedName(name, 9_000 // (number + 1), cleared=number % 3)
                for number, name in enumerate(names)
            ),
            tags_added=tuple(ChangedName(f"crm:{name}", 40) for name in names),
            tags_removed=(ChangedName("crm:prospect", 77),),
        ),
        minutes=tuple(_minute(number) for number in range(minutes)),
        failures=tuple(
            FailureKind(
                "rejected",
                f"http_4{code:02}",
                171,
                "PUT /contact/{id}: the vendor said no to [...]; correct the row",
                ids,
            )
            for code in range(40)
        ),
        standing=tuple(
            StandingKind(Standing.DEAD_LETTER, f"http_4{code:02}", 41, ids)
            for code in range(40)
        ),
        batches=tuple(
            BatchSummary(
                run_id=7,
                number=number,
                kind="changes",
                status="done",
                contacts=500,
                outcomes={"applied": 480, "rejected": 20},
                error=None,
            )
            for number in range(1, 51)
        ),
        batch_count=1_000,
    )


def short_record() -> RunRecord:
    """Return a record with everything in it, and little of each."""
    record = night_record()
    changes = record.changes
    return replace(
        record,
        changes=replace(
            changes, fields=changes.fields[:6], tags_added=changes.tags_added[:3]
        ),
        failures=record.failures[:3],
        standing=record.standing[:3],
        batches=record.batches[:4],
    )


def with_changed_contacts(record: RunRecord) -> RunRecord:
    """Return the record with values, as somebody asked for them."""
    changed = ChangedContact(
        contact_id="4711",
        effect="updated",
        fields=(
            ChangedValue("phone", "+4915100001", "+4915100002"),
            ChangedValue("city", None, "Köln", was_known=False),
        ),
        tags_added=("crm:vip",),
    )
    return replace(record, changed_contacts=(changed,))


def _minute(number: int) -> MinuteFacts:
    outcomes = {"applied": 150 + number % 40, "rejected": number % 7}
    if 20 < number < 26:
        outcomes = {"deferred": 40, "applied": number}
    return MinuteFacts(
        minute=STARTED + timedelta(minutes=number),
        requests=sum(outcomes.values()),
        throttled=int(number == 22),
        outcomes=outcomes,
    )
