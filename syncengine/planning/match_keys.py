"""Match keys of a contact, and their hashes.

A match key (``model.contact.MatchKey``) is a field and a value by which the vendor
recognises a contact. Two contacts of an account must not ask for the same one. The
state compares their hashes to find out, which needs equality only, and keeps no
personal data.
"""

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

_OF_TWO_FORMS = re.compile(r"\+5[245][0-9]{10,11}")
"""Numbers of Mexico, Argentina and Brazil."""


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
        # Any choice will do, as long as both forms give the same.
        return "+" + min(phone_forms(value[1:]))
    return value


def hashes(keys: Sequence[MatchKey]) -> list[bytes]:
    """Return the hashes of a contact's keys, in order."""
    return [key_hash(key) for key in keys]


def keys_at_vendor(known: Known, capabilities: Capabilities) -> tuple[MatchKey, ...]:
    """Return the keys by which a vendor that only finds can be asked for a contact.

    These are the key it was created under and all its known values. Keys by which the
    vendor shows all contacts that have them come first: one by which it shows any one
    of several may show another contact.
    """
    keys = [*known.keys]
    for name, value in known.fields.items():
        is_single = not isinstance(value, dict | list)
        if is_single and value not in (None, ""):
            keys.append(MatchKey(name, text(value)))
    findable = [
        key for key in dict.fromkeys(keys) if matches(key.field, capabilities.find_by)
    ]

    def shows_one(key: MatchKey) -> bool:
        return matches(key.field, capabilities.shows_one)

    # False sorts before True.
    return tuple(sorted(findable, key=shows_one))


def may_collide(mapping: Mapping, source_key: str) -> bool:
    """Return whether two contacts can ask for the same match key.

    They cannot when all keys come straight from the source key.
    """
    mapped = {field.field: field for field in mapping.fields}
    match_fields = [mapped[name] for name in mapping.match_on]
    return any(
        field.column != source_key or field.form is not None for field in match_fields
    )
