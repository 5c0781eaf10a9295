"""Settling of what is unknown: open intents, found contacts, and answers to calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Applied, Call
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
from syncengine.model.phones import E164, phone_digits, phone_forms
from syncengine.planning.normalise import text
from syncengine.planning.plan import Plan
from syncengine.planning.wishes import several


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look the contact up before anything else."""

    keys: tuple[MatchKey, ...]
    wait: float
    """Seconds until "not found" may be believed; 0: at once."""
    must_find_none: bool
    """True where an unknown create is in question: nothing may be created before the
    look-up has found none."""


def needs_look_up(
    desired: Desired | None,
    known: Known,
    capabilities: Capabilities,
    *,
    find_first: bool,
    always: bool = False,
) -> LookUp | None:
    """Return the look-up of a contact without external id; None where none is needed.

    An unknown create goes first by the keys it was sent with, then by the present ones.
    ``desired`` is None for a contact that left the source. ``always``: even where a
    create would tell whether the contact is there, because none may be sent.
    """
    if known.external_id is not None or not capabilities.find_by:
        return None
    present = (*desired.keys, *_untold(desired, capabilities)) if desired else ()
    unknown = known.pending is not None and known.pending.creates
    wanted = find_first or _says_nothing(capabilities)
    safe = desired is None or not wanted or _guarded(desired, capabilities)
    if not unknown and not always and safe:
        return None
    sent = known.pending.keys if known.pending and unknown else ()
    # Of two equal keys the present one counts: it carries the region of its phone.
    unique_keys = {key: key for key in (*sent, *present)}.values()
    keys = tuple(key for key in unique_keys if matches(key.field, capabilities.find_by))
    age = known.pending.age if known.pending and unknown else None
    wait = 0.0 if age is None else max(0.0, capabilities.settles_within - age)
    return LookUp(keys, wait, unknown) if keys else None


def _untold(desired: Desired, capabilities: Capabilities) -> Iterator[MatchKey]:
    """Return keys by which a create would silently take over an existing contact."""
    create = capabilities.create
    if create is None or create.tells_existing or not desired.keys:
        return
    for name in create.keyed_by:
        value = desired.fields.get(name)
        if value not in (None, "") and all(key.field != name for key in desired.keys):
            yield desired.key(name)


def _says_nothing(capabilities: Capabilities) -> bool:
    """Return whether the first write silently reaches an existing contact by its key.

    It may be another contact of ours. An upsert writes over it; of some creates it is
    unknown afterwards whether they were carried out.
    """
    if capabilities.upsert is not None:
        return bool(capabilities.upsert.keyed_by)
    create = capabilities.create
    return create is not None and bool(create.keyed_by) and not create.tells_existing


def may_double(capabilities: Capabilities) -> bool:
    """Return whether a create without a look-up may make a second contact."""
    return bool(capabilities.find_by) and not _says_nothing(capabilities)


def _guarded(desired: Desired, capabilities: Capabilities) -> bool:
    """Return whether the first write is safe without a look-up.

    It makes no second contact then, and writes to none that another contact owns.
    """
    if capabilities.upsert is not None:
        return not capabilities.upsert.keyed_by
    if any(len(phone_forms(phone_digits(key.value))) > 1 for key in desired.keys):
        return False  # the vendor may know the same person by another number
    if any(_is_respelled(key, capabilities) for key in desired.keys):
        return False  # the vendor may have the same phone in another spelling
    create = capabilities.create
    if create is None:
        return True
    told = create.repeatable and create.tells_existing
    return told and all(
        not create.keyed_by or key.field in create.keyed_by for key in desired.keys
    )


def _is_respelled(key: MatchKey, capabilities: Capabilities) -> bool:
    respelled = matches(key.field, capabilities.respelled)
    return respelled and E164.fullmatch(key.value) is not None


