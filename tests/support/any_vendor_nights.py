"""Real contacts for any vendor there is: a mapping found out from its capabilities, and what it must hold each night.

The oracle goes by the declared capabilities alone; how a plan comes about it does not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
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
from syncengine.testing.subjects import Subject, secrets
from tests.support.demo_project import World
from tests.support.real_nights import e164, rows_of, tags_of
from tests.support.vendors.subjects import derived_settings, subject

Row = dict[str, str | None]
COLUMNS = tuple(next(iter(rows_of("2025-06-01").values())))
SOURCE = """
SELECT c.*, NULL::text AS nothing, lower(id) || '@congress.example' AS own_email,
       '+1415' || lpad((('x' || substr(md5(id), 1, 6))::bit(24)::integer % 10000000)::text, 7, '2') AS own_phone
FROM crm.contacts AS c WHERE substr(md5(id), 1, 1) < '2'
"""
"""An eighth of the people, each with a phone and an e-mail that nobody ever shared or inherited."""


def people_of(night: str) -> dict[str, Row]:
    """What the source has in a night, by id."""
    return {
        each: _whole(row) for each, row in rows_of(night).items() if _digest(each) < "2"
    }


def _whole(row: Row) -> Row:
    number = int(_digest(str(row["id"]))[:6], 16) % 10_000_000
    own = {
        "own_email": f"{str(row['id']).lower()}@congress.example",
        "own_phone": f"+1415{number:2>7}",
    }
    return {**row, **own, "nothing": None}


def _digest(contact_id: str) -> str:
    return md5(contact_id.encode()).hexdigest()  # noqa: S324 - as the source's query has it


@dataclass(frozen=True)
class Congress:
    """A vendor as a destination for the members of Congress."""

    subject: Subject
    prefix: str = ""
    """Of its tags."""

    @property
    def name(self) -> str:
        return self.subject.module.name

    @property
    def can(self) -> Capabilities:
        return self.subject.vendor.capabilities

    @property
    def later(self) -> Write:
        """The write that changes a contact."""
        write = self.can.update or self.can.upsert
        assert write is not None
        return write

    @property
    def removes_tags(self) -> bool:
        return self.can.remove_tags is not None or self.later.remove_tags != 0

    @cached_property
    def key(self) -> str | None:
        """The field contacts are matched by; None where the vendor's only identity is the contact id."""
        return None if self.can.identity else self.can.find_by[0].replace("*", "crm_id")

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Vendor fields and where they come from, as in a destination's file."""
        can = self.can
        firsts = [write for write in (can.create, can.upsert) if write]
        needed = {
            name for write in firsts for name in (*write.must_carry, *write.keyed_by)
        } - {can.identity}
        found = {
            name: self._source(name)
            for name in sorted(needed | ({self.key} if self.key else set()))
        }
        for pattern in can.accumulates:
            if "phone" in pattern:
                found[pattern.replace("*", "main")] = {
                    "from": "phone",
                    "as": "e164",
                    "region": "US",
                }
        exact = {_plain(name): name for name in self.later.fields if "*" not in name}
        free = next(
            (
                name
                for name in self.later.fields
                if "*" in name and name not in can.accumulates
            ),
            None,
        )
        for column in COLUMNS:
            name = exact.get(_plain(column)) or (free and free.replace("*", column))
            if name and name not in found and column not in ("id", "tags"):
                found[name] = column
        return found

    def _source(self, name: str) -> Any:
        """Where a field comes from that the vendor insists on, or by which it knows contacts."""
        for part, column in {
            "phone": "own_phone",
            "mail": "own_email",
            "crm_id": "id",
            "name": "last_name",
        }.items():
            if part in name.lower():
                return column
        return {"from": "nothing", "default": self.subject.fields(1)[name]}

    @cached_property
    def takes_tags(self) -> bool:
        writes = (self.can.create, self.can.upsert)
        return self.can.add_tags is not None or any(
            write.add_tags != 0 for write in writes if write
        )

    def wanted(self, row: Row) -> dict[str, Any]:
        """The mapped values of a row."""
        return {name: _value(row, source) for name, source in self.fields.items()}

    def destination(self, url: str) -> dict[str, Any]:
        """Its file."""
        module = self.subject.module
        return {
            "vendor": self.name,
            "settings": {
                **derived_settings(module),
                **_from_environment(module),
                "base_url": url,
                "settles_within": 0.2,
            },
            "limits": [],
            "on_null": "clear",
            "on_removed": "delete" if self.can.delete else "untag",
            "fields": self.fields,
            **({"match_on": [self.key]} if self.key else {}),
            **(
                {"tags": {"from": "tags", "prefix": self.prefix}}
                if self.takes_tags
                else {}
            ),
        }


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _value(row: Row, source: Any) -> Any:
    if isinstance(source, str):
        return row[source]
    return (
        e164(row[source["from"]])
        if "as" in source
        else row[source["from"]] or source["default"]
    )


