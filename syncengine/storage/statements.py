"""Named SQL statements.

``sql/NAME.sql`` has several, each under a line ``-- name: what_it_is``.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from types import MappingProxyType


@cache
def statements(name: str) -> MappingProxyType[str, str]:
    """Return the statements of one file, by name, in file order."""
    text = (
        resources.files("syncengine.storage")
        .joinpath("sql", f"{name}.sql")
        .read_text(encoding="utf-8")
    )
    found: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        title, _, body = block.partition("\n")
        if title.strip() in found:
            raise ValueError(
                f"sql/{name}.sql: statement {title.strip()} is there twice"
            )
        # Without the semicolon, since some are joined, and one inside COPY must have
        # none.
        found[title.strip()] = body.strip().rstrip(";")
    return MappingProxyType(found)
