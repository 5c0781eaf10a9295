"""Intents: what is about to be sent, and what of it stays unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncengine.model.calls import Action, Call
from syncengine.model.contact import Desired, Known, MatchKey, Pending
from syncengine.planning.normalise import text
from syncengine.planning.plan import Plan


def intent_of_plan(desired: Desired | None, known: Known, plan: Plan) -> Pending:
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
    return combined_intent(before, sent)


def combined_intent(one: Pending, two: Pending) -> Pending:
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


def remaining_intent(
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
    return combined_intent(besides, left) if besides else left


def still_unknown(
    known: Known, plan: Plan, *, manages_tags: bool = True
) -> Pending | None:
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


def with_all_unknown(known: Known, sent: Pending | None) -> Known:
    """Return what is known with all of it marked unknown.

    It is open then which vendor contact it is true of.
    """
    held = Pending(fields=known.fields, add_tags=known.tags)
    return replace(
        known,
        fields={},
        tags=frozenset(),
        pending=combined_intent(held, sent or Pending()),
    )


def after_unknown_deletion(known: Known, match_on: Sequence[str]) -> Known:
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
    return Known(key=known.key, seen_opt_outs=known.seen_opt_outs, pending=doubt)
