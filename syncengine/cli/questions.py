"""Questions to somebody at a terminal, each with a proposal as its default."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from rich.prompt import Confirm, Prompt
from rich.text import Text

from syncengine.cli.terminal import err

T = TypeVar("T")

_INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""


def may_ask() -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin.isatty() and err.is_terminal


def ask(words: str, default: str | None = None) -> str:
    """Return the answer, or the default for an empty one."""
    while True:
        answer = _answered(
            lambda: Prompt.ask(
                Text(words),
                console=err,
                default=default or "",
                show_default=default is not None,
            )
        )
        if answer.strip() or default == "":
            return answer.strip()
        err.print("An answer is needed here; Ctrl-C ends, and nothing is written.")


def until_right(
    question: Callable[[], str], complaint: Callable[[str], str | None]
) -> str:
    """Ask until there is nothing to complain of, and return the answer."""
    while True:
        answer = question()
        what = complaint(answer)
        if what is None:
            return answer
        err.print(Text(what), soft_wrap=True)


def ask_secretly(words: str) -> str:
    """Return the answer, which is not shown while it is typed."""
    return _answered(lambda: Prompt.ask(Text(words), console=err, password=True))


def choose(words: str, choices: Sequence[str], default: str | None) -> str:
    """Return one of the choices, by its number or its name.

    Another text counts as well: what is meant may not be among them.
    """
    for number, choice in enumerate(choices, start=1):
        err.print(f"  {number}. {choice}", soft_wrap=True)
    answer = ask(words, default)
    if answer.isdecimal() and 1 <= int(answer) <= len(choices):
        return choices[int(answer) - 1]
    return answer


def agree(words: str) -> bool:
    """Return whether the answer is yes, which an empty one means too."""
    return _answered(lambda: Confirm.ask(Text(words), console=err, default=True))


def _answered(question: Callable[[], T]) -> T:
    try:
        return question()
    except (KeyboardInterrupt, EOFError):
        _leave()


def _leave() -> NoReturn:
    """End the command. Files are written after the last question only."""
    err.print("\nNothing was written.")
    sys.exit(_INTERRUPTED)
