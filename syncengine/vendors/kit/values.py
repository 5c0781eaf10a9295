"""Write values as text, and compare them with what a vendor made of them.

Vendors store values in forms of their own: a phone without its ``+``, a number as text,
a date as a moment. An adapter's ``same`` is made of the functions here. It decides
whether a contact is in step: a comparison that is too strict would write the same value
in every run, one that is too lenient would leave an old value there.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from syncengine.model.contact import MatchKey
from syncengine.model.http import Json
from syncengine.model.phones import (
    E164,
    may_be_same,
    phone_digits,
    phone_forms,
    surely_same,
)

_A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS = frozenset("0123456789")


def as_text(value: Json) -> str:
    """Return a value as the text a person would write.

    That is ``true``, ``3`` for 3.0, no exponents; lists and objects are JSON.
    """
    # Most values are texts: they are returned before anything else is asked.
    if isinstance(value, str):
        return value
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _plain(value)
        case int():
            return str(value)
        case _:
            return json.dumps(
                value, ensure_ascii=False, separators=(",", ":"), sort_keys=True
            )


def _plain(value: float) -> str:
    """Return a number without an exponent, and without a fraction of zero."""
    if value.is_integer():
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def digits(value: str) -> str:
    """Return the digits of a phone number; its ``+`` and its punctuation are form."""
    return "".join(character for character in value if character in _DIGITS)


def same_phone(ours: Json, theirs: Json) -> bool:
    """Return whether two phone numbers are one person's, in any spelling.

    The two numbers under which WhatsApp may know one person count as the same.
    """
    ours, theirs = as_text(ours), as_text(theirs)
    if ours == theirs:
        return True
    our_digits = digits(ours)
    if our_digits and our_digits == digits(theirs):
        return True
    shown = phone_digits(theirs)
    if not shown:
        return False
    # Our number, and the other one by which WhatsApp may know the person.
    return shown in phone_forms(phone_digits(ours))


def is_full_phone(value: str) -> bool:
    """Return whether a phone is written in full (E.164), such as ``+4915111223344``."""
    return E164.fullmatch(value) is not None


def is_phone_of(key: MatchKey, theirs: Json) -> bool:
    """Return whether a phone at the vendor is surely the key's, in any spelling."""
    if is_full_phone(key.value):
        return surely_same(key.value, theirs, key.region)
    return same_phone(key.value, theirs)


def may_be_phone_of(key: MatchKey, theirs: Json) -> bool:
    """Return whether a phone at the vendor has the digits of the key's number."""
    return is_full_phone(key.value) and may_be_same(key.value, theirs)


def phone_spellings(value: str) -> tuple[str, ...]:
    """Return a number without its ``+``, then its other number at WhatsApp, if any.

    WhatsApp knows some Mexican, Argentine and Brazilian mobiles with a digit more or
    less.
    """
    forms = phone_forms(phone_digits(value))
    # The first form is the number itself.
    return value.removeprefix("+"), *forms[1:]


def with_and_without_plus(value: str) -> tuple[str, ...]:
    """Return the spellings of a number, each with a ``+`` first and without it next."""
    spellings: list[str] = []
    for bare in phone_spellings(value):
        spellings += (f"+{bare}", bare)
    return tuple(spellings)


def is_uncommon_spelling(value: str, spelling: str) -> bool:
    """Return whether this is not the full number, with its ``+`` or without it.

    A vendor may refuse to look for such a spelling.
    """
    return spelling.removeprefix("+") not in phone_spellings(value)


def same_mailbox(ours: str, theirs: str) -> bool:
    """Return whether two e-mail addresses are one mailbox, and so one person."""
    return bool(ours) and ours.lower() == theirs.lower()


def same_time(ours: Json, theirs: Json) -> bool:
    """Return whether both are one moment in ISO 8601, or our date is the day of theirs.

    Moments without a zone are read as UTC.
    """
    sent, shown = as_text(ours), as_text(theirs)
    try:
        moment = _utc(datetime.fromisoformat(shown))
        if _A_DAY.fullmatch(sent):
            return moment.date() == date.fromisoformat(sent)
        return _utc(datetime.fromisoformat(sent)) == moment
    except (TypeError, ValueError, OverflowError):
        return False


def _utc(moment: datetime) -> datetime:
    """Return a moment in UTC, which is assumed where it has no zone."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def same_json(ours: Json, theirs: Json) -> bool:
    """Return whether two JSON values are equal: 3 is 3.0, but true is not 1."""
    if isinstance(ours, bool) != isinstance(theirs, bool):
        return False
    return bool(ours == theirs)


def same_text(ours: Json, theirs: Json) -> bool:
    """Return whether a vendor that keeps every value as text has ours.

    Null and the empty text are the same.
    """
    shown = as_text(theirs)
    if isinstance(ours, bool):
        return shown.lower() == as_text(ours)
    if isinstance(ours, int | float):
        return _number(shown) == _number(as_text(ours))
    return shown == as_text(ours)


def _number(value: str) -> Decimal | str:
    """Return the number that a text stands for, or the text where it is none."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite():
        return value  # "nan" and "inf" are names here, not numbers
    return number
