"""Look-up of the vendor contacts of a person who is to be erased.

The verb ``forget`` deletes the linked contact. The link may be missing, though, or lead
to a contact that is not there any more, and the vendor may have the person more than
once: so the person is looked up by each match key as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Desired, Known, MatchKey
from syncengine.planning.normalise import text
from syncengine.ports import ContactStore, Vendor


@dataclass(frozen=True, slots=True)
class CopiesThere:
    """The vendor contacts that a person's match keys find."""

    free: Mapping[str, MatchKey] = field(default_factory=dict)
    """Those that no other contact of ours owns, each with the key that found it."""
    owned: Mapping[str, str] = field(default_factory=dict)
    """Those of other contacts of ours, each with its owner."""


def keys_of_person(
    desired: Desired | None,
    known: Known,
    match_on: Sequence[str],
    capabilities: Capabilities,
) -> tuple[MatchKey, ...]:
    """Return the match keys of a contact by which the vendor can be asked.

    They are those of its row, if it has one, and those that are known of it. Each comes
    once.
    """
    keys: list[MatchKey] = []
    if desired is not None:
        keys += desired.keys
    keys += _known_keys(known, match_on)
    unique_keys = dict.fromkeys(keys)
    return tuple(key for key in unique_keys if matches(key.field, capabilities.find_by))


def _known_keys(known: Known, match_on: Sequence[str]) -> Iterator[MatchKey]:
    """Yield the keys that the vendor contact has, or may have."""
    if known.key:
        yield known.key
    if known.pending:
        yield from known.pending.keys
    for name in match_on:
        value = known.fields.get(name)
        if value not in (None, ""):
            yield MatchKey(name, text(value))


async def copies_there(
    vendor: Vendor,
    retrier: Retrier,
    store: ContactStore,
    contact_id: str,
    keys: Sequence[MatchKey],
    erased: Collection[str] = (),
) -> CopiesThere:
    """Look a person up by each key.

    ``erased`` are external ids that were erased already: a look-up may still show them
    for a while, and they are left out. Raises RequestFailed, AccountStopped,
    StorageError.
    """
    found: dict[str, MatchKey] = {}
    for key in keys:
        look = partial(vendor.find, key)
        for remote in await retrier.run(look, Meter(), repeatable=True):
            if remote.external_id not in erased:
                # The first key that finds a contact is the one that is reported.
                found.setdefault(remote.external_id, key)
    owned: Mapping[str, str] = {}
    if found:
        owned = await store.owners(contact_id, list(found), takes_over=False)
    free = {each: key for each, key in found.items() if each not in owned}
    return CopiesThere(free, owned)
