"""Bring a source value into its normal form. Raising VERSION makes every contact a candidate once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import phonenumbers

from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form
from syncengine.model.work import Unusable

VERSION = 1

_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


class NotNormal(ValueError):
    """A value that cannot be brought into the form its field asks for. The text does not repeat the value."""


def normalise(value: Json, mapping: FieldMapping) -> Json:
    """The value in the form the mapping asks for; None stays None. Raises NotNormal."""
    if isinstance(value, Unusable):
        raise NotNormal(value.why)
    if value is None or mapping.form is None:
        return value
    return _FORMS[mapping.form](value, mapping)


def text(value: Json) -> str:
    """A scalar as text, the way JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise NotNormal("is a list or an object, not a single value")
    return str(value)


def _e164(value: Json, region: str | None) -> str | None:
    raw = text(value).strip()
    if not raw:
        return None
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        raise NotNormal(f"is no phone number{_of(region)}") from None
    if not phonenumbers.is_possible_number(number):
        raise NotNormal(f"is no possible phone number{_of(region)} (too short or too long)")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _of(region: str | None) -> str:
    return f" of region {region}" if region else ""


def _number(value: Json) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    raw = text(value).strip()
    if not raw:
        return None
    for read in (int, float):
        try:
            number = read(raw)
        except ValueError:
            continue
        if isinstance(number, int) and not -(2**63) <= number < 2**64:
            raise NotNormal("has more digits than a JSON number can carry: send it as: text")
        if number - number == 0:  # neither NaN nor infinite: JSON has no such numbers
            return number
    raise NotNormal("is no number")


def _boolean(value: Json) -> bool | None:
    if isinstance(value, bool):
        return value
    raw = text(value).strip().lower()
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    if not raw:
        return None
    raise NotNormal("is neither true nor false")


def _date(value: Json) -> str | None:
    raw = text(value).strip()
    if not raw:
        return None
    try:
        return dt.date.fromisoformat(raw[:10]).isoformat()
    except ValueError:
        raise NotNormal("is no date (YYYY-MM-DD)") from None


_FORMS: dict[Form, Callable[[Json, FieldMapping], Json]] = {
    Form.E164: lambda value, mapping: _e164(value, mapping.region),
    Form.TEXT: lambda value, _: text(value),
    Form.LOWER: lambda value, _: text(value).strip().lower() or None,
    Form.NUMBER: lambda value, _: _number(value),
    Form.BOOLEAN: lambda value, _: _boolean(value),
    Form.DATE: lambda value, _: _date(value),
}
