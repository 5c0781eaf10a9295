"""Options that several verbs share, and the global ones."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter, validators

from syncengine.cli.terminal import err
from syncengine.errors import ConfigError, Problem
from syncengine.model.events import Level

if TYPE_CHECKING:
    from syncengine.config.project import Config

LARGEST = 2**63 - 1
"""The largest number that Postgres has."""
AtLeastOne: TypeAlias = Annotated[
    int, Parameter(validator=validators.Number(gte=1, lte=LARGEST))
]
"""A number of contacts, or of a batch."""
Flag: TypeAlias = Annotated[bool, Parameter(negative="")]
"""An option without a value, and without a ``--no-`` form."""
Names: TypeAlias = Annotated[tuple[str, ...], Parameter(negative="")]
"""An option that may be repeated."""
Destinations: TypeAlias = Annotated[
    tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
]
"""Names of destinations; none means all of them."""
Format: TypeAlias = Literal["table", "csv", "json", "jsonl"]
"""Form of what a verb prints."""
FormatOption: TypeAlias = Annotated[
    Format | None,
    Parameter(
        name="--format",
        help="Print a table (the default), CSV for spreadsheets, one JSON document, or "
        "JSON lines.",
    ),
]
"""The option with which a verb is told the form of what it prints."""
ContactId: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]
"""A contact's id, which may begin with a hyphen, as negative keys do."""
FileOrStream: TypeAlias = Annotated[Path, Parameter(allow_leading_hyphen=True)]
"""A file's path, or "-" for standard input or output."""


def chosen_format(format_: Format | None, *, json: bool) -> Format:
    """Return the form that ``--format`` and ``--json`` ask for.

    ``--json`` is short for ``--format json``. Raises ConfigError where both are given
    and differ.
    """
    if json and format_ not in (None, "json"):
        what = f"contradicts --format {format_}: give one of them"
        raise ConfigError([Problem("--json", what)])
    if json:
        return "json"
    return format_ or "table"


@dataclass(slots=True)
class GlobalOptions:
    """The global options of this call."""

    config: Path = Path("config/syncengine.yaml")
    log_format: Literal["console", "json"] = "console"
    log_level: Level | None = None
    progress: bool = True

    def load(self) -> Config:
        """Return the configuration, and set up the logs.

        Verbs ask the configuration for the destinations they need. Raises ConfigError.
        """
        # Help and --version do without both: importing them takes most of the time.
        from syncengine.config.loading import read_config  # noqa: PLC0415
        from syncengine.logs import set_up  # noqa: PLC0415

        loaded = read_config(self.config, os.environ)
        set_up(self.log_format, err, loaded.secrets, self.least_level)
        return loaded

    @property
    def least_level(self) -> Level:
        """Return the level of the least severe lines that are printed."""
        usual: Level = "info" if self.log_format == "json" else "warning"
        return self.log_level or usual

    @property
    def least_severity(self) -> int:
        """Return that level as a number of the standard module ``logging``."""
        return logging.getLevelNamesMapping()[self.least_level.upper()]


options = GlobalOptions()
"""The global options; ``root.launch`` fills them in before a verb is called."""
