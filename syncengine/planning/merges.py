"""Merges of two vendor contacts, of which one is left.

Which one is left is the vendor's choice, and a lost answer leaves it unknown. So all
that is known becomes unknown before the request goes out, and is read back afterwards.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Known, Pending, Remote
from syncengine.planning.intents import combined_intent, with_all_unknown


def before_merge(known: Known, other: Remote) -> Known:
    """Return what is known of a contact that is about to be merged with another one.

    All of it is unknown until the vendor shows the one that is left. Tags that the
    other one has by itself are not ours to remove afterwards.
    """
    ours = replace(
        known, tags=known.tags - other.tags, found_tags=known.found_tags | other.tags
    )
    open_merge = Pending(merged_with=other.external_id, age=0.0)
    earlier = known.pending or Pending()
    return with_all_unknown(ours, combined_intent(earlier, open_merge))


def has_open_merge(known: Known) -> bool:
    """Return whether it is unknown which of two merged contacts is left."""
    return known.pending is not None and known.pending.merged_with is not None


def after_merge(known: Known) -> Known:
    """Return what is known once it has been found out which contact is left.

    Its values stay unknown until it is read back.
    """
    if known.pending is None:
        return known
    return replace(known, pending=replace(known.pending, merged_with=None))


def with_external_id(known: Known, external_id: str) -> Known:
    """Return the same knowledge of the vendor contact with this id."""
    return replace(known, external_id=external_id)


def merge_wait(known: Known, capabilities: Capabilities) -> float:
    """Return the seconds after which the vendor shows the result of a merge.

    0 where it does already.
    """
    if known.pending is None or known.pending.age is None:
        return 0.0
    return max(0.0, capabilities.settles_within - known.pending.age)
