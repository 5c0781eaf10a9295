"""Comparison of a vendor contact with what we last knew of it.

``syncengine verify`` reads the copies back and asks ``drift`` what somebody else
changed there. A repair then takes the drift over into what is known
(``known_with_drift``): the next run finds a difference to its row, and mends it like
any other.

Only what we manage is compared. A value in a field that is not mapped, or a tag without
our prefix, belongs to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from syncengine.model.capabilities import OptOut, matches
from syncengine.model.contact import Fields, Known, Remote
from syncengine.model.http import Json

_EMPTY: tuple[Json, ...] = (None, "", [])
"""Values that mean "no value" at a vendor."""


@dataclass(frozen=True, slots=True)
class ManagedParts:
    """Parts of a vendor contact that we manage."""

    fields: tuple[str, ...]
    """Mapped fields that are cleared where the source has NULL: a value in one that we
    do not know is extra."""
    tag_prefix: str
    """Prefix of the tags that are ours, even if set by others. Empty: only tags that we
    have set are ours."""
    hidden: tuple[str, ...] = ()
    """Patterns of the fields that the vendor does not show, as a rule."""
    opt_outs: tuple[OptOut, ...] = ()
    """Fields in which an opt-out at the vendor stays, even if the source has none."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Differences between a vendor contact and what is known of it."""

    gone: bool = False
    """The vendor knows no such contact."""
    changed: tuple[str, ...] = ()
    """Fields with another value there."""
    missing: tuple[str, ...] = ()
    """Fields without a value there."""
    extra: tuple[str, ...] = ()
    """Fields with a value there that we know nothing of."""
    opted_out: tuple[str, ...] = ()
    """Fields in which the contact has opted out there, and the source does not say so.
    Never repaired."""
    missing_tags: tuple[str, ...] = ()
    extra_tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is any difference."""
        return self != Drift()


def drift(
    known: Known,
    remote: Remote | None,
    owned: ManagedParts,
    same: Callable[[str, Json, Json], bool],
    passed_over: Callable[[str], bool],
    *,
    whole: bool = True,
) -> Drift:
    """Return the differences between a vendor contact and what is known of it.

    Args:
        known: the contact as it was last written.
        remote: the contact as the vendor shows it; None where it has no such contact.
        owned: the parts of it that we manage.
        same: the vendor's own notion of equal values (field, ours, theirs).
        passed_over: whether a field is not compared, since a change of it is still
            unknown, or since the vendor keeps values that we did not send.
        whole: whether the vendor shows all fields that it has. Otherwise a field that
            it does not show is not judged.
    """
    if remote is None:
        return Drift(gone=True)
    changed, missing = _changed_and_missing(
        known, remote, owned, same, passed_over, whole=whole
    )
    extra = list(_extra_fields(known.fields, remote.fields, owned.fields, same))
    # An opt-out at the vendor stays, so it is no drift that anybody repairs.
    opted_out: set[str] = set()
    for opt_out in owned.opt_outs:
        name = opt_out.field
        differs = name in changed or name in extra
        if differs and opt_out.is_opted_out(remote.fields[name]):
            opted_out.add(name)
    missing_tags = known.tags - remote.tags if remote.shows_tags else ()
    return Drift(
        changed=tuple(name for name in changed if name not in opted_out),
        missing=tuple(missing),
        extra=tuple(name for name in extra if name not in opted_out),
        opted_out=tuple(sorted(opted_out)),
        missing_tags=tuple(sorted(missing_tags)),
        extra_tags=tuple(sorted(_extra_tags(known, remote, owned))),
    )


def _changed_and_missing(
    known: Known,
    remote: Remote,
    owned: ManagedParts,
    same: Callable[[str, Json, Json], bool],
    passed_over: Callable[[str], bool],
    *,
    whole: bool,
) -> tuple[list[str], list[str]]:
    """Return the known fields with another value at the vendor, and those without."""
    changed: list[str] = []
    missing: list[str] = []
    for name, value in sorted(known.fields.items()):
        if passed_over(name):
            continue
        is_expected = whole and not matches(name, owned.hidden)
        if name not in remote.fields and not is_expected:
            # Not shown, which proves nothing here.
            continue
        theirs = remote.fields.get(name)
        if same(name, value, theirs):
            continue
        if theirs in _EMPTY:
            missing.append(name)
        else:
            changed.append(name)
    return changed, missing


def _extra_fields(
    known: Fields,
    remote: Fields,
    names: Iterable[str],
    same: Callable[[str, Json, Json], bool],
) -> Iterator[str]:
    """Yield the managed fields with a value at the vendor that is not known here."""
    for name in names:
        theirs = remote.get(name)
        if name in known or theirs in _EMPTY:
            continue
        if not same(name, None, theirs):
            yield name


def _extra_tags(known: Known, remote: Remote, owned: ManagedParts) -> Iterator[str]:
    """Yield the tags with our own prefix that are not known here."""
    if not owned.tag_prefix:
        return
    for tag in remote.tags - known.tags - known.found_tags:
        if tag.startswith(owned.tag_prefix):
            yield tag


def known_with_drift(known: Known, remote: Remote, found: Drift) -> Known:
    """Return what is known with the drift taken over, so that a plan mends it.

    ``found`` may be a part of all drift. The rest of it stays as it was known: nothing
    is sent about it.
    """
    fields = {
        name: value for name, value in known.fields.items() if name not in found.missing
    }
    fields |= {name: remote.fields[name] for name in (*found.changed, *found.extra)}
    if not remote.shows_tags:
        return replace(known, fields=fields)
    tags = (known.tags & remote.tags) | frozenset(found.extra_tags)
    return replace(
        known, fields=fields, tags=tags, found_tags=known.found_tags & remote.tags
    )
