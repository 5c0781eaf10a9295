"""Real contacts for any vendor there is.

The mapping is worked out from a vendor's capabilities, and so is what the vendor must
hold each night. The oracle goes by the declared capabilities alone: how a plan comes
about it does not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import md5
from pathlib import Path
from typing import Any

import yaml

from syncengine.config.loading import load_config
from syncengine.model.capabilities import Capabilities, Write
from syncengine.sandbox.server import serve
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets
from tests.support.demo_project import World
from tests.support.real_nights import e164, rows_of, tags_of
from tests.support.vendors.subjects import derived_settings, subject

Row = dict[str, str | None]
COLUMNS = tuple(next(iter(rows_of("2025-06-01").values())))
SOURCE = """
SELECT c.*, NULL::text AS nothing, lower(id) || '@congress.example' AS own_email,
       '+1415' || lpad(
           (('x' || substr(md5(id), 1, 6))::bit(24)::integer % 10000000)::text, 7, '2'
       ) AS own_phone
FROM crm.contacts AS c WHERE substr(md5(id), 1, 1) < '2'
"""
"""An eighth of the people, with phones and e-mails that nobody ever shared."""


def people_of(night: str) -> dict[str, Row]:
    """Return the rows of the source in a night, by id."""
    return {
        contact_id: _whole(row)
        for contact_id, row in rows_of(night).items()
        if _digest(contact_id) < "2"
    }


def _whole(row: Row) -> Row:
    """Return a row with the columns that the source's query adds."""
    number = int(_digest(str(row["id"]))[:6], 16) % 10_000_000
    own = {
        "own_email": f"{str(row['id']).lower()}@congress.example",
        "own_phone": f"+1415{number:2>7}",
    }
    return {**row, **own, "nothing": None}


def _digest(contact_id: str) -> str:
    # As the source's query has it.
    return md5(contact_id.encode()).hexdigest()  # noqa: S324


@dataclass(frozen=True)
class Congress:
    """A vendor as a destination for the members of Congress."""

    subject: VendorUnderTest
    prefix: str = ""
    """The prefix of its tags."""

    @property
    def name(self) -> str:
        return self.subject.spec.name

    @property
    def capabilities(self) -> Capabilities:
        return self.subject.vendor.capabilities

    @property
    def later(self) -> Write:
        """The write that changes a contact."""
        write = self.capabilities.update or self.capabilities.upsert
        assert write is not None
        return write

    @property
    def removes_tags(self) -> bool:
        can_call = self.capabilities.remove_tags is not None
        return can_call or self.later.remove_tags != 0

    @cached_property
    def key(self) -> str | None:
        """The field that contacts are matched by.

        None where the vendor knows contacts by our contact id alone.
        """
        if self.capabilities.identity:
            return None
        return self.capabilities.find_by[0].replace("*", "crm_id")

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Vendor fields and where they come from, as in a destination's file."""
        found = {name: self._source(name) for name in sorted(self._needed)}
        accumulates = self.capabilities.accumulates
        for pattern in accumulates:
            if "phone" in pattern:
                phone = {"from": "phone", "as": "e164", "region": "US"}
                found[pattern.replace("*", "main")] = phone
        for column in COLUMNS:
            name = self._field_of(column)
            if name and name not in found and column not in ("id", "tags"):
                found[name] = column
        return found

    def _field_of(self, column: str) -> str | None:
        """Return the field of a column's name, else a custom field, if there are any."""
        custom: list[str] = []
        for name in self.later.fields:
            if "*" not in name:
                if _plain(name) == _plain(column):
                    return name
            elif name not in self.capabilities.accumulates:
                custom.append(name)
        return custom[0].replace("*", column) if custom else None

    @property
    def _needed(self) -> set[str]:
        """The fields without which the vendor makes no contact, and the match key."""
        needed = {self.key} if self.key else set()
        for write in (self.capabilities.create, self.capabilities.upsert):
            if write:
                needed.update(write.must_carry, write.keyed_by)
        return needed - {self.capabilities.identity}

    def _source(self, name: str) -> Any:
        """Return where a field comes from that the vendor needs or matches by."""
        columns = {
            "phone": "own_phone",
            "mail": "own_email",
            "crm_id": "id",
            "name": "last_name",
        }
        for part, column in columns.items():
            if part in name.lower():
                return column
        return {"from": "nothing", "default": self.subject.fields(1)[name]}

    @cached_property
    def takes_tags(self) -> bool:
        writes = (self.capabilities.create, self.capabilities.upsert)
        return self.capabilities.add_tags is not None or any(
            write.add_tags != 0 for write in writes if write
        )

    def wanted(self, row: Row) -> dict[str, Any]:
        """Return the mapped values of a row."""
        return {name: _value(row, source) for name, source in self.fields.items()}

    def destination(self, url: str) -> dict[str, Any]:
        """Return the content of its file."""
        module = self.subject.spec
        content: dict[str, Any] = {
            "vendor": self.name,
            "settings": {
                **derived_settings(module),
                **_from_environment(module),
                "base_url": url,
                "settles_within": 0.2,
            },
            "limits": [],
            "on_null": "clear",
            "on_removed": "delete" if self.capabilities.delete else "untag",
            "fields": self.fields,
        }
        if self.key:
            content["match_on"] = [self.key]
        if self.takes_tags:
            content["tags"] = {"from": "tags", "prefix": self.prefix}
        return content


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _value(row: Row, source: Any) -> Any:
    if isinstance(source, str):
        return row[source]
    value = row[source["from"]]
    if "as" in source:
        return e164(value)
    return value or source["default"]


