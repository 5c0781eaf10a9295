"""The command: global options, then a verb."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import orjson
from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError, validators

from syncengine import __version__
from syncengine.cli import exits
from syncengine.cli.streams import closed
from syncengine.cli.terminal import err, help_pages, out
from syncengine.errors import SyncEngineError
from syncengine.model.events import Level
from syncengine.model.texts import escaped

if TYPE_CHECKING:
    from syncengine.config.project import Config

AtLeastOne: TypeAlias = Annotated[int, Parameter(validator=validators.Number(gte=1))]
"""A number of contacts."""


def _worth_saying(default: object) -> str | None:
    """Return a default as help shows it; nothing where there is none to show."""
    return str(default) if default else None


app = App(
    name="syncengine",
    help="Bring the copies of contacts at messaging and CRM vendors in step with a Postgres table.",
    version=__version__,
    console=help_pages,
    default_parameter=Parameter(show_default=_worth_saying),
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
        """Return the configuration; verbs ask it for the destinations they need.

        Raises ConfigError.
        """
        from syncengine.config.loading import read_config  # noqa: PLC0415 - help needs neither
        from syncengine.logs import set_up  # noqa: PLC0415

        loaded = read_config(self.config, os.environ)
        usual: Level = "info" if self.log_format == "json" else "warning"
        set_up(self.log_format, err, loaded.secrets, self.log_level or usual)
        return loaded


options = Globals()


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None, Parameter(help="syncengine.yaml; default config/syncengine.yaml")
    ] = None,
    log_format: Annotated[
        Literal["console", "json"] | None, Parameter(help="how logs look on stderr")
    ] = None,
    log_level: Annotated[
        Level | None, Parameter(help="default: info as JSON, warning on a console")
    ] = None,
    no_progress: Annotated[
        bool, Parameter(negative="", help="no progress bars")
    ] = False,
) -> int:
    """Read the global options and hand over to the verb."""
    options.config = config or Path(
        os.environ.get("SYNCENGINE_CONFIG", "config/syncengine.yaml")
    )
    options.log_format = log_format or ("console" if err.is_terminal else "json")
    options.log_level = log_level
    options.progress = not no_progress
    code = app(
        tokens, exit_on_error=False, print_error=False, result_action="return_value"
    )
    return int(code or 0)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code.

    With SYNCENGINE_DEBUG set, errors come with their traceback.
    """
    tokens = sys.argv[1:] if arguments is None else arguments
    return _written(_run(tokens), tokens)


def _run(tokens: list[str]) -> int:
    as_json = "--json" in tokens
    try:
        return int(
            app.meta(
                tokens,
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
            or 0
        )
    except CycloptsError as error:
        words = _in_words(error)
        _complain(words)
        _complain(
            "`syncengine --help` lists the verbs, `syncengine VERB --help` their options.",
            prefix="",
        )
        code = 2
    except Exception as error:
        if os.environ.get("SYNCENGINE_DEBUG"):
            raise
        words = str(error) if isinstance(error, SyncEngineError) else _unexpected(error)
        _complain(words)
        code = exits.exit_code_of_error(error)
    if as_json:
        _print_failure(words, code)
    return code


def _print_failure(words: str, code: int) -> None:
    """Print the object that a program gets where the verb has no report."""
    status = {2: "refused", 3: "held"}.get(code, "failed")
    failure = {
        "destination": None,
        "run_id": None,
        "status": status,
        "error": words,
        "exit_code": code,
    }
    out.print(escaped(orjson.dumps(failure).decode()), soft_wrap=True)


_ONLY_TELL = frozenset({"check", "plan", "schema", "show", "--help", "-h", "--version"})
"""Verbs whose whole purpose is what they print."""
_NAMING = ("--contact", "--contacts", "--phones", "--emails", "--lift")
"""Options with which ``suppress`` does more than to count."""


def _only_tells(tokens: list[str]) -> bool:
    """Return whether what is printed is all that the command is for."""
    given = {token.partition("=")[0] for token in tokens}
    only_compares = "verify" in given and "--repair" not in given
    only_counts = "suppress" in given and given.isdisjoint(_NAMING)
    return only_compares or only_counts or not _ONLY_TELL.isdisjoint(given)


def _written(code: int, tokens: list[str]) -> int:
    """Return the exit code, considering whether stdout could be written.

    What a run did is done: it keeps its own code. A verb whose whole purpose is what it
    prints has failed.
    """
    failure = out.failure or help_pages.failure
    if failure is None:
        if "stdout" in closed:
            _complain(
                "standard output is closed: what was to be told there is lost; the exit code stands"
            )
        return code
    only_tells = _only_tells(tokens)
    reason = failure.strerror or type(failure).__name__
    rest = (
        ""
        if only_tells
        else "; what the command did stands all the same, and so does its exit code"
    )
    _complain(
        f"standard output could not be written: {reason}. What was to be told there is cut off{rest}"
    )
    return 2 if only_tells and code == 0 else code


def tell_whole(error: Exception) -> None:
    """Print an error with its traceback, as ``SYNCENGINE_DEBUG`` asks for."""
    _complain("".join(traceback.format_exception(error)).rstrip("\n"), prefix="")


def _complain(text: str, *, prefix: str = "syncengine: ") -> None:
    err.print(f"{prefix}{text}", markup=False, soft_wrap=True)


def _in_words(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"nothing is known to do with {' '.join(error.unused_tokens)}"
    return str(error)


def _unexpected(error: BaseException) -> str:
    """Return the place of an unexpected error.

    Its message is left out, since that may contain a contact's value.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    *_, last = traceback.extract_tb(error.__traceback__)
    place = f"{Path(last.filename).name}, line {last.lineno}"
    what = (
        error.strerror
        if isinstance(error, OSError) and error.strerror
        else type(error).__name__
    )
    return (
        f"something unexpected: {what} ({place}). What was sent and not written down is settled by the next run; with "
        "SYNCENGINE_DEBUG=1 the command tells more"
    )