def _from_environment(module: Any) -> dict[str, str]:
    return {name: f"${{SANDBOX_{name.upper()}}}" for name in secrets(module)}


@asynccontextmanager
async def congress(
    dsn: str, folder: Path, vendor: str, prefix: str = "", **more: object
) -> AsyncIterator[tuple[World, Congress]]:
    """A vendor's empty twin, configured for the members of Congress, and with more keys."""
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
        destination = yaml.safe_dump({**here.destination(sandbox.url(vendor)), **more})
        (folder / "destinations" / f"{vendor}.yaml").write_text(
            destination, encoding="utf-8"
        )
        environ = {
            f"SANDBOX_{name.upper()}": value
            for name, value in secrets(here.subject.module).items()
        }
        yield World(load_config(file, environ), file, dsn, sandbox, environ), here


@dataclass
class Copy:
    """What the vendor must hold of one contact."""

    fields: dict[str, Any] = field(default_factory=dict)
    """Of a field that keeps every value: the list of them."""
    tags: set[str] = field(default_factory=set)


@dataclass
class Oracle:
    """What the vendor must hold, night by night."""

    here: Congress
    copies: dict[str, Copy] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def night(self, rows: Mapping[str, Row]) -> None:
        """Follow a night."""
        for each in self.present - rows.keys():
            if self.here.can.delete:
                del self.copies[each]
            elif self.here.removes_tags:
                self.copies[each].tags.clear()
        for each, row in rows.items():
            patterns = self.here.later.fields
            if each not in self.copies and (
                first := self.here.can.create or self.here.can.upsert
            ):
                patterns += (*first.fields, *first.must_carry)
            self._bring(
                self.copies.setdefault(each, Copy()),
                self.here.wanted(row),
                tags_of(row),
                patterns,
            )
        self.present = set(rows)

    def _bring(
        self,
        copy: Copy,
        wanted: Mapping[str, Any],
        tags: set[str],
        patterns: tuple[str, ...],
    ) -> None:
        for name, value in wanted.items():
            if _fits(name, self.here.can.accumulates):
                held = copy.fields.setdefault(name, [])
                held += [value] if value is not None and value not in held else []
            elif value is not None and _fits(name, patterns):
                copy.fields[name] = value
            elif value is None and _fits(name, self.here.later.clears):
                copy.fields.pop(name, None)
        if self.here.takes_tags:
            ours = {self.here.prefix + tag for tag in tags}
            copy.tags = ours | (set() if self.here.removes_tags else copy.tags)

    def differences(self, held: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Where the vendor's contacts, by contact id, are not what they must be."""
        yield from (
            f"{each} is missing" for each in sorted(self.copies.keys() - held.keys())
        )
        yield from (
            f"{each} is too many" for each in sorted(held.keys() - self.copies.keys())
        )
        for each in held.keys() & self.copies.keys():
            copy, contact = self.copies[each], held[each]
            fields = contact["fields"]
            names = [
                name
                for name in self.here.fields
                if not self._same(name, copy.fields.get(name), fields.get(name))
            ]
            if names or copy.tags != set(contact["tags"]):
                yield f"{each}: fields {names}, tags {sorted(copy.tags ^ set(contact['tags']))}"

    def _same(self, name: str, ours: Any, theirs: Any) -> bool:
        same = self.here.subject.vendor.same
        if isinstance(ours, list):
            return len(ours) == len(theirs or []) and all(
                any(same(name, one, each) for each in theirs) for one in ours
            )
        return (ours is None and theirs in (None, "", [])) or same(name, ours, theirs)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


async def held(here: World, vendor: str) -> dict[str, dict[str, Any]]:
    """The vendor's contacts by contact id; one that is nobody's goes by its own."""
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
