"""Find contacts that a twin stores twice.

A duplicate is what our engine must never make, whatever fails. Tests look for them here
after each run, without knowing which contact the engine meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits

_PHONE_FIELDS = ("phone", "phoneNumber", "phone_numbers")
"""The standard fields of all vendors that hold phones, such as ``phoneNumber`` or
``phone_numbers.mobile``."""


def duplicates(
    contacts: Iterable[Mapping[str, Json]], key: str | None = None
) -> dict[str, dict[str, list[str]]]:
    """Return the ids of contacts that share a phone (by its digits) or a key.

    Contacts are in the form of ``Twin.contacts``. ``key`` names the field that tells
    contacts apart; None: the key that the vendor itself has, if any. The result is
    empty where there are no duplicates, and else like this::

        {"phone": {"49171234567": ["17", "18"]}, "key": {}}
    """
    by_phone: defaultdict[str, list[str]] = defaultdict(list)
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for contact in contacts:
        # A set: a contact that has one phone twice is no duplicate of itself.
        for number in set(_phone_digits(contact["fields"])):
            by_phone[number].append(contact["id"])
        own_key = contact["key"]
        if key:
            own_key = contact["fields"].get(key)
        if own_key:
            by_key[own_key].append(contact["id"])
    return {"phone": _shared(by_phone), "key": _shared(by_key)}


def _phone_digits(fields: Mapping[str, Json]) -> Iterator[str]:
    """Yield the digits of all phones of a contact."""
    for name, value in fields.items():
        head, _, _ = name.partition(".")
        if head not in _PHONE_FIELDS:
            continue
        # Only charles has several phones of one type; they are a list.
        phones = value if isinstance(value, list) else [value]
        for phone in phones:
            number = digits(phone or "")
            if number:
                yield number


def _shared(ids_by_value: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the values that more than one contact has."""
    return {value: ids for value, ids in ids_by_value.items() if len(ids) > 1}
