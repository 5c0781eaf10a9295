"""The migrations' files, judged without a database."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_FILES = sorted(path.name for path in (_ROOT / "migrations").iterdir())


def test_they_are_numbered_from_one_without_gaps() -> None:
    numbers = [int(match[1]) for name in _FILES if (match := re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", name))]
    assert numbers == list(range(1, len(_FILES) + 1)), f"not NNNN_what_it_does.sql, or not consecutive: {_FILES}"


def test_none_ends_the_transaction_it_runs_in() -> None:
    ending = re.compile(r"^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|END)\b\s*;", re.IGNORECASE | re.MULTILINE)
    texts = {name: (_ROOT / "migrations" / name).read_text(encoding="utf-8") for name in _FILES}
    assert [name for name, text in texts.items() if ending.search(text)] == []
