"""Contacts that were found at the vendor, or not found: what is known of them then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import (
    LISTS,
    Desired,
    Fields,
    Known,
    MatchKey,
    Pending,
    Remote,
)
from syncengine.model.http import Json


def known_from_remote(
    remote: Remote,
    desired: Desired | None,
    known: Known,
    same: Callable[[str, Json, Json], bool],
    hidden: tuple[str, ...] = (),
    key: MatchKey | None = None,
    prefix: str = "",
) -> Known:
    """Return what is known of a found contact: the vendor's values.

    They are in our form where it means the same. ``key`` is the one that found it, and
    so the one that the vendor has, even if the row has another by now; None where the
    contact was not looked up.

    Tags that our own unknown calls added or were to remove count as ours, and so do
    those with our own ``prefix``; all others belong to others. What was sent and the
    vendor does not show (lists, and the fields it hides) stays unknown.
    """
    fields, pending = {}, known.pending
    # Of who left, what was sent is looked at: it matters when the contact returns.
    asked = desired.fields if desired else pending.fields if pending else {}
    for name, value in asked.items():
        if name in remote.fields:
            theirs = remote.fields[name]
            if same(name, value, theirs):
                fields[name] = value
            elif is_storable_value(theirs):
                fields[name] = theirs
            # What cannot be kept is as good as not known: ours is sent.
    sent = pending.fields if pending else {}
    unseen = {
        name: value
        for name, value in sent.items()
        if name not in remote.fields and _is_hidden(name, hidden)
    }
    mine = known.tags | (
        (pending.add_tags | pending.remove_tags) if pending else frozenset()
    )
    mine |= tags_with_prefix(remote.tags, prefix)
    return Known(
        external_id=remote.external_id,
        key=key or known.key or (desired.keys[0] if desired and desired.keys else None),
        fields={name: value for name, value in fields.items() if value is not None},
        tags=remote.tags & mine,
        found_tags=remote.tags - mine,
        pending=Pending(fields=unseen) if unseen else None,
    )


def tags_with_prefix(tags: frozenset[str], prefix: str) -> frozenset[str]:
    """Return the tags with our own prefix; none of them where we have no prefix.

    Nobody else sets such tags. After a loss of the state they are known by it.
    """
    return frozenset(tag for tag in tags if prefix and tag.startswith(prefix))


def is_storable_value(value: Json) -> bool:
    """Return whether Postgres can store a value that a vendor shows.

    Text with a NUL cannot be stored.
    """
    match value:
        case str():
            return "\0" not in value
        case dict():
            return all(
                is_storable_value(part) for item in value.items() for part in item
            )
        case list():
            return all(map(is_storable_value, value))
        case _:
            return True


def _is_hidden(name: str, hidden: tuple[str, ...]) -> bool:
    """Return whether a vendor may have a value in a field and not show it."""
    return name.startswith(LISTS) or matches(name, hidden)


def with_inherited(
    known: Known,
    tags: frozenset[str],
    fields: frozenset[str] = frozenset(),
    hidden: tuple[str, ...] = (),
) -> Known:
    """Return what is known of a found contact when these of its tags are ours.

    Of ``fields`` that it may have from us as well, those the vendor does not show stay
    unknown.
    """
    found = replace(known, tags=known.tags | tags, found_tags=known.found_tags - tags)
    unseen = [
        name
        for name in sorted(fields)
        if name not in known.fields and _is_hidden(name, hidden)
    ]
    if not unseen:
        return found
    pending = known.pending or Pending()
    doubtful = {**dict.fromkeys(unseen), **pending.fields}
    return replace(found, pending=replace(pending, fields=doubtful))


def with_tags_to_remove(known: Known, tags: frozenset[str]) -> Known:
    """Return what is known where these tags, of a former owner, are to be removed.

    The new owner has no tags in its mapping, and would leave them.
    """
    if not tags:
        return known
    pending = known.pending or Pending()
    return replace(
        known, pending=replace(pending, remove_tags=pending.remove_tags | tags)
    )


def known_after_not_found(known: Known, capabilities: Capabilities) -> Known:
    """Return what is known once a look-up found nothing.

    Nothing is left but the opt-outs of the contact.
    """
    noes = {
        **capabilities.opt_outs_in(known.seen_opt_outs),
        **capabilities.opt_outs_in(known.fields),
    }
    return Known(key=known.key, fields=noes)


def opt_outs_to_remember(
    known: Known, remote: Remote, capabilities: Capabilities
) -> Fields:
    """Return the opt-outs to remember of a contact that the vendor has just shown.

    One that was seen before and is not shown now counts on: nobody has taken it back.
    """
    unshown = {
        name: no
        for name, no in known.seen_opt_outs.items()
        if name not in remote.fields
    }
    shown = capabilities.opt_outs_in(remote.fields)
    said = {
        each.field: each.no for each in capabilities.opt_outs if each.field in shown
    }
    return {**unshown, **said}


def with_seen_opt_outs(
    linked: Known, before: Known, remote: Remote, capabilities: Capabilities
) -> Known:
    """Return what is known of a found contact, with the opt-outs it was shown with."""
    return replace(
        linked, seen_opt_outs=opt_outs_to_remember(before, remote, capabilities)
    )


def unique_remotes(remotes: Iterable[Remote]) -> tuple[Remote, ...]:
    """Return each vendor contact once."""
    return tuple({remote.external_id: remote for remote in remotes}.values())
