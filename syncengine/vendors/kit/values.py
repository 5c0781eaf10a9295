"""Values as text, and comparing them with what a vendor made of them."""

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


def text(value: Json) -> str:
    """Return a value as the text a person would write.

    That is ``true``, ``3`` for 3.0, no exponents; lists and objects are JSON.
    """
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
    ours, theirs = text(ours), text(theirs)
    if ours == theirs or (digits(ours) and digits(ours) == digits(theirs)):
        return True
    held = phone_digits(theirs)
    return bool(held) and held in phone_forms(phone_digits(ours))


def is_phone_of(key: MatchKey, theirs: Json) -> bool:
    """Return whether a phone at the vendor is surely the key's, in any spelling."""
    if E164.fullmatch(key.value):
        return surely_same(key.value, theirs, key.region)
    return same_phone(key.value, theirs)


def may_be_phone_of(key: MatchKey, theirs: Json) -> bool:
    """Return whether a phone at the vendor has the digits of the key's number."""
    return E164.fullmatch(key.value) is not None and may_be_same(key.value, theirs)


def phone_spellings(value: str) -> tuple[str, ...]:
    """Return a number without its ``+``, then its other number at WhatsApp, if any."""
    return value.removeprefix("+"), *phone_forms(phone_digits(value))[1:]


def same_mailbox(ours: str, theirs: str) -> bool:
    """Return whether two e-mail addresses are one mailbox, and so one person."""
    return bool(ours) and ours.lower() == theirs.lower()


def same_time(ours: Json, theirs: Json) -> bool:
    """Return whether both are one moment in ISO 8601, or our date is the day of theirs.

    Moments without a zone are read as UTC.
    """
    mine, held = text(ours), text(theirs)
    try:
        there = _utc(datetime.fromisoformat(held))
        if _A_DAY.fullmatch(mine):
            return there.date() == date.fromisoformat(mine)
        return _utc(datetime.fromisoformat(mine)) == there
    except (TypeError, ValueError, OverflowError):
        return False


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def same_json(ours: Json, theirs: Json) -> bool:
    """Return whether two JSON values are equal: 3 is 3.0, but true is not 1."""
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


def same_text(ours: Json, theirs: Json) -> bool:
    """Return whether a vendor that keeps every value as text has ours.

    Null and the empty text are the same.
    """
    shown = text(theirs)
    if isinstance(ours, bool):
        return shown.lower() == text(ours)
    if isinstance(ours, int | float):
        return _number(shown) == _number(text(ours))
    return shown == text(ours)


def _number(value: str) -> Decimal | str:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return number if number.is_finite() else value
