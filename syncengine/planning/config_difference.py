"""Difference between two plans over the same rows and state.

The *earlier* plan is made under the configuration as it was, the *present* one as it
is. What only the present one would send is what the change of configuration sends.

Contacts of the earlier plan are remembered by short hashes of what would be sent about
them: about 200 bytes each. The present plan is only looked at, contact by contact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import orjson

from syncengine.model.calls import Call
from syncengine.model.contact import Known
from syncengine.planning.planned_changes import (
    ChangeCounter,
    FieldChange,
    TagEffect,
    field_changes,
    tag_changes,
)

_LENGTH = 8
"""Bytes of a hash."""


class EarlierPlan:
    """Plan under the earlier configuration."""

    def __init__(self) -> None:
        self._sent: dict[str, bytes] = {}
        """Hashes of the changes of each contact, one behind the other."""

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, contact_id: str, calls: Sequence[Call], known: Known) -> None:
        """Remember a contact about which something would be sent."""
        if calls:
            hashes = _hashes(field_changes(calls, known), tag_changes(calls))
            # One value of bytes for each contact takes far less memory than a set of
            # hashes.
            self._sent[contact_id] = b"".join(hash_ for _, hash_ in hashes)

    def of(self, contact_id: str) -> frozenset[bytes] | None:
        """Return the hashes of what would be sent about a contact; None for nothing."""
        sent = self._sent.get(contact_id)
        if sent is None:
            return None
        starts = range(0, len(sent), _LENGTH)
        return frozenset(sent[start : start + _LENGTH] for start in starts)


class ConfigDifference:
    """Part of the present plan that the earlier one lacks."""

    def __init__(self, earlier: EarlierPlan) -> None:
        self.only_now = 0
        """Contacts about which nothing was sent under the earlier configuration."""
        self.more = 0
        """Contacts about which something else or more is sent."""
        self.changes = ChangeCounter()
        """The fields and tags that only the present plan would send."""
        self._earlier = earlier
        self._still_sent = 0

    @property
    def no_longer(self) -> int:
        """Return the number of contacts about which nothing is sent any more."""
        return len(self._earlier) - self._still_sent

    def add(self, contact_id: str, calls: Sequence[Call], known: Known) -> None:
        """Compare a contact about which something would be sent now."""
        if not calls:
            return
        fields, tags = field_changes(calls, known), tag_changes(calls)
        sent = self._earlier.of(contact_id)
        if sent is None:
            self.only_now += 1
            self.changes.add_changes(fields, tags)
            return
        self._still_sent += 1
        new = {name for name, hash_ in _hashes(fields, tags) if hash_ not in sent}
        if new:
            self.more += 1
            self.changes.add_changes(
                {name: each for name, each in fields.items() if ("", name) in new},
                {tag: each for tag, each in tags.items() if ("tag", tag) in new},
            )


def _hashes(
    fields: dict[str, FieldChange], tags: dict[str, TagEffect]
) -> Iterator[tuple[tuple[str, str], bytes]]:
    """Yield each change with the hash of what it sends.

    The first part of the name is "tag" for tags, and empty for fields.
    """
    for name, change in fields.items():
        yield ("", name), _hash(name, change.new)
    for tag, effect in tags.items():
        yield ("tag", tag), _hash("tag", tag, effect.value)


def _hash(*parts: object) -> bytes:
    content = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(content, digest_size=_LENGTH).digest()
