"""Fields of contacts: names with a prefix, values that are set or cleared.

Twins show the fields of a contact flat, in one dict: plain fields under the vendor's
own names, custom fields and lists under a prefix, such as ``custom.plan``. Inside, most
of them keep plain and custom fields apart. The functions here go from one form to the
other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncengine.model.http import Json


def under_prefix(fields: Mapping[str, Json], prefix: str) -> dict[str, Json]:
    """Return the fields whose names begin with a prefix, under the names without it."""
    found = {}
    for name, value in fields.items():
        if name.startswith(prefix):
            found[name.removeprefix(prefix)] = value
    return found


def with_prefix(fields: Mapping[str, Json], prefix: str) -> dict[str, Json]:
    """Return the fields with a prefix before their names."""
    return {f"{prefix}{name}": value for name, value in fields.items()}


def picked(fields: Mapping[str, Json], names: Iterable[str]) -> dict[str, Json]:
    """Return those of the named fields that are there, in the order of the names."""
    return {name: fields[name] for name in names if name in fields}


def set_or_clear(fields: dict[str, Json], name: str, value: Json) -> None:
    """Set a field, or remove it for None."""
    if value is None:
        fields.pop(name, None)
    else:
        fields[name] = value


def filled(fields: Mapping[str, Json]) -> list[str]:
    """Return the names of the fields that have a value: neither None nor empty."""
    return [name for name, value in fields.items() if value not in (None, "")]


def is_text(value: Json) -> bool:
    """Return whether a value is a text with something in it."""
    return isinstance(value, str) and value != ""


def is_whole_number(value: Json) -> bool:
    """Return whether a value is a whole number.

    To Python ``True`` is a number too; to JSON it is not.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Json) -> bool:
    """Return whether a value is a number, whole or not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
