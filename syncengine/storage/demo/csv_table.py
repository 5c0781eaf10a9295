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
    """Return header and rows of a gzipped CSV file, with None for an empty cell."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    cells = [[cell or None for cell in row] for row in rows]
    return header, cells


async def load_contacts(
    dsn: str, rows: Sequence[Sequence[str | None]]
) -> tuple[int, int]:
    """Make ``crm.contacts`` equal to these rows.

    The rows have the column order of its definition. Returns the number of new or
    changed rows, and of deleted ones.
    """
    connection = await connect(dsn)
    try:
        # One transaction: a run beside the demo sees one night's contacts or the next
        # night's, and never some of both.
        with storage_errors("the demo's database"):
            async with connection.transaction():
                await connection.execute(_SQL["table"])
                # ``unnest`` makes rows of these columns again.
                columns = [list(column) for column in zip(*rows, strict=True)]
                deleted = await connection.execute(_SQL["leave"], columns[0])
                changed = await connection.execute(_SQL["load"], *columns)
    finally:
        await connection.close()
    return _number(changed), _number(deleted)


def _number(status: str) -> int:
    """Return the number of rows at the end of a status such as ``INSERT 0 12``."""
    return int(status.rsplit(" ", 1)[1])