def _from_environment(module: Any) -> dict[str, str]:
    return {name: f"${{SANDBOX_{name.upper()}}}" for name in secrets(module)}


@asynccontextmanager
async def congress(
    dsn: str,
    folder: Path,
    vendor: str,
    prefix: str = "",
    batch_size: int | None = None,
    **more: object,
) -> AsyncIterator[tuple[World, Congress]]:
    """Serve a vendor's empty twin, configured for the members of Congress.

    So many contacts share a request, at most, where the vendor lets that be chosen.
    ``more`` are further keys of the destination's file; None leaves one out.
    """
    here = Congress(subject(vendor), prefix)
    async with serve([vendor]) as sandbox:
        twin = sandbox.twin(vendor)
        if hasattr(twin.switches, "erasure_delay"):
            twin.configure({"erasure_delay": 0.0})
        (folder / "destinations").mkdir(parents=True)
        file = folder / "syncengine.yaml"
        source = {"query": SOURCE, "key": "id"}
        file.write_text(
            yaml.safe_dump({"database": dsn, "source": source}), encoding="utf-8"
        )
        keys = {**here.destination(sandbox.url(vendor)), **more}
        if batch_size and "batch_size" in here.subject.spec.settings.model_fields:
            keys["settings"] = {**keys["settings"], "batch_size": batch_size}
        define_fields(twin, keys["fields"])
        destination = yaml.safe_dump(
            {key: value for key, value in keys.items() if value is not None}
        )
        (folder / "destinations" / f"{vendor}.yaml").write_text(
            destination, encoding="utf-8"
        )
        environ = {
            f"SANDBOX_{name.upper()}": value
            for name, value in secrets(here.subject.spec).items()
        }
        yield World(load_config(file, environ), file, dsn, sandbox, environ), here


def define_fields(twin: Any, fields: Iterable[str]) -> None:
    """Define fields at a vendor that takes only what its account has."""
    known = getattr(twin.store, "properties", None)
    if known is not None:
        for name in set(fields) - set(known):
            twin.screen(0.0).define("field", name)


@dataclass
class Copy:
    """The expected content of one contact at the vendor."""

    fields: dict[str, Any] = field(default_factory=dict)
    """Values by field; of a field that keeps every value, the list of them."""
    tags: set[str] = field(default_factory=set)


@dataclass
class Oracle:
    """The expected contents of the vendor, night by night."""

    here: Congress
    copies: dict[str, Copy] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def night(self, rows: Mapping[str, Row]) -> None:
        """Follow a night."""
        for contact_id in self.present - rows.keys():
            if self.here.capabilities.delete:
                del self.copies[contact_id]
            elif self.here.removes_tags:
                self.copies[contact_id].tags.clear()
        for contact_id, row in rows.items():
            patterns = self.here.later.fields
            if contact_id not in self.copies:
                patterns += self._only_at_first()
            copy = self.copies.setdefault(contact_id, Copy())
            self._bring(copy, self.here.wanted(row), tags_of(row), patterns)
        self.present = set(rows)

    def _only_at_first(self) -> tuple[str, ...]:
        """Return the fields that the write which makes a contact may carry."""
        first = self.here.capabilities.create or self.here.capabilities.upsert
        if first is None:
            return ()
        return (*first.fields, *first.must_carry)

    def _bring(
        self,
        copy: Copy,
        wanted: Mapping[str, Any],
        tags: set[str],
        patterns: tuple[str, ...],
    ) -> None:
        """Bring one copy in step. ``patterns`` are the fields that can be written."""
        for name, value in wanted.items():
            if _fits(name, self.here.capabilities.accumulates):
                values = copy.fields.setdefault(name, [])
                if value is not None and value not in values:
                    values.append(value)
            elif value is None:
                if _fits(name, self.here.later.clears):
                    copy.fields.pop(name, None)
            elif _fits(name, patterns):
                copy.fields[name] = value
        if self.here.takes_tags:
            ours = {self.here.prefix + tag for tag in tags}
            copy.tags = ours if self.here.removes_tags else ours | copy.tags

    def differences(self, found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield where the vendor's contacts, by contact id, are not as expected."""
        for contact_id in sorted(self.copies.keys() - found.keys()):
            yield f"{contact_id} is missing"
        for contact_id in sorted(found.keys() - self.copies.keys()):
            yield f"{contact_id} is too many"
        for contact_id in found.keys() & self.copies.keys():
            copy, contact = self.copies[contact_id], found[contact_id]
            names = [
                name
                for name in self.here.fields
                if not self._is_same(
                    name, copy.fields.get(name), contact["fields"].get(name)
                )
            ]
            tags = copy.tags ^ set(contact["tags"])
            if names or tags:
                yield f"{contact_id}: fields {names}, tags {sorted(tags)}"

    def _is_same(self, name: str, ours: Any, theirs: Any) -> bool:
        same = self.here.subject.vendor.same
        if isinstance(ours, list):
            if len(ours) != len(theirs or []):
                return False
            return all(any(same(name, one, each) for each in theirs) for one in ours)
        if ours is None and theirs in (None, "", []):
            return True
        return bool(same(name, ours, theirs))


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


async def vendor_contacts(here: World, vendor: str) -> dict[str, dict[str, Any]]:
    """Return the vendor's contacts by contact id; others by their external id."""
    async with here.database() as connection:
        rows = await connection.fetch(
            "SELECT contact_id, external_id FROM syncengine.external_ids"
        )
    owners = {row["external_id"]: row["contact_id"] for row in rows}
    assert len(owners) == len(rows), "two contacts own one copy"
    return {
        owners.get(str(contact["id"]), str(contact["id"])): contact
        for contact in here.sandbox.contacts(vendor)
    }
