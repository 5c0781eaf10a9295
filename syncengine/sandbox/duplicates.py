"""Contacts a twin holds twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from syncengine.model.http import Json


def duplicates(
    contacts: Iterable[Mapping[str, Json]], key: str | None = None
) -> dict[str, dict[str, list[str]]]:
    """The ids of contacts that share a phone (by its digits) or a key, as ``Twin.contacts`` shows them.

    The key is the vendor's own, or the field that is named.
    """
    by_phone: defaultdict[str, list[str]] = defaultdict(list)
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for contact in contacts:
        for digits in {
            "".join(filter(str.isdecimal, phone))
            for phone in _phones(contact["fields"])
        } - {""}:
            by_phone[digits].append(contact["id"])
        own = contact["fields"].get(key) if key else contact["key"]
        if own:
            by_key[own].append(contact["id"])
    return {"phone": _shared(by_phone), "key": _shared(by_key)}


def _phones(fields: Mapping[str, Json]) -> Iterator[str]:
    """Yield the phones in the standard fields of all vendors.

    Such fields are ``phoneNumber`` or ``phone_numbers.mobile``.
    """
    for name, value in fields.items():
        if name.partition(".")[0] in ("phone", "phoneNumber", "phone_numbers"):
            phones = value if isinstance(value, list) else [value]
            yield from (phone for phone in phones if phone)


def _shared(holders: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {value: ids for value, ids in holders.items() if len(ids) > 1}
