"""Contacts that were found at the vendor, or not found: what is known of them then.

A look-up answers with ``Remote`` contacts: all fields and tags that the vendor has, in
the vendor's own form, whoever set them. ``known_from_remote`` makes a ``Known`` of one,
which has our form and only what concerns us, so that ``planning.changes`` can subtract
it. The other functions adjust a ``Known`` for contacts that change their owner, that
are not found, or that have opted out at the vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.change import TAGS
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
from syncengine.model.unknown_parts import part_of, with_nobodys


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

    Args:
        remote: the contact as the vendor shows it.
        desired: the row's contact; None for a removed contact.
        known: what was known before, with what is pending.
        same: the vendor's own notion of equal values (field, ours, theirs). Values that
            it calls equal are noted in our form.
        hidden: patterns of the fields that the vendor does not show.
        key: the key that found it, and so the one that the vendor has, even if the row
            has another by now; None where the contact was not looked up.
        prefix: the prefix of our tags; empty where we have none.

    Tags that our own unknown calls added or were to remove count as ours, and so do
    those with our prefix; all others belong to others. What was sent and the vendor
    does not show (lists, and the fields it hides) stays unknown.
    """
    sent = known.pending or Pending()
    # Of a removed contact, what was sent is compared: it matters when it returns.
    compared = desired.fields if desired is not None else sent.fields
    our_tags = known.tags | sent.add_tags | sent.remove_tags
    our_tags |= tags_with_prefix(remote.tags, prefix)
    unshown = {
        name: value
        for name, value in sent.fields.items()
        if name not in remote.fields and _is_hidden(name, hidden)
    }
    return Known(
        external_id=remote.external_id,
        key=key or known.key or _first_key(desired),
        fields=_shown_fields(remote, compared, same),
        tags=remote.tags & our_tags,
        found_tags=remote.tags - our_tags,
        pending=part_of(sent, fields=unshown) if unshown else None,
        empty=_shown_empty(remote, compared, same),
    )


def _shown_empty(
    remote: Remote,
    compared: Fields,
    same: Callable[[str, Json, Json], bool],
) -> tuple[str, ...]:
    """Return what the vendor shows to be empty, of fields and tags, as patterns.

    What it does not show at all need not be empty: some look-ups show less than reads.
    """
    empty = [
        name
        for name in compared
        if name in remote.fields and same(name, None, remote.fields[name])
    ]
    if remote.shows_tags:
        # All tags are known: any other one is not there.
        empty.append(TAGS + "*")
    return tuple(empty)


def _shown_fields(
    remote: Remote, compared: Fields, same: Callable[[str, Json, Json], bool]
) -> Fields:
    """Return the fields that the vendor shows, in our form where that is the same."""
    fields: dict[str, Json] = {}
    for name, value in compared.items():
        if name not in remote.fields:
            continue
        theirs = remote.fields[name]
        if same(name, value, theirs):
            fields[name] = value
        elif is_storable_value(theirs):
            fields[name] = theirs
        # A value that cannot be stored counts as not known, so that ours is sent.
    # Known fields have values: a field that is empty on both sides is not known.
    return {name: value for name, value in fields.items() if value is not None}


def _first_key(desired: Desired | None) -> MatchKey | None:
    if desired is None or not desired.keys:
        return None
    return desired.keys[0]


def tags_with_prefix(tags: frozenset[str], prefix: str) -> frozenset[str]:
    """Return the tags with our own prefix; none of them where we have no prefix.

    Nobody else sets such tags. After a loss of the state they are known by it.
    """
    if not prefix:
        return frozenset()
    return frozenset(tag for tag in tags if tag.startswith(prefix))


def is_storable_value(value: Json) -> bool:
    """Return whether Postgres can store a value that a vendor shows.

    Text with a NUL cannot be stored.
    """
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, dict):
        return all(
            is_storable_value(name) and is_storable_value(part)
            for name, part in value.items()
        )
    if isinstance(value, list):
        return all(is_storable_value(part) for part in value)
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
    """Return what is known of a found contact that a removed one has given up.

    The removed contact had the same vendor contact before. What it set there, ``tags``
    and ``fields``, are now this contact's to remove or overwrite. Fields of those that
    the vendor does not show stay unknown.
    """
    found = replace(known, tags=known.tags | tags, found_tags=known.found_tags - tags)
    unshown = [
        name
        for name in sorted(fields)
        if name not in known.fields and _is_hidden(name, hidden)
    ]
    if not unshown:
        return found
    pending = known.pending or Pending()
    more = dict.fromkeys(name for name in unshown if name not in pending.fields)
    return replace(found, pending=with_nobodys(pending, fields=more))


def with_tags_to_remove(known: Known, tags: frozenset[str]) -> Known:
    """Return what is known where these tags, of a former owner, are to be removed.

    The new owner has no tags in its mapping, and would leave them. A removal that is
    pending is always finished, so it is noted as one.
    """
    if not tags:
        return known
    pending = known.pending or Pending()
    return replace(known, pending=with_nobodys(pending, remove_tags=tags))


def known_after_not_found(known: Known, capabilities: Capabilities) -> Known:
    """Return what is known once a look-up found nothing.

    Nothing is left but the opt-outs of the contact.
    """
    opt_outs = {
        **capabilities.opt_outs_in(known.seen_opt_outs),
        **capabilities.opt_outs_in(known.fields),
    }
    return Known(key=known.key, fields=opt_outs)


def opt_outs_to_remember(
    known: Known, remote: Remote, capabilities: Capabilities
) -> Fields:
    """Return the opt-outs to remember of a contact that the vendor has just shown.

    One that was seen before counts on where the vendor does not show its field now:
    nobody has taken it back.
    """
    opt_outs = {
        name: value
        for name, value in known.seen_opt_outs.items()
        if name not in remote.fields
    }
    shown = capabilities.opt_outs_in(remote.fields)
    for opt_out in capabilities.opt_outs:
        if opt_out.field in shown:
            opt_outs[opt_out.field] = opt_out.value
    return opt_outs


def with_seen_opt_outs(
    linked: Known, before: Known, remote: Remote, capabilities: Capabilities
) -> Known:
    """Return what is known of a found contact, with the opt-outs it was shown with."""
    opt_outs = opt_outs_to_remember(before, remote, capabilities)
    return replace(linked, seen_opt_outs=opt_outs)


def unique_remotes(remotes: Iterable[Remote]) -> tuple[Remote, ...]:
    """Return each vendor contact once."""
    by_id = {remote.external_id: remote for remote in remotes}
    return tuple(by_id.values())
