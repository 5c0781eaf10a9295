"""Bring a source value into its normal form.

The mapping may give each field a form (``as: e164``): then "0171 / 234 56 78" is sent
as "+491712345678", and the same person always gets the same value. ``planning.mapping``
asks ``normalise`` for every value, and reports ``NotNormal`` for those that have no
such form.

VERSION is part of the salt of the source hash. Raising it makes every contact a
candidate once, which is needed when the same source value gets another normal form.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from zoneinfo import ZoneInfo

from syncengine.model.emails import read_email
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form
from syncengine.model.phones import read_phone
from syncengine.model.work import Unusable
from syncengine.model.written import NotReadError

VERSION = 2

# Words that Postgres reads as a boolean as well.
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?P<offset> ?(?:Z|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?))?"
)
_WHOLE = range(-(2**63), 2**64)
"""The whole numbers that JSON's readers and writers agree on."""


class NotNormal(ValueError):
    """A value that cannot be brought into its field's form. Never repeats the value."""


def normalise(value: Json, mapping: FieldMapping) -> Json:
    """Return the value in the mapping's form; None stays None. Raises NotNormal."""
    if isinstance(value, Unusable):
        raise NotNormal(value.why)
    if value is None or mapping.form is None:
        return value
    return _FORMS[mapping.form](value, mapping)


def text(value: Json) -> str:
    """Return a scalar as text, the way JSON writes it, and without an exponent.

    Raises NotNormal for a list or an object.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise NotNormal("is a list or an object, not a single value")
    if isinstance(value, float) and "e" in str(value):
        return format(Decimal(str(value)), "f")
    return str(value)


# What follows are the forms: each function takes a value and its mapping, returns the
# value in the form (None where it is empty), and raises NotNormal.


def _e164(value: Json, mapping: FieldMapping) -> str | None:
    """Return a phone number in E.164."""
    try:
        return read_phone(value, mapping.region)
    except NotReadError as error:
        raise NotNormal(str(error)) from None


def _lower(value: Json, _: FieldMapping) -> str | None:
    """Return an e-mail address in its usual form; other text in lower case."""
    raw = text(value)
    if "@" in raw:
        try:
            return read_email(raw)
        except NotReadError:
            # The form is for any text, so an @ need not make it an address.
            pass
    return raw.strip().lower() or None


def _number(value: Json, _: FieldMapping) -> int | float | None:
    """Return a number that JSON can carry without losing a digit."""
    if isinstance(value, bool):
        return int(value)
    # ``text`` writes a float without an exponent, which may be hundreds of digits.
    raw = str(value) if isinstance(value, float) else text(value)
    raw = raw.strip()
    if not raw:
        return None
    if not _NUMBER.fullmatch(raw):
        raise NotNormal("is not a number")
    number = Decimal(raw)
    if _is_readable_whole(number):
        return value if isinstance(value, float) else int(number)
    nearest = float(number)
    # Infinity minus itself is no number, and not 0.
    is_finite = nearest - nearest == 0
    if is_finite and Decimal(repr(nearest)) == number:
        return nearest
    raise NotNormal("has more digits than a JSON number can carry: send it as: text")


def _is_readable_whole(number: Decimal) -> bool:
    """Return whether a number is whole and every reader of JSON takes it."""
    # ``1e9999`` is whole as well: its size is looked at before it is written out.
    is_whole = number == number.to_integral_value() and number.adjusted() < 20
    return is_whole and int(number) in _WHOLE


def _boolean(value: Json, _: FieldMapping) -> bool | None:
    """Return a boolean, which a text or the numbers 0 and 1 may spell."""
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


def _date(value: Json, mapping: FieldMapping) -> str | None:
    """Return a date, or the date of a moment in the field's time zone."""
    raw = text(value).strip()
    if not raw:
        return None
    moment = _MOMENT.fullmatch(raw)
    if not moment and not _DAY.fullmatch(raw):
        raise NotNormal("is not a date (YYYY-MM-DD)")
    offset = moment["offset"] if moment else None
    if offset is not None:
        # Postgres and people write a blank before the offset; Python reads none there.
        raw = raw.replace(offset, offset.strip())
    try:
        parsed = dt.datetime.fromisoformat(raw)
    except (ValueError, OverflowError):
        # It has the form of a date, such as a 30th of February.
        raise NotNormal("is not a date (YYYY-MM-DD)") from None
    if offset is None:
        # Without an offset nobody knows the zone: the date is taken as it is written.
        return parsed.date().isoformat()
    zone = mapping.zone or "UTC"
    try:
        return parsed.astimezone(ZoneInfo(zone)).date().isoformat()
    except (ValueError, OverflowError):
        raise NotNormal(
            f"is a moment whose day in the zone {zone} is before the year 1 "
            "or after the year 9999"
        ) from None


_FORMS: dict[Form, Callable[[Json, FieldMapping], Json]] = {
    Form.E164: _e164,
    Form.TEXT: lambda value, _: text(value),
    Form.LOWER: _lower,
    Form.NUMBER: _number,
    Form.BOOLEAN: _boolean,
    Form.DATE: _date,
}
