"""Each of the real nights is taken back: every vendor is as it was the night before.

As far as the vendor can express it, which its declared capabilities say, and but for
values of which nobody knows what was there before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncengine import app, vendors
from syncengine.app.run_request import undo_request
from syncengine.model.capabilities import matches
from syncengine.model.reports import RunReport
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from tests.support.any_vendor_nights import Congress, congress, vendor_contacts
from tests.support.demo_project import World
from tests.support.real_nights import NIGHTS, night_file

_BRAKES = frozenset({"removals", "nulls", "tags", "lists", "rewrites"})
Contacts = Mapping[str, Mapping[str, Any]]


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(vendors.names()))
async def test_each_night_is_taken_back(
    vendor: str, database: str, tmp_path: Path
) -> None:
    async with congress(database, tmp_path / "config", vendor) as (here, members):
        before: Contacts = {}
        nights = 0
        for night in NIGHTS:
            await load_contacts(database, _rows_of(night))
            report = await _run(here)
            forward = await vendor_contacts(here, vendor)
            if before and report.actions:
                nights += 1
                target = forward
                sent = await _sent(here, report)
                undone = await _undo(here, report, created="delete")
                after = await vendor_contacts(here, vendor)
                assert before.keys() - after.keys() == sent.deleted
                if members.capabilities.delete:
                    assert not sent.created & after.keys()
                assert list(_differences(members, before, after, sent)) == []
            before = await vendor_contacts(here, vendor)
        assert nights > 1, "nothing happened in these nights"
        assert (await _run(here, backfill=True)).requests == 0
        assert await vendor_contacts(here, vendor) == before
        if undone.actions:
            # What an undo took back is put back by another one.
            taken_back = await _sent(here, undone)
            await _undo(here, undone)
            again = await vendor_contacts(here, vendor)
            assert list(_differences(members, target, again, taken_back)) == []
            assert (await _run(here, backfill=True)).requests == 0


def _rows_of(night: str) -> list[list[str | None]]:
    """Return an eighth of the rows that the other nights are played with."""
    rows = read_rows(night_file(night))[1]
    return [row for row in rows if md5(str(row[0]).encode()).hexdigest() < "04"]  # noqa: S324


async def _run(here: World, **options: object) -> RunReport:
    (report,) = (await here.run(accept=_BRAKES, **options)).values()
    assert (report.status, report.error) == ("done", None)
    return report


async def _undo(here: World, report: RunReport, created: str = "keep") -> RunReport:
    assert report.run_id is not None
    request = undo_request(
        report.run_id, contacts=(), fields=(), created=created, accept=_BRAKES
    )
    (undone,) = await app.run(here.config, (), request)
    assert (undone.status, undone.error) == ("done", None)
    return undone


@dataclass
class _Sent:
    """What a run is known to have done."""

    created: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    blind: set[tuple[str, str]] = field(default_factory=set)
    """Contacts with fields that had nobody knows what before."""


async def _sent(here: World, report: RunReport) -> _Sent:
    async with here.database() as connection:
        rows = await connection.fetch(
            "SELECT contact_id, effect, fields FROM syncengine.changes "
            "WHERE run_id = $1",
            report.run_id,
        )
    sent = _Sent()
    for row in rows:
        contact_id = row["contact_id"]
        if row["effect"] == "created":
            sent.created.add(contact_id)
        if row["effect"] == "deleted":
            sent.deleted.add(contact_id)
        for name, value in orjson.loads(row["fields"]).items():
            if "old" not in value:
                sent.blind.add((contact_id, name))
    return sent


def _differences(
    members: Congress, before: Contacts, after: Contacts, sent: _Sent
) -> Iterator[str]:
    """Yield where contacts that are there on both sides are not the same."""
    for contact_id in sorted(before.keys() & after.keys()):
        was, now = before[contact_id], after[contact_id]
        for name in sorted({*was["fields"], *now["fields"]}):
            old, new = was["fields"].get(name), now["fields"].get(name)
            is_same = old == new or (not old and not new)
            is_blind = (contact_id, name) in sent.blind
            if not is_same and not is_blind and not _is_stuck(members, name, old):
                yield f"{contact_id}: {name} is {new!r}, and was {old!r}"
        lost, more = set(was["tags"]) - {*now["tags"]}, {*now["tags"]} - {*was["tags"]}
        # A tag of which nobody knows whether it was there before stays.
        more = {tag for tag in more if (contact_id, f"tags.{tag}") not in sent.blind}
        if lost or (more and members.removes_tags):
            yield f"{contact_id}: tags {sorted(lost)} are missing, {sorted(more)} new"


def _is_stuck(members: Congress, name: str, old: object) -> bool:
    """Return whether the vendor can neither set nor clear the field as it was."""
    if matches(name, members.capabilities.accumulates):
        return True
    patterns = members.later.fields
    if old in (None, ""):
        patterns = members.later.clears
    return not matches(name, patterns)
