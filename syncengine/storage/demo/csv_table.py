"""Makes a table equal to a CSV file, for the demo's nights."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

from syncengine.storage.connect import connect
from syncengine.storage.failures import storage_errors
from syncengine.storage.statements import statements

_SQL = statements("demo")


def read_rows(path: Path) -> tuple[list[str], list[list[str | None]]]:
    """Return header and rows of a gzipped CSV file; empty means NULL."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, [[cell or None for cell in row] for row in rows]


async def load_contacts(
    dsn: str, rows: Sequence[Sequence[str | None]]
) -> tuple[int, int]:
    """Make ``crm.contacts`` equal to these rows.

    The rows have the column order of its definition. Returns the number of new or
    changed rows, and of deleted ones.
    """
    connection = await connect(dsn)
    try:
        with storage_errors("the demo's database"):
            async with connection.transaction():
                await connection.execute(_SQL["table"])
                columns = [list(column) for column in zip(*rows, strict=True)]
                left = await connection.execute(_SQL["leave"], columns[0])
                changed = await connection.execute(_SQL["load"], *columns)
    finally:
        await connection.close()
    return int(changed.rsplit(" ", 1)[1]), int(left.rsplit(" ", 1)[1])
