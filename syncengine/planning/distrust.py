"""Distrust of what is known: after a restore it may be out of date, all of it.

``syncengine run --resync`` marks a destination's contacts as distrusted. Their values
move from what is known to what is pending, and so count as unknown. Each contact is
then read back where the vendor shows it, which settles them, and is sent whole where it
does not.

A ``model.distrust.Distrust`` holds what the rule needs to know of the mapping and the
vendor. ``storage`` applies the same rule to all contacts at once, in SQL; the functions
here apply it to one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending, Remote
from syncengine.model.distrust import Distrust
from syncengine.model.http import Json
from syncengine.model.unknown_parts import part_of
from syncengine.model.work import ContactState, Status
from syncengine.planning.found_contacts import known_from_remote
from syncengine.planning.normalise import text


def distrust_of(fields: Sequence[str], capabilities: Capabilities) -> Distrust:
    """Return the distrust of a destination with these mapped fields."""
    # The writes that can change a contact which exists.
    settable: list[str] = []
    clearable: list[str] = []
    for write in (capabilities.update, capabilities.upsert, capabilities.set_lifecycle):
        if write is not None:
            settable += write.fields
            clearable += write.clears
    fixed: list[str] = []
    kept: list[str] = []
    emptied: list[str] = []
    for name in fields:
        if name.startswith(LISTS):
            continue
        # Patterns are tuples, which the cache of ``matches`` needs.
        if not matches(name, tuple(settable)):
            fixed.append(name)
        if matches(name, capabilities.accumulates):
            kept.append(name)
        if matches(name, tuple(clearable)):
            emptied.append(name)
    return Distrust(
        fixed=tuple(fixed),
        kept=tuple(kept),
        emptied=tuple(emptied),
        opt_outs=capabilities.opt_outs,
    )


def with_distrust(known: Known, distrust: Distrust) -> Known:
    """Return what is known with its values marked unknown; its vendor id stays."""
    # These stay known. Fixed fields cannot have changed. Of fields that keep all
    # values, and of opt-outs, what was known is still there, but there may be more:
    # they are known and unknown at once.
    still_known = {*distrust.fixed, *distrust.kept, *_opted_out_in(known, distrust)}
    known_fields: dict[str, Json] = {}
    distrusted_fields: dict[str, Json] = {}
    for name, value in known.fields.items():
        if name in still_known:
            known_fields[name] = value
        if name not in distrust.fixed:
            distrusted_fields[name] = value
    # Fields that can be cleared may have a value that is not known: they are unknown
    # even where nothing was known of them.
    may_have_value = dict.fromkeys(distrust.emptied)
    pending = known.pending or Pending()
    unknown = replace(
        pending,
        fields={**may_have_value, **distrusted_fields, **pending.fields},
        add_tags=known.tags | pending.add_tags,
        distrusted=True,
        # Which run sent what is not told from what is only distrusted.
        run_id=None,
        senders={},
    )
    return replace(
        known, fields=known_fields, tags=frozenset(), pending=unknown, empty=()
    )


def _opted_out_in(known: Known, distrust: Distrust) -> set[str]:
    """Return the fields in which the contact is known to have opted out."""
    opted_out: set[str] = set()
    for opt_out in distrust.opt_outs:
        name = opt_out.field
        if name in known.fields and opt_out.is_opted_out(known.fields[name]):
            opted_out.add(name)
    return opted_out


def distrusted_state(state: ContactState, distrust: Distrust) -> ContactState:
    """Return the state of a contact once a re-sync has distrusted it."""
    known = state.known
    if known.external_id is not None:
        known = with_distrust(known, distrust)
    status = state.status
    if status is Status.SYNCED:
        status = Status.PENDING
    distrusted = replace(state, known=known, status=status)
    if state.status is Status.REMOVED:
        # It keeps its hashes: its row is gone, and nothing is sent of it.
        return distrusted
    return replace(distrusted, source_hash=None, rejected_hash=None)


def known_before_distrust(known: Known) -> Known:
    """Return what was known before it was distrusted, for brakes and forecasts.

    They would otherwise take every field and tag for new.
    """
    pending = known.pending
    if pending is None or not pending.distrusted:
        return known
    # None stands for a field that may have a value of which nothing was known.
    distrusted_fields = {
        name: value for name, value in pending.fields.items() if value is not None
    }
    return replace(
        known,
        fields={**distrusted_fields, **known.fields},
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
    """Return what is known of a distrusted contact now that the vendor has shown it.

    The arguments mean what they mean to ``known_from_remote``.
    """
    shown = known_from_remote(remote, desired, known, same, hidden, prefix=prefix)
    # What stayed known under distrust, and the vendor does not show, is still true.
    unshown = {
        name: value for name, value in known.fields.items() if name not in remote.fields
    }
    present_key = _present_key(remote, shown, same)
    shown = replace(shown, fields={**unshown, **shown.fields}, key=present_key)
    if remote.shows_tags:
        return shown
    # Nothing was learned about tags: what was unknown of them stays so.
    before = known.pending or Pending()
    pending: Pending | None = part_of(
        before,
        fields=shown.unknown_fields,
        add_tags=before.add_tags,
        remove_tags=before.remove_tags,
    )
    if pending == Pending():
        pending = None
    return replace(
        shown, tags=frozenset(), found_tags=known.found_tags, pending=pending
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
