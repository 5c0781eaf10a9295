"""Row values out of Postgres's JSON. Pure.

Postgres writes each row as JSON, and what is read here has to mean exactly the same: a
number keeps all of its digits, even where a float has not enough of them. Values that
no vendor can be sent (NaN, infinite dates, halves of characters) become ``Unusable``,
which says why: such a value is rejected by name, and does not end the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import orjson

from syncengine.model.bounds import DEEPEST_VALUE, LONGEST_ROW
from syncengine.model.columns import ColumnKind
from syncengine.model.http import Json
from syncengine.model.texts import is_storable
from syncengine.model.work import Unusable
from syncengine.storage.source.column_types import Column

_LONG = range(-(2**63), 2**63)
"""Integers that JSON encoders accept."""
_MANY_DIGITS = re.compile(r"\d[\d.]{15}|\d[eE][+-]?\d{3}")
"""Numbers that a float may not hold exactly: more than 15 digits, or an exponent of
three."""
_COMMON_DATE = re.compile(r"\d{4}-\d\d-\d\d(?!.* BC)")
"""Dates from the year 1 to 9999, which vendors and Python know."""
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
"""Texts of numeric and float values that are no number."""

_NO_TEXT = Unusable(
    "holds a character that no text may hold (NUL, or half of a character)"
)
_NO_NUMBER = Unusable("holds NaN or infinity, which is not a number")
_NO_DATE = Unusable(
    "holds a date that is infinite, before the year 1 or after the year 9999"
)
_NO_INTERVAL = Unusable("holds an infinite interval")
TOO_DEEP = Unusable(f"holds a value that nests deeper than {DEEPEST_VALUE} levels")
TOO_LONG = Unusable(f"holds more than {LONGEST_ROW:,} characters")
UNREADABLE = Unusable("holds text that cannot be converted to UTF-8")


def decode(values: str, columns: Sequence[Column]) -> tuple[Json, ...] | None:
    """Return the values of ``row_to_json(ROW(...))`` in order.

    ``Unusable`` stands for those that cannot be sent. None where one of them nests too
    deeply to be read.
    """
    # orjson is many times faster, and makes a float of each number with a fraction. So
    # it reads only rows without a number that a float may not hold exactly.
    decoded: dict[str, Json] | None
    if _MANY_DIGITS.search(values) is None:
        try:
            decoded = orjson.loads(values)
        except orjson.JSONDecodeError:
            # Half a character, or values that nest too deeply: the other reader can say
            # which of the two it is.
            decoded = _decode_exactly(values)
    else:
        decoded = _decode_exactly(values)
    if decoded is None:
        return None
    # Postgres writes NUL and halves of characters as escapes, and hardly ever another
    # character. Only rows with such escapes are searched, value by value.
    suspicious = "\\u0000" in values or "\\ud" in values.lower()
    return tuple(
        _checked(value, column, suspicious=suspicious)
        for value, column in zip(decoded.values(), columns, strict=True)
    )


def number(text: str) -> int | float | str:
    """Return a number as Postgres writes it, exactly.

    An int when it is integral and fits 64 bits, a float when that float's shortest text
    means the same, else the text without trailing zeros.
    """
    if "e" not in text.lower():
        return _plain_number(text)
    return _float_or_text(text)


def _plain_number(text: str) -> int | float | str:
    """Return a number without an exponent, exactly (see ``number``)."""
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text.lstrip("-").isdigit():
        # Longer ones are no int64, and int() refuses thousands of digits.
        if len(text) > 20:
            return text
        whole = int(text)
        if whole in _LONG:
            return whole
        return text
    return _float_or_text(text)


def _float_or_text(text: str) -> float | str:
    """Return a float where its shortest text means the same, else the text."""
    close = float(text)
    if _is_exact(close, text):
        return close
    return text


def _is_exact(close: float, text: str) -> bool:
    """Return whether a float's shortest text is the same number as the text."""
    try:
        return Decimal(repr(close)) == Decimal(text)
    except InvalidOperation:
        # An exponent beyond what even decimals have, or a float that is infinite.
        return False


def _decode_exactly(values: str) -> dict[str, Json] | None:
    """Decode with every digit, slowly; return None for what nests too deeply."""
    try:
        decoded: dict[str, Json] = json.loads(
            values, parse_int=number, parse_float=_exact_float
        )
    except RecursionError:
        return None
    return decoded


def _exact_float(text: str) -> int | float | str:
    """Return what orjson reads (1.0 is a float), unless that loses a digit."""
    close = float(text)
    if _is_exact(close, text):
        return close
    return number(text)


def _checked(value: Json, column: Column, *, suspicious: bool) -> Json:
    """Return the value as it goes on, by the type of its column."""
    if value is None:
        return None
    if not _is_shallow(value):
        return TOO_DEEP
    if suspicious and not _is_text(value):
        return _NO_TEXT
    convert = _BY_KIND.get(column.kind)
    if convert is None:
        return value
    return _each(value, convert)


def _each(value: Json, convert: Callable[[Json], Json]) -> Json:
    """Convert a value, or those in an array.

    One unusable value makes the whole array unusable.
    """
    if value is None:
        return None
    if not isinstance(value, list):
        return convert(value)
    items = [_each(item, convert) for item in value]
    for item in items:
        if isinstance(item, Unusable):
            return item
    return items


def _numeric(value: Json) -> Json:
    if value in _NO_NUMBERS:
        return _NO_NUMBER
    return number(value)


def _float(value: Json) -> Json:
    if value in _NO_NUMBERS:
        return _NO_NUMBER
    return value


def _date(value: Json) -> Json:
    if _COMMON_DATE.match(value):
        return value
    return _NO_DATE


def _interval(value: Json) -> Json:
    if "infinity" in value:
        return _NO_INTERVAL
    return value


_BY_KIND: dict[ColumnKind, Callable[[Json], Json]] = {
    ColumnKind.NUMERIC: _numeric,
    ColumnKind.FLOAT: _float,
    ColumnKind.DATE: _date,
    ColumnKind.TIMESTAMP: _date,
    ColumnKind.INTERVAL: _interval,
}
"""Conversions by kind; values of all other kinds stay as JSON has them."""


def _is_shallow(value: Json) -> bool:
    """Return whether a value nests no deeper than allowed.

    Walks level by level: recursion would fail on the values this is to catch.
    """
    if not isinstance(value, dict | list):
        return True
    level = [value]
    for _ in range(DEEPEST_VALUE):
        parts: list[Json] = []
        for container in level:
            parts += _parts(container)
        level = _containers(parts)
        if not level:
            return True
    return False


def _containers(values: list[Json]) -> list[Json]:
    return [value for value in values if isinstance(value, dict | list)]


def _parts(container: Json) -> list[Json]:
    """Return the values in an object or array."""
    if isinstance(container, dict):
        return list(container.values())
    parts: list[Json] = container
    return parts


def _is_text(value: Json) -> bool:
    """Return whether all text in a value, keys included, can be stored.

    UTF-8 must be able to encode it, and Postgres to keep it.
    """
    if isinstance(value, str):
        return is_storable(value)
    if isinstance(value, list):
        return all(_is_text(item) for item in value)
    if isinstance(value, dict):
        return all(_is_text(key) and _is_text(item) for key, item in value.items())
    return True
