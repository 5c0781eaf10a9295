"""Six nights of real contacts, and what must be true after each of them.

Computed without anything of syncengine. Two oracles follow a table night by night: what
each vendor must hold, the fewest requests that bring it there, and what charles cannot
express.
"""

from __future__ import annotations

import csv
import gzip
import re
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from tests.support.repository import ROOT

NIGHTS = (
    "2024-12-15",
    "2025-01-20",
    "2025-03-01",
    "2025-06-01",
    "2025-09-01",
    "2026-01-05",
)
PHONES = ("phone", "fax")
RESPOND_NAMES = {"id": "crm_id", "first_name": "firstName", "last_name": "lastName"}
CHARLES_NAMES = ("first_name", "middle_name", "last_name")

Row = dict[str, str | None]


def night_file(night: str) -> Path:
    """Return a night's file: two of the six belong to the demo."""
    name = f"{night}.csv.gz"
    if night in ("2025-06-01", "2025-09-01"):
        return ROOT / "config/demo" / name
    return ROOT / "tests/data/congress" / name


def rows_of(night: str) -> dict[str, Row]:
    """Return the rows of a night by id; an empty value is None."""
    with gzip.open(night_file(night), "rt", encoding="utf-8", newline="") as file:
        return {
            row["id"]: {name: value or None for name, value in row.items()}
            for row in csv.DictReader(file)
        }


def tags_of(row: Row) -> set[str]:
    """Return the elements of a ``text[]`` literal whose elements are all quoted."""
    return {
        re.sub(r"\\(.)", r"\1", found)
        for found in re.findall(r'"((?:[^"\\]|\\.)*)"', row["tags"] or "{}")
    }


def e164(value: str | None) -> str | None:
    """Return a national US number as the vendors want it."""
    return None if value is None else "+1" + re.sub(r"\D", "", value)


def fields_of(row: Row) -> Row:
    """Return the mapped values of a row by column."""
    return {
        name: e164(value) if name in PHONES else value
        for name, value in row.items()
        if name != "tags"
    }


def _without_nulls(values: Row) -> Row:
    return {name: value for name, value in values.items() if value is not None}


@dataclass
class RespondIo:
    """The expected contents of respond.io v1.

    It takes a look-up and a create of 30 fields, updates of 30 fields and tag calls of
    10 tags. Removed contacts only lose their tags.
    """

    copies: dict[str, tuple[Row, set[str]]] = field(default_factory=dict)
    """Fields by column, and tags, of each contact by its own key."""
    present: set[str] = field(default_factory=set)

    def night(self, rows: dict[str, Row]) -> int:
        """Follow a night, and return the fewest requests for it."""
        requests = 0
        for key, row in rows.items():
            wanted, tags = fields_of(row), tags_of(row)
            if key in self.copies:
                requests += self._changes(key, wanted, tags)
            else:
                filled = _without_nulls(wanted)
                requests += 1 + ceil(len(filled) / 30) + ceil(len(tags) / 10)
            self.copies[key] = (_without_nulls(wanted), tags)
        for key in self.present - rows.keys():
            fields, tags = self.copies[key]
            requests += ceil(len(tags) / 10)
            self.copies[key] = (fields, set())
        self.present = set(rows)
        return requests

    def _changes(self, key: str, wanted: Row, tags: set[str]) -> int:
        """Return the fewest requests that change a copy."""
        fields, old_tags = self.copies[key]
        changed = [name for name, value in wanted.items() if fields.get(name) != value]
        updates = ceil(len(changed) / 30)
        tag_calls = ceil(len(tags - old_tags) / 10) + ceil(len(old_tags - tags) / 10)
        return updates + tag_calls

    def contacts(self) -> dict[str, tuple[Row, set[str]]]:
        """Return by own key: fields by their names at respond.io, and tags."""
        found: dict[str, tuple[Row, set[str]]] = {}
        for key, (fields, tags) in self.copies.items():
            named = {
                RESPOND_NAMES.get(name, name): value for name, value in fields.items()
            }
            found[key] = (named, tags)
        return found


@dataclass
class Charles:
    """The expected contents of charles.

    It takes one upsert a contact. Tags and phones only grow, and nothing is cleared.
    """

    fields: dict[str, Row] = field(default_factory=dict)
    phones: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, set[str]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    rows: dict[str, Row] = field(default_factory=dict)

    def night(self, rows: dict[str, Row]) -> tuple[int, set[str]]:
        """Follow a night.

        Returns the fewest requests, and the contacts with something that charles cannot
        express.
        """
        requests = 0
        unsupported: set[str] = set()
        for key, row in rows.items():
            is_unchanged = key in self.present and self.rows[key] == row
            if is_unchanged:
                continue
            needs_request, is_unsupported = self._upsert(key, row)
            requests += needs_request
            if is_unsupported:
                unsupported.add(key)
        unsupported |= {key for key in self.present - rows.keys() if self.tags[key]}
        self.present, self.rows = set(rows), self.rows | rows
        return requests, unsupported

    def _upsert(self, key: str, row: Row) -> tuple[bool, bool]:
        """Bring one contact in step.

        Returns whether that takes a request, and whether it cannot be expressed whole.
        """
        wanted, tags = fields_of(row), tags_of(row)
        phone = wanted.pop("phone")
        wanted.pop("id")
        is_new = key not in self.fields
        fields = self.fields.setdefault(key, {})
        phones = self.phones.setdefault(key, [])
        old_tags = self.tags.setdefault(key, set())
        changed: Row = {}
        is_cleared = False
        for name, value in wanted.items():
            old = fields.get(name)
            if value is not None and old != value:
                changed[name] = value
            if value is None and old is not None:
                is_cleared = True
        new_phones = [phone] if phone is not None and phone not in phones else []
        keeps_old = bool(old_tags - tags) or any(old != phone for old in phones)
        needs_request = bool(is_new or changed or new_phones or tags - old_tags)
        fields.update(changed)
        phones += new_phones
        old_tags |= tags
        return needs_request, is_cleared or keeps_old

    def contacts(self) -> dict[str, tuple[dict[str, object], set[str]]]:
        """Return by own key: fields by their names at charles, and tags.

        Phones are digits only.
        """
        found: dict[str, tuple[dict[str, object], set[str]]] = {}
        for key, fields in self.fields.items():
            named: dict[str, object] = {}
            for name, value in fields.items():
                is_own = name in CHARLES_NAMES
                named[name if is_own else f"custom_properties.{name}"] = value
            if self.phones[key]:
                digits = [phone.removeprefix("+") for phone in self.phones[key]]
                named["phone_numbers.main"] = digits
            found[key] = (named, self.tags[key])
        return found
