"""Intents: what is about to be sent, and what of it stays unknown.

An intent is a ``model.contact.Pending``: the fields and tags of the calls, and whether
they create or delete. It is written to the database before its calls go out. If the
process dies, the next run finds it and treats everything in it as possibly carried out.

The functions follow a contact through a run: ``intent_of_plan`` before anything is
sent, ``remaining_intent`` each time a call is settled and others are not,
``still_unknown`` for what an earlier run left and this plan does not touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from syncengine.model.calls import Action, Call
from syncengine.model.contact import THIS_RUN, Desired, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.unknown_parts import part_of, with_nobodys
from syncengine.planning.normalise import text
from syncengine.planning.plan import Plan
from syncengine.planning.senders import with_both_senders


def intent_of_plan(desired: Desired | None, known: Known, plan: Plan) -> Pending:
    """Return the intent to note before the calls of a plan are sent.

    It contains what was sent before and is still unknown. For a contact that may have
    to be created it covers everything a create would carry: whether a look-up finds it
    is not known yet. ``desired`` is None for a removed contact.
    """
    intent = _changes_of(plan.calls)
    if known.external_id is None and desired is not None:
        intent = replace(intent, creates=True, keys=desired.keys)
    return combined_intent(known.pending or Pending(), intent)


def combined_intent(earlier: Pending, later: Pending) -> Pending:
    """Return the intent of everything that may have been sent, with the later age.

    Where both have a field, the later value counts: it was sent last.
    """
    combined = Pending(
        creates=earlier.creates or later.creates,
        deletes=earlier.deletes or later.deletes,
        keys=tuple(dict.fromkeys((*earlier.keys, *later.keys))),
        fields={**earlier.fields, **later.fields},
        add_tags=earlier.add_tags | later.add_tags,
        remove_tags=earlier.remove_tags | later.remove_tags,
        merged_with=earlier.merged_with or later.merged_with,
        age=later.age,
        distrusted=earlier.distrusted or later.distrusted,
    )
    return with_both_senders(combined, earlier, later)


def remaining_intent(
    calls: Sequence[Call], *, age: float | None = None, besides: Pending | None = None
) -> Pending | None:
    """Return the intent that is left when these calls have no outcome.

    ``age`` is the number of seconds since the last of them may have been sent (None:
    longer than any vendor needs). ``besides`` is unknown as well.
    """
    if not calls:
        return besides
    # An upsert of a contact with an id changes it; one without may create it.
    creates = [
        call
        for call in calls
        if call.external_id is None and call.action in (Action.CREATE, Action.UPSERT)
    ]
    keys = [call.key for call in creates if call.key]
    intent = replace(
        _changes_of(calls),
        creates=bool(creates),
        keys=tuple(dict.fromkeys(keys)),
        age=age,
    )
    if besides is None:
        return intent
    return combined_intent(besides, intent)


def _changes_of(calls: Iterable[Call]) -> Pending:
    """Return the fields, tags and deletions of some calls as an intent of this run."""
    fields: dict[str, Json] = {}
    add_tags: set[str] = set()
    remove_tags: set[str] = set()
    deletes = False
    for call in calls:
        fields.update(call.fields)
        add_tags.update(call.add_tags)
        remove_tags.update(call.remove_tags)
        if call.action is Action.DELETE:
            deletes = True
    return Pending(
        deletes=deletes,
        fields=fields,
        add_tags=frozenset(add_tags),
        remove_tags=frozenset(remove_tags),
        run_id=THIS_RUN,
    )


def still_unknown(
    known: Known, plan: Plan, *, manages_tags: bool = True
) -> Pending | None:
    """Return the part of earlier intents that a plan leaves unknown.

    The plan does not send it, since it is not desired now. Should it be desired again,
    the values at the vendor must not be taken for known. Tags are part of it where none
    are managed; elsewhere the plan settles them all.
    """
    if known.pending is None:
        return None
    sent = _changes_of(plan.calls)
    fields_left = {
        name: value
        for name, value in known.pending.fields.items()
        if name not in sent.fields
    }
    left = part_of(known.pending, fields=fields_left)
    if not manages_tags:
        sent_tags = sent.add_tags | sent.remove_tags
        left = part_of(
            known.pending,
            fields=fields_left,
            add_tags=known.pending.add_tags - sent_tags,
            remove_tags=known.pending.remove_tags - sent_tags,
        )
    return left if left != Pending() else None


def with_all_unknown(known: Known, sent: Pending | None) -> Known:
    """Return what is known with all of it marked unknown, as before a merge.

    ``sent`` is unknown as well. It is open which vendor contact any of it is true of.
    """
    former = Pending(fields=known.fields, add_tags=known.tags)
    pending = combined_intent(former, sent or Pending())
    return replace(known, fields={}, tags=frozenset(), pending=pending, empty=())


def after_unknown_deletion(known: Known, match_on: Sequence[str]) -> Known:
    """Return what is known of a contact that is desired again after its deletion.

    Whether it was deleted is unknown, so all that is known is that it may exist. The
    deletion stays unknown until this is settled: should the process die on the way, the
    next run begins here too.
    """
    pending = known.pending
    if pending is None or not pending.deletes:
        return known
    known_keys = [known.key] if known.key else []
    match_values = [
        MatchKey(name, text(known.fields[name]))
        for name in match_on
        if name in known.fields
    ]
    keys = [*known_keys, *match_values, *pending.keys]
    # No run sent what was known before, and none has to have created it again.
    values = {
        name: value
        for name, value in known.fields.items()
        if name not in pending.fields
    }
    tags = known.tags - pending.add_tags
    unknown = replace(
        with_nobodys(
            pending, fields=values, add_tags=tags, creates=not pending.creates
        ),
        keys=tuple(dict.fromkeys(keys)),
    )
    return Known(key=known.key, seen_opt_outs=known.seen_opt_outs, pending=unknown)
