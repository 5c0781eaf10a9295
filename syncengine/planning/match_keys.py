"""Match keys, hashed: equality is all that ownership needs, so no personal data is stored for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from syncengine.model.contact import MatchKey
from syncengine.model.mapping import Mapping


def key_hash(key: MatchKey) -> bytes:
    """16 bytes of SHA-256 over field and value."""
    return hashlib.sha256(f"{key.field}\0{key.value}".encode()).digest()[:16]


def hashes(keys: Sequence[MatchKey]) -> list[bytes]:
    """The hashes of a contact's keys, in order."""
    return [key_hash(key) for key in keys]


def may_collide(mapping: Mapping, source_key: str) -> bool:
    """Whether two contacts can ask for the same match key: not when all keys come straight from the source key."""
    columns = {field.field: field for field in mapping.fields}
    return any(columns[name].column != source_key or columns[name].form is not None for name in mapping.match_on)
