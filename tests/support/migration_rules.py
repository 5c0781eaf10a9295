"""The rule of migrations, checked statement by statement.

A migration that is applied while an older version runs must leave that version's
statements valid. So a schema is expanded first. What no released version uses any
longer is contracted later, in a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CONTRACT = re.compile(r"-- contract: not used since (\d{4})\b")
"""The first line of a file that takes away what no version uses since another file."""

_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXTS = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_NEW = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\S+)", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:CREATE UNIQUE INDEX (?:\S+ )?ON|ALTER TABLE(?: ONLY)?"
    r"|INSERT INTO|UPDATE|DELETE FROM) ([^\s(]+)",
    re.IGNORECASE,
)
_KEEPS_ROWS = re.compile(r"CREATE TABLE .*\bREFERENCES\b", re.IGNORECASE)
_LETS_GO = re.compile(r"ON DELETE CASCADE", re.IGNORECASE)
_EXPANDING = (
    re.compile(r"CREATE TABLE \S+ ", re.IGNORECASE),
    re.compile(r"CREATE (OR REPLACE )?VIEW ", re.IGNORECASE),
    re.compile(r"CREATE INDEX ", re.IGNORECASE),
    re.compile(r"COMMENT ON ", re.IGNORECASE),
    re.compile(r"(INSERT INTO|UPDATE) ", re.IGNORECASE),
)
_HARMLESS = (
    re.compile(r"ALTER COLUMN \S+ DROP NOT NULL$", re.IGNORECASE),
    re.compile(r"ALTER COLUMN \S+ SET (DEFAULT|STATISTICS) ", re.IGNORECASE),
    re.compile(r"SET \(", re.IGNORECASE),
)
_ADDED = re.compile(r"ADD COLUMN (IF NOT EXISTS )?\S+ ", re.IGNORECASE)
_NARROW = re.compile(r"\b(CHECK|UNIQUE|PRIMARY KEY|REFERENCES)\b", re.IGNORECASE)


def problems(sql: str) -> Iterator[str]:
    """Yield the statements that a run of the version before might not survive."""
    plain = _TEXTS.sub("''", _COMMENTS.sub(" ", sql))
    statements = [" ".join(part.split()) for part in plain.split(";") if part.strip()]
    new = {
        match[1].lower() for statement in statements if (match := _NEW.match(statement))
    }
    yield from (statement for statement in statements if not _expands(statement, new))


def _expands(statement: str, new: set[str]) -> bool:
    if _KEEPS_ROWS.search(statement) and not _LETS_GO.search(statement):
        return False  # an older version could not delete what the new table refers to
    if (about := _ABOUT.match(statement)) and about[1].lower() in new:
        return True  # no older version knows this table
    if alters := re.match(
        r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?\S+ (.*)", statement, re.IGNORECASE
    ):
        return all(map(_is_harmless, _actions(alters[1])))
    return any(pattern.match(statement) for pattern in _EXPANDING)


def _actions(listed: str) -> list[str]:
    """The parts of an ALTER TABLE, cut at commas that stand in no parentheses."""
    parts, depth = [""], 0
    for character in listed:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _is_harmless(action: str) -> bool:
    if _ADDED.match(action):
        fills = "NOT NULL" not in action.upper() or "DEFAULT" in action.upper()
        return fills and not _NARROW.search(action)
    return any(pattern.match(action) for pattern in _HARMLESS)
