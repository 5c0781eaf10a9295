"""Environment variables in the configuration: ``${NAME}`` and ``${NAME:-default}``.

They are filled in after the YAML is parsed, so that a value never becomes YAML itself:
a password with a colon or a # in it stays one text. What comes of it is always text;
the models turn "500" into a number where they ask for one. ``$${`` is a literal ``${``.

As in a shell, a default also stands in for a variable that is set, but empty. Without a
default an empty variable is a problem, like one that is not set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from syncengine.errors import Problem
from syncengine.model.http import Json

_VARIABLE = r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
VARIABLES = re.compile(_VARIABLE)
"""One variable; its groups are ``name`` and ``default`` (None without a default)."""
_PARTS = re.compile(rf"\$(?P<literal>\$\{{)|{_VARIABLE}")
"""One variable or one escape."""


def fill_in(
    value: Json,
    environ: Mapping[str, str],
    where: str,
    problems: list[Problem],
    path: str = "",
) -> Json:
    """Return the value with every variable replaced, in all its parts.

    Variables that are not set and have no default are noted in ``problems``, with the
    place: ``where`` is the file's name, ``path`` the keys that lead to the value. Keys
    are not filled in.
    """
    if isinstance(value, dict):
        return {
            key: fill_in(item, environ, where, problems, _joined(path, str(key)))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            fill_in(item, environ, where, problems, f"{path}.{index}")
            for index, item in enumerate(value)
        ]
    if isinstance(value, str):
        return _fill_in_text(value, environ, f"{where}: {path}", problems)
    return value


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _fill_in_text(
    text: str, environ: Mapping[str, str], place: str, problems: list[Problem]
) -> str:
    # Whatever is left once variables and escapes are taken out begins neither.
    if "${" in _PARTS.sub("", text):
        what = (
            "holds a ${ that begins no variable: write ${NAME} or ${NAME:-default}, "
            "or $${ for the text ${"
        )
        problems.append(Problem(place, what))

    def replacement(part: re.Match[str]) -> str:
        if part["literal"]:
            return part["literal"]
        return _value_of(part["name"], part["default"], environ, place, problems)

    return _PARTS.sub(replacement, text)


def _value_of(
    name: str,
    default: str | None,
    environ: Mapping[str, str],
    place: str,
    problems: list[Problem],
) -> str:
    """Return what a variable stands for; empty where that is a problem."""
    value = environ.get(name)
    if value:
        if not is_storable(value):
            what = f"the environment variable {name} holds bytes that are not UTF-8"
            problems.append(Problem(place, what))
        return value
    if default is not None:
        return default
    state = "is not set" if value is None else "is set, but empty"
    problems.append(Problem(place, f"the environment variable {name} {state}"))
    return ""


def is_storable(text: str) -> bool:
    """Return whether Postgres can store a text and UTF-8 can encode it."""
    if "\0" in text:
        return False
    # Half of a surrogate pair: Python's stand-in for bytes that are not UTF-8.
    return not any("\ud800" <= character <= "\udfff" for character in text)


def variables(value: Json) -> tuple[str, ...]:
    """Return the variables in a text, as ``${NAME}``; none where it is no text."""
    if not isinstance(value, str):
        return ()
    names = [part["name"] for part in _PARTS.finditer(value)]
    return tuple(f"${{{name}}}" for name in names if name)


def with_defaults(text: str) -> str:
    """Return a text as it reads where no environment variable is set."""
    return _PARTS.sub(lambda part: part["literal"] or part["default"] or "", text)


def is_variable(value: Json) -> bool:
    """Return whether a raw value is a single variable without a default."""
    if not isinstance(value, str):
        return False
    variable = VARIABLES.fullmatch(value.strip())
    return variable is not None and variable["default"] is None
