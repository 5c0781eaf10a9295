"""What must be true after each night, computed without anything of syncengine.

Two oracles follow a table night by night: what each vendor must hold, the fewest requests that bring it there, and what
charles cannot express.
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
    """Where a night's file lies: two of the six belong to the demo."""
    folder = ROOT / (
        "config/demo"
        if night in ("2025-06-01", "2025-09-01")
        else "tests/data/congress"
    )
    return folder / f"{night}.csv.gz"


def rows_of(night: str) -> dict[str, Row]:
    """The rows of a night by id; empty is None."""
    with gzip.open(night_file(night), "rt", encoding="utf-8", newline="") as file:
        return {
            row["id"]: {name: value or None for name, value in row.items()}
            for row in csv.DictReader(file)
        }


def tags_of(row: Row) -> set[str]:
    """The elements of a ``text[]`` literal whose elements are all quoted."""
    return {
        re.sub(r"\\(.)", r"\1", found)
        for found in re.findall(r'"((?:[^"\\]|\\.)*)"', row["tags"] or "{}")
    }


def e164(value: str | None) -> str | None:
    """A national US number as the vendors want it."""
    return None if value is None else "+1" + re.sub(r"\D", "", value)


def fields_of(row: Row) -> Row:
    """The mapped values of a row by column."""
    return {
        name: e164(value) if name in PHONES else value
        for name, value in row.items()
        if name != "tags"
    }


@dataclass
class RespondIo:
    """respond.io v1: look-up, create of 30 fields, updates of 30, tag calls of 10; leavers only lose their tags."""

    held: dict[str, tuple[Row, set[str]]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def night(self, rows: dict[str, Row]) -> int:
        """Follow a night; the fewest requests for it."""
        requests = 0
        for key, row in rows.items():
            wanted, tags = fields_of(row), tags_of(row)
            if key not in self.held:
                filled = sum(value is not None for value in wanted.values())
                requests += 1 + ceil(filled / 30) + ceil(len(tags) / 10)
                self.held[key] = (
                    {
                        name: value
                        for name, value in wanted.items()
                        if value is not None
                    },
                    tags,
                )
                continue
            fields, old = self.held[key]
            changed = [
                name for name, value in wanted.items() if fields.get(name) != value
            ]
            requests += (
                ceil(len(changed) / 30)
                + ceil(len(tags - old) / 10)
                + ceil(len(old - tags) / 10)
            )
            self.held[key] = (
                {name: value for name, value in wanted.items() if value is not None},
                tags,
            )
        for key in self.present - rows.keys():
            fields, old = self.held[key]
            requests += ceil(len(old) / 10)
            self.held[key] = (fields, set())
        self.present = set(rows)
        return requests

    def contacts(self) -> dict[str, tuple[Row, set[str]]]:
        """By own key: fields by their names at respond.io, and tags."""
        return {
            key: (
                {
                    RESPOND_NAMES.get(name, name): value
                    for name, value in fields.items()
                },
                tags,
            )
            for key, (fields, tags) in self.held.items()
        }


@dataclass
class Charles:
    """charles: one upsert a contact; tags and phones only grow, nothing is cleared."""

    fields: dict[str, Row] = field(default_factory=dict)
    phones: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, set[str]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    rows: dict[str, Row] = field(default_factory=dict)

    def night(self, rows: dict[str, Row]) -> tuple[int, set[str]]:
        """Follow a night; the fewest requests, and the contacts with something charles cannot express."""
        requests, unsupported = 0, set()
        for key, row in rows.items():
            if key in self.present and self.rows[key] == row:
                continue
            wanted, tags = fields_of(row), tags_of(row)
            phone = wanted.pop("phone")
            wanted.pop("id")
            new = key not in self.fields
            fields, phones = (
                self.fields.setdefault(key, {}),
                self.phones.setdefault(key, []),
            )
            held = self.tags.setdefault(key, set())
            changed = {
                name: value
                for name, value in wanted.items()
                if value is not None and fields.get(name) != value
            }
            more = [phone] if phone is not None and phone not in phones else []
            requests += bool(new or changed or more or tags - held)
            cleared = any(
                value is None and fields.get(name) is not None
                for name, value in wanted.items()
            )
            if cleared or held - tags or any(old != phone for old in phones):
                unsupported.add(key)
            fields.update(changed)
            phones += more
            held |= tags
        unsupported |= {key for key in self.present - rows.keys() if self.tags[key]}
        self.present, self.rows = set(rows), self.rows | rows
        return requests, unsupported

    def contacts(self) -> dict[str, tuple[dict[str, object], set[str]]]:
        """By own key: fields by their names at charles, phones as digits, and tags."""
        return {
            key: (
                {
                    **{
                        name
                        if name in CHARLES_NAMES
                        else f"custom_properties.{name}": v
                        for name, v in fields.items()
                    },
                    **(
                        {"phone_numbers.main": [p[1:] for p in self.phones[key]]}
                        if self.phones[key]
                        else {}
                    ),
                },
                self.tags[key],
            )
            for key, fields in self.fields.items()
        }
