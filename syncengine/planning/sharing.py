"""Claims of other destinations of an account on a contact that left one of them.

Two destinations may share an account, such as one of leads and one of customers. When a
contact leaves the source of one, its copy must not be deleted or untagged if the other
one still wants it. It does where one of its rows asks for a match key that the copy
has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from syncengine.model.calls import Rejected
from syncengine.model.contact import LISTS, Desired, Fields, Known, MatchKey, Pending
from syncengine.planning.match_keys import hashes
from syncengine.planning.normalise import text


@dataclass(frozen=True, slots=True)
class WantedByOthers:
    """The part of a vendor contact that other destinations want to keep."""

    tags: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    """Names of list fields."""
    everything: bool = False
    """True where another destination selects the contact, and its row opted out or
    cannot be made into a contact: then nothing at all is taken away."""

    def __or__(self, other: WantedByOthers) -> WantedByOthers:
        return WantedByOthers(
            tags=self.tags | other.tags,
            lists=self.lists | other.lists,
            everything=self.everything or other.everything,
        )


def wanted_by_row(desired: Desired) -> WantedByOthers:
    """Return what a row of another destination wants of its vendor contact."""
    lists = frozenset(name for name in desired.fields if name.startswith(LISTS))
    return WantedByOthers(tags=desired.tags, lists=lists)


def keys_there(known: Known, fields: frozenset[str]) -> tuple[MatchKey, ...]:
    """Return the match keys that a vendor contact has, or may have.

    ``fields`` are those by which another destination matches its contacts.
    """
    pending = known.pending or Pending()
    keys: list[MatchKey] = []
    # In order: the key it was created under, those of an unknown create, then every
    # value that it is known to have, or may have.
    # Where the field of the key is known, a later write may have set another value
    # than the one the contact was created under: then the known value counts.
    if known.key is not None and known.key.field not in known.fields:
        keys.append(known.key)
    keys += pending.keys
    keys += _values_as_keys(known.fields)
    keys += _values_as_keys(pending.fields)
    return tuple(key for key in dict.fromkeys(keys) if key.field in fields)


def share_a_key(desired: Desired | Rejected, there: frozenset[bytes]) -> bool:
    """Return whether a row asks for one of these match keys, given by their hashes."""
    if isinstance(desired, Rejected):
        return False
    return not there.isdisjoint(hashes(desired.keys))


def _values_as_keys(fields: Fields) -> Iterator[MatchKey]:
    """Yield each field with a single value as the key that it would be."""
    for name, value in fields.items():
        is_single = not isinstance(value, dict | list)
        if is_single and value not in (None, ""):
            yield MatchKey(name, text(value))
