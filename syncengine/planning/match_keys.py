"""Match keys of a contact, and their hashes: ownership only needs equality."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Known, MatchKey
from syncengine.model.emails import email_forms
from syncengine.model.mapping import Mapping
from syncengine.model.phones import phone_forms
from syncengine.planning.normalise import text


def key_hash(key: MatchKey) -> bytes:
    """Return 16 bytes of SHA-256 over field and value.

    They are the same for all values by which a vendor knows one person.
    """
    return hashlib.sha256(f"{key.field}\0{_person(key.value)}".encode()).digest()[:16]


def _person(value: str) -> str:
    """Return one spelling for all spellings by which a person may be known.

    Addresses have several spellings, and so have the numbers by which WhatsApp may know
    a person.
    """
    if "@" in value:
        return email_forms(value)[0]
    if _OF_TWO_FORMS.fullmatch(value):
        return "+" + min(phone_forms(value[1:]))
    return value


_OF_TWO_FORMS = re.compile(r"\+5[245][0-9]{10,11}")
"""Numbers of Mexico, Argentina and Brazil."""


def hashes(keys: Sequence[MatchKey]) -> list[bytes]:
    """Return the hashes of a contact's keys, in order."""
    return [key_hash(key) for key in keys]


def keys_at_vendor(known: Known, capabilities: Capabilities) -> tuple[MatchKey, ...]:
    """Return the keys by which a vendor that only finds can be asked for a contact.

    Keys by which the vendor shows all contacts that have them come first.
    """
    taken_in = (known.key,) if known.key else ()
    values = (
        MatchKey(name, text(value))
        for name, value in known.fields.items()
        if value not in (None, "") and not isinstance(value, dict | list)
    )
    keys = (
        key
        for key in dict.fromkeys((*taken_in, *values))
        if matches(key.field, capabilities.find_by)
    )
    return tuple(
        sorted(keys, key=lambda key: matches(key.field, capabilities.shows_one))
    )


def may_collide(mapping: Mapping, source_key: str) -> bool:
    """Return whether two contacts can ask for the same match key.

    They cannot when all keys come straight from the source key.
    """
    columns = {field.field: field for field in mapping.fields}
    return any(
        columns[name].column != source_key or columns[name].form is not None
        for name in mapping.match_on
    )
