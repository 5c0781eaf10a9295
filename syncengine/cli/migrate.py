"""``syncengine migrate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.rows import print_reports
from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class AppliedMigrations:
    """Names of the migrations that were applied now."""

    names: tuple[str, ...]

    def public(self) -> dict[str, Json]:
        """Return the object that ``migrate --json`` prints."""
        return {"applied": list(self.names)}


def migrate(*, format_: FormatOption = None, json: Flag = False) -> int:
    """Create the database schema that keeps the state, or bring it up to date.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    chosen = chosen_format(format_, json=json)
    applied = AppliedMigrations(tuple(run_engine(app.migrate(options.load()))))
    print_reports([applied], chosen, _print_applied)
    return 0


def _print_applied(reports: Sequence[AppliedMigrations]) -> None:
    for name in reports[0].names:
        print_line(f"applied {name}")
    if not reports[0].names:
        print_line("the state schema is up to date")
