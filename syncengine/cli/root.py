"""The root command: global options, then a verb."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from syncengine.cli import exits
from syncengine.cli.errors_in_words import (
    complain,
    in_words,
    print_failure,
    usage_in_words,
)
from syncengine.cli.options import options
from syncengine.cli.streams import closed
from syncengine.cli.terminal import err, help_pages, out
from syncengine.model.events import Level
from syncengine.version import __version__


def _shown_default(default: object) -> str | None:
    """Return a default as help shows it; nothing for None, false and empty ones."""
    return str(default) if default else None


app = App(
    name="syncengine",
    help=(
        "Keep the copies of your contacts at messaging and CRM vendors in step with a "
        "Postgres table."
    ),
    version=__version__,
    console=help_pages,
    default_parameter=Parameter(show_default=_shown_default),
)
app.meta.group_parameters = app.group_parameters


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None,
        Parameter(
            help="The configuration's main file; its destinations are in the folder "
            "beside it. Default: $SYNCENGINE_CONFIG, or else config/syncengine.yaml."
        ),
    ] = None,
    log_format: Annotated[
        Literal["console", "json"] | None,
        Parameter(
            help="Form of the log lines on stderr. Default: console in a terminal, or "
            "else json."
        ),
    ] = None,
    log_level: Annotated[
        Level | None,
        Parameter(
            help="Least severe log lines to print. Default: info for json, warning "
            "for console."
        ),
    ] = None,
    no_progress: Annotated[
        bool, Parameter(negative="", help="Show no progress of runs.")
    ] = False,
) -> int:
    """Read the global options and hand over to the verb."""
    options.config = config or Path(
        os.environ.get("SYNCENGINE_CONFIG", "config/syncengine.yaml")
    )
    usual_format: Literal["console", "json"] = "console" if err.is_terminal else "json"
    options.log_format = log_format or usual_format
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
    code = _run(tokens)
    return _code_after_output(code, tokens)


def _run(tokens: list[str]) -> int:
    """Run the command; an error that ends it is printed, and gives its exit code."""
    try:
        code = app.meta(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
        return int(code or 0)
    except CycloptsError as error:
        words = usage_in_words(error)
        exit_code = 2
        complain(words)
        complain(
            "`syncengine --help` lists the verbs, `syncengine VERB --help` their "
            "options.",
            prefix="",
        )
    except Exception as error:
        # The last resort: whatever was not foreseen ends with a sentence and a code.
        if os.environ.get("SYNCENGINE_DEBUG"):
            raise
        words = in_words(error)
        exit_code = exits.exit_code_of_error(error)
        complain(words)
    if _wants_json(tokens):
        print_failure(words, exit_code)
    return exit_code


def _wants_json(tokens: list[str]) -> bool:
    """Return whether a program reads what the command prints, in JSON."""
    if "--json" in tokens:
        return True
    wanted = ("json", "jsonl")
    is_joined = any(f"--format={name}" in tokens for name in wanted)
    pairs = set(pairwise(tokens))
    return is_joined or any(("--format", name) in pairs for name in wanted)


def _code_after_output(code: int, tokens: list[str]) -> int:
    """Return the exit code, after a look at whether stdout could be written.

    What a run did is done, so it keeps its own code. A verb whose whole purpose is what
    it prints has failed.
    """
    failure = out.failure or help_pages.failure
    if failure is None:
        if "stdout" in closed:
            complain(
                "standard output is closed, so the results are lost; the exit code is "
                "right all the same"
            )
        return code
    only_prints = _only_prints(tokens)
    reason = failure.strerror or type(failure).__name__
    message = f"standard output could not be written: {reason}. The results are cut off"
    if not only_prints:
        message += "; what the command did is done, and its exit code is right"
    complain(message)
    return 2 if only_prints and code == 0 else code


_PRINTING_VERBS = frozenset(
    {
        "check",
        "completion",
        "erasures",
        "failures",
        "history",
        "metrics",
        "plan",
        "report",
        "runs",
        "schema",
        "show",
        "status",
        "suppressions",
        "why",
        "watch",
        "--help",
        "-h",
        "--version",
    }
)
"""Verbs and options whose whole purpose is what they print."""
_SUPPRESSING_OPTIONS = ("--contact", "--contacts", "--phones", "--emails", "--lift")
"""Options with which ``suppress`` does more than to count."""


def _only_prints(tokens: list[str]) -> bool:
    """Return whether the command's whole purpose is what it prints."""
    given = {token.partition("=")[0] for token in tokens}
    if "verify" in given and "--repair" not in given:
        return True
    if "export" in given and "--consent" not in given:
        return True
    if "suppress" in given and given.isdisjoint(_SUPPRESSING_OPTIONS):
        return True
    return not _PRINTING_VERBS.isdisjoint(given)
