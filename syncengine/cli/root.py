"""The command: global options, then a verb."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter, validators

from syncengine import __version__
from syncengine.cli import exits
from syncengine.cli.terminal import err, out
from syncengine.errors import SyncEngineError
from syncengine.model.events import Level

if TYPE_CHECKING:
    from syncengine.config import Config

AtLeastOne: TypeAlias = Annotated[int, Parameter(validator=validators.Number(gte=1))]
"""A number of contacts."""

app = App(
    name="syncengine",
    help="Bring the copies of contacts at messaging and CRM vendors in step with a Postgres table.",
    version=__version__,
)
app.meta.group_parameters = app.group_parameters


@dataclass(slots=True)
class Globals:
    """The global options of this call."""

    config: Path = Path("config/syncengine.yaml")
    log_format: Literal["console", "json"] = "console"
    log_level: Level | None = None
    progress: bool = True

    def load(self) -> Config:
        """The configuration. Raises ConfigError."""
        loaded = load_config(self.config, os.environ)
        usual: Level = "info" if self.log_format == "json" else "warning"
        set_up(self.log_format, err, loaded.secrets, self.log_level or usual)
        return loaded


options = Globals()


        from syncengine.config import load_config  # noqa: PLC0415 - help needs neither
        from syncengine.logs import set_up  # noqa: PLC0415

@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="syncengine.yaml; default config/syncengine.yaml")] = None,
    log_format: Annotated[Literal["console", "json"] | None, Parameter(help="how logs look on stderr")] = None,
    log_level: Annotated[Level | None, Parameter(help="default: info as JSON, warning on a console")] = None,
    no_progress: Annotated[bool, Parameter(negative="", help="no progress bars")] = False,
) -> int:
    """Read the global options and hand over to the verb."""
    options.config = config or Path(os.environ.get("SYNCENGINE_CONFIG", "config/syncengine.yaml"))
    options.log_format = log_format or ("console" if err.is_terminal else "json")
    options.log_level = log_level
    options.progress = not no_progress
    code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return int(code or 0)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        return int(app.meta(tokens, exit_on_error=False, print_error=False, result_action="return_value") or 0)
    except CycloptsError as error:
        err.print(f"syncengine: {error}", markup=False)
        err.print("`syncengine --help` lists the verbs, `syncengine VERB --help` their options.", markup=False)
        return 2
    except SyncEngineError as error:
        if os.environ.get("SYNCENGINE_DEBUG"):
            raise
        err.print(f"syncengine: {error}", markup=False, soft_wrap=True)
        return exits.of_error(error)
