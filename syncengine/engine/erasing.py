"""Look-up of the vendor contacts of a person who is to be erased.

The link may be missing, or may lead to a contact that is not there any more.
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
    """Return the match keys of a contact's row, and those that are known of it.

    They are those by which the vendor can be asked.
    """
    row = desired.keys if desired else ()
    every = dict.fromkeys((*row, *_known_keys(known, match_on)))
    return tuple(key for key in every if matches(key.field, capabilities.find_by))


def _known_keys(known: Known, match_on: Sequence[str]) -> Iterator[MatchKey]:
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

    What is ``erased`` already is left out: a look-up may show it for a while. Raises
    RequestFailed, AccountStopped, StorageError.
    """
    found: dict[str, MatchKey] = {}
    for key in keys:
        for remote in await retrier.run(
            partial(vendor.find, key), Meter(), repeatable=True
        ):
            if remote.external_id not in erased:
                found.setdefault(remote.external_id, key)
    owned = (
        await store.owners(contact_id, list(found), takes_over=False) if found else {}
    )
    free = {each: key for each, key in found.items() if each not in owned}
    return CopiesThere(free, owned)
