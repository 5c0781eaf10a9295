"""Distrust of what is known: after a restore it may be out of date, all of it.

Distrusted values become unknown, so that a contact is read back where the vendor shows
it, and is sent whole where it does not. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending, Remote
from syncengine.model.distrust import Distrust
from syncengine.model.http import Json
from syncengine.model.work import ContactState, Status
from syncengine.planning.found_contacts import known_from_remote
from syncengine.planning.normalise import text


def distrust_of(fields: Sequence[str], capabilities: Capabilities) -> Distrust:
    """Return the distrust of a destination with these mapped fields."""
    writes = (capabilities.update, capabilities.upsert, capabilities.set_lifecycle)
    later = [write for write in writes if write is not None]
    settable = tuple(name for write in later for name in write.fields)
    clearable = tuple(name for write in later for name in write.clears)
    plain = [name for name in fields if not name.startswith(LISTS)]
    return Distrust(
        fixed=tuple(name for name in plain if not matches(name, settable)),
        kept=tuple(name for name in plain if matches(name, capabilities.accumulates)),
        emptied=tuple(name for name in plain if matches(name, clearable)),
        opt_outs=capabilities.opt_outs,
    )


def with_distrust(known: Known, distrust: Distrust) -> Known:
    """Return what is known with its values marked unknown; its vendor id stays."""
    pending = known.pending or Pending()
    opt_outs = {
        opt_out.field
        for opt_out in distrust.opt_outs
        if opt_out.field in known.fields
        and opt_out.is_opted_out(known.fields[opt_out.field])
    }
    still_known = {*distrust.fixed, *distrust.kept, *opt_outs}
    distrusted = {
        name: value
        for name, value in known.fields.items()
        if name not in distrust.fixed
    }
    return replace(
        known,
        fields={
            name: value for name, value in known.fields.items() if name in still_known
        },
        tags=frozenset(),
        pending=replace(
            pending,
            # Fields that can be cleared may have a value that is not known: they are
            # unknown even where nothing was known of them.
            fields={
                **dict.fromkeys(distrust.emptied),
                **distrusted,
                **pending.fields,
            },
            add_tags=known.tags | pending.add_tags,
            distrusted=True,
        ),
    )


def distrusted_state(state: ContactState, distrust: Distrust) -> ContactState:
    """Return the state of a contact once a re-sync has distrusted it."""
    known = state.known
    if known.external_id is not None:
        known = with_distrust(known, distrust)
    status = state.status
    if status is Status.SYNCED:
        status = Status.PENDING
    # A removed contact keeps its hashes: its row is gone, and nothing is sent of it.
    is_removed = state.status is Status.REMOVED
    return replace(
        state,
        known=known,
        status=status,
        source_hash=state.source_hash if is_removed else None,
        rejected_hash=state.rejected_hash if is_removed else None,
    )


def known_before_distrust(known: Known) -> Known:
    """Return what was known before it was distrusted, as far as brakes are concerned.

    They would else take every field and tag for new.
    """
    pending = known.pending
    if pending is None or not pending.distrusted:
        return known
    values = {
        name: value for name, value in pending.fields.items() if value is not None
    }
    return replace(
        known,
        fields={**values, **known.fields},
        tags=known.tags | pending.add_tags,
        pending=None,
    )


def should_read_back(known: Known, capabilities: Capabilities) -> bool:
    """Return whether the contact is read before anything is sent about it."""
    distrusts = known.pending is not None and known.pending.distrusted
    shown = capabilities.reads or bool(capabilities.find_by)
    return distrusts and shown and known.external_id is not None


def known_from_read_back(
    remote: Remote,
    desired: Desired | None,
    known: Known,
    same: Callable[[str, Json, Json], bool],
    hidden: tuple[str, ...],
    prefix: str,
) -> Known:
    """Return what is known of a distrusted contact now that the vendor has shown it."""
    pending = known.pending or Pending()
    shown = known_from_remote(remote, desired, known, same, hidden, prefix=prefix)
    unshown = {
        name: value for name, value in known.fields.items() if name not in remote.fields
    }
    shown = replace(
        shown, fields={**unshown, **shown.fields}, key=_present_key(remote, shown, same)
    )
    if remote.shows_tags:
        return shown
    # Nothing was learned about tags: what was unknown of them stays so.
    unknown = replace(
        shown.pending or Pending(),
        add_tags=pending.add_tags,
        remove_tags=pending.remove_tags,
    )
    return replace(
        shown,
        tags=frozenset(),
        found_tags=known.found_tags,
        pending=unknown if unknown != Pending() else None,
    )


def _present_key(
    remote: Remote, known: Known, same: Callable[[str, Json, Json], bool]
) -> MatchKey | None:
    """Return the contact's match key, with the value that the vendor has for it now."""
    key = known.key
    if key is None:
        return None
    theirs = remote.fields.get(key.field)
    if theirs in (None, "") or same(key.field, key.value, theirs):
        return key
    return MatchKey(key.field, text(theirs))
