"""The migrations' files, judged without a database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.migration_rules import CONTRACT, problems

_ROOT = Path(__file__).resolve().parents[2]
_FILES = sorted(path.name for path in (_ROOT / "migrations").iterdir())


def test_they_are_numbered_from_one_without_gaps() -> None:
    numbers = [
        int(match[1])
        for name in _FILES
        if (match := re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", name))
    ]
    assert numbers == list(range(1, len(_FILES) + 1)), (
        f"not NNNN_what_it_does.sql, or not consecutive: {_FILES}"
    )


def test_none_ends_the_transaction_it_runs_in() -> None:
    ending = re.compile(
        r"^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|END)\b\s*;",
        re.IGNORECASE | re.MULTILINE,
    )
    texts = {
        name: (_ROOT / "migrations" / name).read_text(encoding="utf-8")
        for name in _FILES
    }
    assert [name for name, text in texts.items() if ending.search(text)] == []


_LAST_BEFORE_THE_RULE = 8


def test_each_leaves_the_statements_of_the_version_before_it_valid() -> None:
    for name in _FILES[_LAST_BEFORE_THE_RULE:]:
        text = (_ROOT / "migrations" / name).read_text(encoding="utf-8")
        if contracts := CONTRACT.match(text):
            assert contracts[1] < name[:4], (
                f"{name} says that it took away its own addition"
            )
            continue
        assert list(problems(text)) == [], (
            f"{name}: a run of the version before would break; see CONTRIBUTING.md"
        )


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE syncengine.sync_wait",
        "DROP VIEW syncengine.external_ids",
        "DROP INDEX syncengine.sync_state_by_code",
        "TRUNCATE syncengine.sync_wait",
        "DELETE FROM syncengine.sync_wait",
        "ALTER TABLE syncengine.sync_state DROP COLUMN code",
        "ALTER TABLE syncengine.sync_state RENAME COLUMN code TO reason",
        "ALTER TABLE syncengine.sync_state RENAME TO sync_contact",
        "ALTER TABLE syncengine.sync_state SET SCHEMA public",
        "ALTER TABLE syncengine.sync_state ALTER COLUMN code TYPE integer USING 1",
        "ALTER TABLE syncengine.sync_state ALTER COLUMN code SET NOT NULL",
        "ALTER TABLE syncengine.sync_state ALTER code SET NOT NULL",
        "ALTER TABLE syncengine.sync_state ADD COLUMN more text NOT NULL",
        (
            "ALTER TABLE syncengine.sync_state ADD COLUMN one text, ADD COLUMN "
            "more text NOT NULL"
        ),
        (
            "ALTER TABLE syncengine.sync_state ADD COLUMN more text CHECK "
            "(more IN ('a', 'b'))"
        ),
        "ALTER TABLE syncengine.sync_state ADD COLUMN more text UNIQUE",
        "ALTER TABLE syncengine.sync_state ADD CHECK (status <> 'gone')",
        "ALTER TABLE syncengine.sync_state ADD CONSTRAINT known CHECK (code <> '')",
        "ALTER TABLE syncengine.sync_state ENABLE ROW LEVEL SECURITY",
        "CREATE UNIQUE INDEX ON syncengine.sync_state (external_id)",
        (
            "CREATE TRIGGER looks BEFORE INSERT ON syncengine.sync_state FOR "
            "EACH ROW EXECUTE FUNCTION f()"
        ),
        "REVOKE ALL ON syncengine.sync_state FROM PUBLIC",
        (
            "CREATE TABLE syncengine.sync_more (run_id bigint REFERENCES "
            "syncengine.sync_run)"
        ),
        (
            "CREATE TABLE syncengine.sync_more (); DELETE FROM "
            "syncengine.sync_wait USING syncengine.sync_more"
        ),
        (
            "/* new */ DROP TABLE syncengine.sync_wait; CREATE TABLE "
            "syncengine.sync_more ()"
        ),
    ],
)
def test_what_would_break_a_run_of_the_version_before_is_found(statement: str) -> None:
    assert len(list(problems(f"-- Why.\n{statement};\n"))) == 1


@pytest.mark.parametrize(
    "statement",
    [
        (
            "CREATE TABLE syncengine.sync_more (name text PRIMARY KEY, kind "
            "text NOT NULL CHECK (kind <> 'DROP'))"
        ),
        (
            "CREATE TABLE syncengine.sync_more (name text); CREATE UNIQUE "
            "INDEX ON syncengine.sync_more (name)"
        ),
        "CREATE INDEX ON syncengine.sync_state (code)",
        "ALTER TABLE syncengine.sync_state ADD COLUMN more text",
        (
            "ALTER TABLE syncengine.sync_state ADD COLUMN more numeric(3, 1) "
            "NOT NULL DEFAULT 0, ADD COLUMN other text"
        ),
        (
            "ALTER TABLE syncengine.sync_state ADD COLUMN more bytea GENERATED "
            "ALWAYS AS (sha256(code)) STORED"
        ),
        "ALTER TABLE syncengine.sync_state ALTER COLUMN source_hash DROP NOT NULL",
        (
            "UPDATE syncengine.sync_state SET code = 'DROP TABLE x; DELETE' "
            "WHERE code = ''"
        ),
    ],
)
def test_what_leaves_it_valid_is_not(statement: str) -> None:
    assert list(problems(f"-- DROP TABLE is only said here.\n{statement};\n")) == []