def link(
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
            elif is_storable(theirs):
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
    mine |= prefixed(remote.tags, prefix)
    return Known(
        external_id=remote.external_id,
        key=key or known.key or (desired.keys[0] if desired and desired.keys else None),
        fields={name: value for name, value in fields.items() if value is not None},
        tags=remote.tags & mine,
        found_tags=remote.tags - mine,
        pending=Pending(fields=unseen) if unseen else None,
    )


def prefixed(tags: frozenset[str], prefix: str) -> frozenset[str]:
    """Return the tags with our own prefix; none of them where we have no prefix.

    Nobody else sets such tags. After a loss of the state they are known by it.
    """
    return frozenset(tag for tag in tags if prefix and tag.startswith(prefix))


def is_storable(value: Json) -> bool:
    """Return whether Postgres can store a value that a vendor shows.

    Text with a NUL cannot be stored.
    """
    match value:
        case str():
            return "\0" not in value
        case dict():
            return all(is_storable(part) for item in value.items() for part in item)
        case list():
            return all(map(is_storable, value))
        case _:
            return True


def _is_hidden(name: str, hidden: tuple[str, ...]) -> bool:
    """Return whether a vendor may have a value in a field and not show it."""
    return name.startswith(LISTS) or matches(name, hidden)


def inherit(
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


def disowned(known: Known, tags: frozenset[str]) -> Known:
    """Return what is known where these tags, of a former owner, are to be removed.

    The new owner has no tags in its mapping, and would leave them.
    """
    if not tags:
        return known
    pending = known.pending or Pending()
    return replace(
        known, pending=replace(pending, remove_tags=pending.remove_tags | tags)
    )


def revived(known: Known, match_on: Sequence[str]) -> Known:
    """Return what is known of a contact that is wanted again after an unknown deletion.

    Only that it may exist. The deletion stays unknown until this is settled: should the
    process die on the way, the next run begins here too.
    """
    pending = known.pending
    if pending is None or not pending.deletes:
        return known
    taken_in = (known.key,) if known.key else ()
    held = (
        MatchKey(name, text(known.fields[name]))
        for name in match_on
        if name in known.fields
    )
    doubt = replace(
        pending,
        creates=True,
        keys=tuple(dict.fromkeys((*taken_in, *held, *pending.keys))),
        fields={**known.fields, **pending.fields},
        add_tags=known.tags | pending.add_tags,
    )
    return Known(key=known.key, noes=known.noes, pending=doubt)


def made_under(known: Known, capabilities: Capabilities) -> Known:
    """Return what is known of a contact whose create reached a vendor contact.

    It adds the key to a contact of which no more was noted. The vendor tells contacts
    apart by the key it was sent under: that value is there, unless a later write could
    set another one. Of several keys it is the one that was noted when the contact was
    linked.
    """
    create, pending = capabilities.create, known.pending
    if (
        known.external_id is None
        or pending is None
        or not pending.creates
        or create is None
    ):
        return known
    sure = pending.keys[0] if len(pending.keys) == 1 else known.key
    if sure is None or sure.field not in create.keyed_by:
        return known
    fields = {sure.field: _held(sure, pending)}
    writes = [write for write in (capabilities.update, capabilities.upsert) if write]
    changed = pending.fields.get(sure.field, sure.value) != fields[sure.field]
    if changed and any(matches(sure.field, write.fields) for write in writes):
        return known  # a later write may have been sent, and may have arrived
    left = {name: value for name, value in pending.fields.items() if name not in fields}
    return replace(
        known, fields={**known.fields, **fields}, pending=replace(pending, fields=left)
    )


def _held(key: MatchKey, pending: Pending) -> Json:
    """Return the value that the vendor has for the key's field.

    A later intent may only repeat the key, or have another value.
    """
    value = pending.fields.get(key.field)
    return value if value is not None and text(value) == key.value else key.value


def doubted(known: Known, sent: Pending | None) -> Known:
    """Return what is known with all of it marked unknown.

    It is open then which vendor contact it is true of.
    """
    held = Pending(fields=known.fields, add_tags=known.tags)
    return replace(
        known, fields={}, tags=frozenset(), pending=merge(held, sent or Pending())
    )


def merging(known: Known, other: Remote) -> Known:
    """Return what is known of a contact that is about to be merged with another one.

    All of it is unknown until the vendor shows the one that is left. Tags that the other
    one has by itself are not ours to remove afterwards.
    """
    ours = replace(
        known, tags=known.tags - other.tags, found_tags=known.found_tags | other.tags
    )
    open_merge = Pending(merged_with=other.external_id, age=0.0)
    return doubted(ours, merge(known.pending or Pending(), open_merge))


def is_merging(known: Known) -> bool:
    """Return whether it is unknown which of two merged contacts is left."""
    return known.pending is not None and known.pending.merged_with is not None


def merged(known: Known) -> Known:
    """Return what is known once it has been found out which contact is left."""
    return (
        replace(known, pending=replace(known.pending, merged_with=None))
        if known.pending
        else known
    )


def at(known: Known, external_id: str) -> Known:
    """Return the same of the vendor contact with this id."""
    return replace(known, external_id=external_id)


def merge_wait(known: Known, capabilities: Capabilities) -> float:
    """Return the seconds after which the vendor shows what became of a merge."""
    age = known.pending.age if known.pending else None
    return 0.0 if age is None else max(0.0, capabilities.settles_within - age)


def remade(
    known: Known, call: Call, applied: Applied, capabilities: Capabilities
) -> Known:
    """Return what is known after an upsert reached another vendor contact.

    It is what the upsert carried, and no more.
    """
    pending = known.pending or Pending()
    fields = {
        name: value for name, value in pending.fields.items() if name not in call.fields
    }
    rest = replace(
        pending, fields=fields, add_tags=pending.add_tags - set(call.add_tags)
    )
    blank = Known(key=known.key, noes=known.noes, pending=rest)
    return learn(blank, replace(call, external_id=None), applied, capabilities)


def absent(known: Known, capabilities: Capabilities) -> Known:
    """Return what is known once a look-up found nothing.

    Nothing is left but the opt-outs of the contact.
    """
    noes = {**capabilities.noes(known.noes), **capabilities.noes(known.fields)}
    return Known(key=known.key, fields=noes)


def noes_of(known: Known, remote: Remote, capabilities: Capabilities) -> Fields:
    """Return the opt-outs to remember of a contact that the vendor has just shown.

    One that was seen before and is not shown now counts on: nobody has taken it back.
    """
    unshown = {name: no for name, no in known.noes.items() if name not in remote.fields}
    shown = capabilities.noes(remote.fields)
    said = {
        each.field: each.no for each in capabilities.opt_outs if each.field in shown
    }
    return {**unshown, **said}


def noted(
    linked: Known, before: Known, remote: Remote, capabilities: Capabilities
) -> Known:
    """Return what is known of a found contact, with the opt-outs it was shown with."""
    return replace(linked, noes=noes_of(before, remote, capabilities))


def intent(desired: Desired | None, known: Known, plan: Plan) -> Pending:
    """Return the intent to note before the calls of a plan are sent.

    It contains what was sent before and is still unknown. For a contact that may have
    to be created it covers everything a create would carry: whether a look-up finds it
    is not known yet.
    """
    new = known.external_id is None
    before = known.pending or Pending()
    sent = Pending(
        creates=new and desired is not None,
        keys=desired.keys if new and desired else (),
        fields={
            name: value for call in plan.calls for name, value in call.fields.items()
        },
        add_tags=frozenset(tag for call in plan.calls for tag in call.add_tags),
        remove_tags=frozenset(tag for call in plan.calls for tag in call.remove_tags),
        deletes=any(call.action is Action.DELETE for call in plan.calls),
    )
    return merge(before, sent)


def merge(one: Pending, two: Pending) -> Pending:
    """Return both of what may have been sent."""
    return Pending(
        creates=one.creates or two.creates,
        deletes=one.deletes or two.deletes,
        keys=tuple(dict.fromkeys((*one.keys, *two.keys))),
        fields={**one.fields, **two.fields},
        add_tags=one.add_tags | two.add_tags,
        remove_tags=one.remove_tags | two.remove_tags,
        merged_with=one.merged_with or two.merged_with,
        age=two.age,
        distrusted=one.distrusted or two.distrusted,
    )


def remaining(
    calls: Sequence[Call], *, age: float | None = None, besides: Pending | None = None
) -> Pending | None:
    """Return the intent that is left when these calls have no outcome.

    ``besides`` is unknown as well.
    """
    if not calls:
        return besides
    creates = [
        call
        for call in calls
        if call.external_id is None and call.action in (Action.CREATE, Action.UPSERT)
    ]
    left = Pending(
        creates=bool(creates),
        deletes=any(call.action is Action.DELETE for call in calls),
        keys=tuple(dict.fromkeys(call.key for call in creates if call.key)),
        fields={name: value for call in calls for name, value in call.fields.items()},
        add_tags=frozenset(tag for call in calls for tag in call.add_tags),
        remove_tags=frozenset(tag for call in calls for tag in call.remove_tags),
        age=age,
    )
    return merge(besides, left) if besides else left


def unasked(known: Known, plan: Plan, *, manages_tags: bool = True) -> Pending | None:
    """Return the part of earlier intents that a plan leaves unknown.

    Tags are part of it where none are managed.

    They are not desired now. Once they are, the values at the vendor must not be taken
    for known.
    """
    if known.pending is None:
        return None
    touched = {name for call in plan.calls for name in call.fields}
    fields = {
        name: value
        for name, value in known.pending.fields.items()
        if name not in touched
    }
    left = Pending(fields=fields)
    if not manages_tags:
        sent = frozenset(
            tag for call in plan.calls for tag in (*call.add_tags, *call.remove_tags)
        )
        left = replace(
            left,
            add_tags=known.pending.add_tags - sent,
            remove_tags=known.pending.remove_tags - sent,
        )
    return left if left != Pending() else None


def learn(
    known: Known, call: Call, applied: Applied, capabilities: Capabilities
) -> Known:
    """Return what is known after a call was applied.

    An answer gives an id only to a contact that was not known by one.
    """
    if call.action is Action.DELETE:
        return Known()
    dropped = {
        item.subject
        for item in applied.dropped
        if item.code.startswith(("field", "clear"))
    }
    lost_tags = {
        item.subject for item in applied.dropped if item.code == "tag_not_shown"
    }
    removed = set(call.remove_tags) - {
        item.subject for item in applied.dropped if item.code == "remove_tag"
    }
    fields = dict(known.fields)
    for name, value in call.fields.items():
        if name in dropped:
            continue
        if matches(name, capabilities.accumulates):
            held = list(fields.get(name) or [])
            fields[name] = [
                *held,
                *(each for each in several(value) if each not in held),
            ]
        elif value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return dataclasses.replace(
        known,
        external_id=call.external_id or applied.external_id or known.external_id,
        key=known.key or call.key,
        fields=fields,
        tags=(known.tags | set(call.add_tags)) - removed - lost_tags,
        found_tags=known.found_tags - removed,
    )


def unique(remotes: Iterable[Remote]) -> tuple[Remote, ...]:
    """Return each vendor contact once."""
    return tuple({remote.external_id: remote for remote in remotes}.values())
