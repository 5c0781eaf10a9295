"""Checks of the arguments of the Python API, before anything is done with them.

A type checker finds most of these mistakes, but a script or a notebook has none, and
some pass it: a text is an ``Iterable[str]`` too, of its characters. The command checks
its options while it parses them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from syncengine.errors import ConfigError, Problem

_LONGEST_SHOWN = 40
"""Characters of a value that a message repeats."""


def names(argument: str, values: object) -> tuple[str, ...]:
    """Return the names in a collection, such as fields. Raises ConfigError."""
    collected = _collected(argument, values)
    for value in collected:
        if not isinstance(value, str):
            what = f'is a collection of names, each a text: {argument}=["name"]'
            raise _refused(argument, f"{what}; {_shown(value)} is none")
    return tuple(str(value) for value in collected)


def contact_ids(values: object) -> tuple[str, ...]:
    """Return contact ids as texts; integers are taken as well. Raises ConfigError."""
    argument = "contacts"
    collected = _collected(argument, values)
    for value in collected:
        # True is an integer to Python, and surely no contact id.
        if isinstance(value, bool) or not isinstance(value, str | int):
            what = 'is a collection of contact ids, texts or integers: contacts=["13"]'
            raise _refused(argument, f"{what}; {_shown(value)} is none")
    return tuple(str(value) for value in collected)


def destination_names(method: str, values: Iterable[object]) -> tuple[str, ...]:
    """Return the positional arguments of a method. Raises ConfigError."""
    given = tuple(values)
    for value in given:
        if not isinstance(value, str):
            what = (
                "takes the names of destinations one by one, and no collection of "
                f'them: {method}("one", "two"), or {method}(*names); '
                f"{_shown(value)} is no name"
            )
            raise _refused("destinations", what)
    return tuple(str(value) for value in given)


def at_least_one(argument: str, value: object) -> int | None:
    """Return a number of 1 or more, or None. Raises ConfigError."""
    if value is None:
        return None
    # True is an integer to Python.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    what = f"must be a whole number of 1 or more, or None; {_shown(value)} is not"
    raise _refused(argument, what)


def text(argument: str, value: object) -> str | None:
    """Return a text, or None. Raises ConfigError."""
    if value is None or isinstance(value, str):
        return value
    raise _refused(argument, f"must be a text, or None; {_shown(value)} is not")


def moment(argument: str, value: object) -> datetime | None:
    """Return a moment, or None; without a time zone it is local. Raises ConfigError."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone()
    raise _refused(argument, f"must be a datetime, or None; {_shown(value)} is not")


def path(argument: str, value: object) -> Path | None:
    """Return the path of a file, or None. Raises ConfigError."""
    if value is None:
        return None
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise _refused(argument, f"must be a path, or None; {_shown(value)} is not")


def refuse_other_flags(**flags: object) -> None:
    """Raise ConfigError for a value that is neither True nor False."""
    for argument, value in flags.items():
        if not isinstance(value, bool):
            what = f"must be True or False; {_shown(value)} is neither"
            raise _refused(argument, what)


def refuse_other_calls(
    *, on_event: object, progress: object = None, stop: object = None
) -> None:
    """Raise ConfigError for what cannot be called, or cannot be waited for.

    ``stop`` is that of a method for asyncio.
    """
    if on_event is not None and not callable(on_event):
        what = f"must be a function of one event; {_shown(on_event)} is none"
        raise _refused("on_event", what)
    for method in ("started", "advanced", "finished"):
        if progress is not None and not callable(getattr(progress, method, None)):
            what = "must have the methods started, advanced and finished"
            raise _refused("progress", f"{what}; {_shown(progress)} has not")
    if stop is not None and not isinstance(stop, asyncio.Event):
        what = f"must be an asyncio.Event here; {_shown(stop)} is none"
        raise _refused("stop", what)


def refuse_other_stop(stop: object) -> None:
    """Raise ConfigError for a ``stop`` that no other thread can set."""
    has_methods = hasattr(stop, "is_set") and hasattr(stop, "set")
    is_of_loop = isinstance(stop, asyncio.Event)
    if stop is not None and (is_of_loop or not has_methods):
        what = f"must be a threading.Event here; {_shown(stop)} is none"
        raise _refused("stop", what)


def _collected(argument: str, values: object) -> tuple[object, ...]:
    """Return the members of a collection.

    Raises ConfigError for a single text, and for what is no collection.
    """
    if isinstance(values, str):
        what = (
            f"is a collection, and a text alone would be taken as its characters: "
            f"write {argument}=[{_shown(values)}]"
        )
        raise _refused(argument, what)
    is_odd = isinstance(values, bytes | bytearray | Mapping)
    if is_odd or not isinstance(values, Iterable):
        what = f'must be a collection of texts: write {argument}=["..."]'
        raise _refused(argument, f"{what}; {_shown(values)} is none")
    return tuple(values)


def _refused(argument: str, what: str) -> ConfigError:
    return ConfigError([Problem(argument, what)])


def _shown(value: object) -> str:
    """Return a short value as it is written in Python; of others, the type."""
    if isinstance(value, str | int | float | list | tuple) or value is None:
        written = repr(value)
        if len(written) <= _LONGEST_SHOWN:
            return written
    return f"this {type(value).__name__}"
