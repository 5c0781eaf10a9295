"""Errors that end the command, in words for people and as JSON."""

from __future__ import annotations

import traceback
from pathlib import Path

from cyclopts import CycloptsError, UnusedCliTokensError

from syncengine.cli.rendering.layout import print_json_object
from syncengine.cli.terminal import err
from syncengine.errors import SyncEngineError

_STATUS_BY_EXIT_CODE = {2: "refused", 3: "held"}
"""The ``status`` of a failure as JSON; with any other exit code it is ``failed``."""


def complain(text: str, *, prefix: str = "syncengine: ") -> None:
    """Print a message on stderr."""
    err.print(f"{prefix}{text}", markup=False, soft_wrap=True)


def complain_with_traceback(error: Exception) -> None:
    """Print an error with its traceback, as ``SYNCENGINE_DEBUG`` asks for."""
    complain("".join(traceback.format_exception(error)).rstrip("\n"), prefix="")


def print_failure(words: str, exit_code: int) -> None:
    """Print the object that a program gets where the verb has no report."""
    print_json_object(
        {
            "destination": None,
            "run_id": None,
            "status": _STATUS_BY_EXIT_CODE.get(exit_code, "failed"),
            "error": words,
            "exit_code": exit_code,
        }
    )


def usage_in_words(error: CycloptsError) -> str:
    """Return what is wrong with the command line."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument: {' '.join(error.unused_tokens)}"
    return str(error)


def in_words(error: Exception) -> str:
    """Return what happened and what to do.

    Only messages of our own errors are shown: another one's may contain a contact's
    value.
    """
    if isinstance(error, SyncEngineError):
        return str(error)
    return (
        f"unexpected error: {_kind_and_place(error)}. The next run settles what was "
        "sent and not recorded. SYNCENGINE_DEBUG=1 shows the whole traceback"
    )


def _kind_and_place(error: BaseException) -> str:
    """Return what kind of error it is, and the file and line that raised it."""
    # Of several errors of a task group the first one stands for all.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    *_, last = traceback.extract_tb(error.__traceback__)
    place = f"{Path(last.filename).name}, line {last.lineno}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({place})"
    return f"{type(error).__name__} ({place})"
