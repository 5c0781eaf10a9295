"""Log of what runs alter at contacts: which change is whose, and what it replaced.

The hard part is to say what counts as a change of which run. The log is written from
what is sent and answered, call by call, and never from a comparison of two states: what
somebody else changed at the vendor is no change of ours. The rules:

- All steps of a contact in a run (create, then tag call; several attempts; a wait for
  another contact) are one change: the first old value, the last new one. What ends
  where it began is no change (``merged``). It is about the vendor contact that the
  contact has in the end.
- An old value is written only where it is known: the vendor acknowledged it, or showed
  it, and nothing has been unknown of it since; or the field was certainly empty
  (``Known.empty``). What a contact had when it was linked blindly, what a re-sync
  distrusted, what a former owner left, and what was pending with another value is not
  known: such a field has no old value, which is not the same as an empty one.
- A change belongs to the run that sent it. Where its answer was lost, that is the
  sender of the pending note (``planning.senders``): a later run that finds it carried
  out, or sends the very same value again, writes it down for the sending run. A later
  run that sends *another* value owns what it sent, without an old value, and the sending
  run's value is nobody's change: whether it was ever there cannot be known.
- ``created`` is only what the answer to the create itself proves to be new. An upsert, a
  create that may have hit an existing contact, and whatever a look-up finds is
  ``linked``. A create whose answer was lost is found by a look-up, so it is linked, too,
  for the run that sent it; where the vendor does prove later that it is new, an earlier
  create cannot have arrived, and the later run has created it.
- A tag that is added to a contact whose tags nobody has seen (``Known.empty``), or that
  was unknown, may have been there: it is a field ``tags.NAME`` without an old value,
  and not among the tags added.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from syncengine.model.calls import Action, Applied, Call
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.change import TAGS, ChangedField, ContactChange, Effect
from syncengine.model.contact import LISTS, THIS_RUN, Known, Pending, Remote
from syncengine.model.http import Json
from syncengine.model.unknown_parts import (
    ADDED,
    CREATE,
    DELETE,
    REMOVED,
    parts_of,
    sender_of,
)
from syncengine.model.work import RunChanges
from syncengine.planning.changes import EMPTY, equal_as_json
from syncengine.planning.learning import is_proved_new, taken_from
from syncengine.planning.normalise import text

Same: TypeAlias = Callable[[str, Json, Json], bool]
"""The vendor's own notion of equal values: field, ours, theirs."""


class Piece(NamedTuple):
    """A part of a change, and the run that it belongs to."""

    run_id: int
    change: ContactChange


def with_pieces(changes: RunChanges, pieces: Collection[Piece]) -> RunChanges:
    """Return the changes with further pieces, in the order in which they happened."""
    if not pieces:
        return changes
    merged_changes = dict(changes)
    for run_id, change in pieces:
        merged_changes[run_id] = merged(merged_changes.get(run_id), change)
    return merged_changes


# --- what one run does, one step after the other --------------------------------------


def merged(first: ContactChange | None, then: ContactChange) -> ContactChange | None:
    """Return two changes of a run as one; None where nothing is changed in the end."""
    if first is None:
        return then if _says_anything(then) else None
    if first.effect is Effect.CREATED and then.effect is Effect.DELETED:
        return None
    if _is_other_contact(first, then):
        # What was changed before was at a vendor contact that it has no more: that one
        # is gone, or became somebody else's.
        return then
    combined = ContactChange(
        effect=_effect_of_both(first.effect, then.effect),
        fields=_fields_of_both(first.fields, then.fields),
        tags_added=(first.tags_added - then.tags_removed)
        | (then.tags_added - first.tags_removed),
        tags_removed=(first.tags_removed - then.tags_added)
        | (then.tags_removed - first.tags_added),
        external_id=then.external_id or first.external_id,
    )
    return combined if _says_anything(combined) else None


def _fields_of_both(
    first: Mapping[str, ChangedField], then: Mapping[str, ChangedField]
) -> dict[str, ChangedField]:
    """Return the fields of two steps, without those that are as they were."""
    fields = {**first}
    for name, change in then.items():
        fields[name] = change
        if name in first:
            fields[name] = _first_and_last(first[name], change)
    return {name: change for name, change in fields.items() if not _is_void(change)}


def _first_and_last(first: ChangedField, then: ChangedField) -> ChangedField:
    return ChangedField(then.new, first.old, first.is_old_known)


def _is_other_contact(first: ContactChange, then: ContactChange) -> bool:
    if then.effect not in (Effect.CREATED, Effect.LINKED):
        return False
    return first.external_id is not None and first.external_id != then.external_id


def _effect_of_both(first: Effect, then: Effect) -> Effect:
    """Return the effect of two steps: a later update does not hide a create."""
    if then is Effect.UPDATED:
        return first
    if first is Effect.CREATED and then is Effect.LINKED:
        # It was found under the id that the create gave it.
        return first
    return then


def _is_void(change: ChangedField) -> bool:
    """Return whether a field ended with the value that it began with."""
    return change.is_old_known and _same(change.old, change.new)


def _same(one: Json, other: Json) -> bool:
    if one in EMPTY and other in EMPTY:
        return True
    return equal_as_json(one, other)


def _says_anything(change: ContactChange) -> bool:
    if change.effect is not Effect.UPDATED:
        return True
    return bool(change.fields or change.tags_added or change.tags_removed)


# --- what a call did ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallFacts:
    """Facts about an applied call that the call and its answer do not show."""

    known: Known
    """Copy that was known before it, with what was unknown."""
    learned: Known
    """Copy that is known after it."""
    is_new: bool = False
    """True where this run has created the contact: what was unknown before it never
    arrived."""
    after_lost_try: bool = False
    """True where the call was sent before in this run, and the answer was lost."""

    @property
    def note(self) -> Pending:
        """Return what was unknown before the call."""
        if self.is_new or self.known.pending is None:
            return Pending()
        return self.known.pending


def pieces_of_call(
    call: Call, applied: Applied, facts: CallFacts, capabilities: Capabilities
) -> list[Piece]:
    """Return what an applied call changed, for the runs that it is a change of."""
    if call.action is Action.DELETE:
        return _pieces_of_deletion(applied, facts)
    if is_proved_new(call, applied, facts.known, capabilities):
        facts = replace(facts, is_new=True)
        effect = Effect.CREATED
    elif facts.known.external_id is None and facts.learned.external_id is not None:
        effect = Effect.LINKED
    else:
        effect = Effect.UPDATED
    collector = _Collector(facts, effect)
    collector.add_link()
    taken = taken_from(call, applied)
    for name in taken.fields:
        collector.add_field(name, call.fields[name])
    for tag in sorted(taken.added_tags):
        collector.add_tag(tag)
    for tag in sorted(taken.removed_tags):
        collector.remove_tag(tag)
    return collector.pieces


@dataclass(slots=True)
class _Collected:
    """What a call changed for one run, beside the link."""

    fields: dict[str, ChangedField] = field(default_factory=dict)
    tags_added: set[str] = field(default_factory=set)
    tags_removed: set[str] = field(default_factory=set)


class _Collector:
    """Collects what a call changed, by the run that sent it first."""

    def __init__(self, facts: CallFacts, effect: Effect) -> None:
        self._facts = facts
        self._effect = effect
        self._note = facts.note
        self._parts = parts_of(facts.note)
        self._links: list[Piece] = []
        self._by_run: dict[int, _Collected] = {}

    @property
    def pieces(self) -> list[Piece]:
        """Return the link, and one piece for each run."""
        pieces = [*self._links]
        for run_id, collected in self._by_run.items():
            change = ContactChange(
                Effect.UPDATED,
                collected.fields,
                frozenset(collected.tags_added),
                frozenset(collected.tags_removed),
                self._facts.learned.external_id,
            )
            pieces.append(Piece(run_id, change))
        return pieces

    def add_link(self) -> None:
        """Add the creation, or the link, of the contact."""
        known, learned = self._facts.known, self._facts.learned
        run_id = THIS_RUN
        if CREATE in self._parts:
            # Sent before without an answer, and now the contact is there.
            run_id = sender_of(self._note, CREATE).run_id or THIS_RUN
        is_settled_link = known.external_id is not None and run_id != THIS_RUN
        if self._effect is Effect.UPDATED and not is_settled_link:
            return
        effect = Effect.LINKED if self._effect is Effect.UPDATED else self._effect
        fields: dict[str, ChangedField] = {}
        if is_settled_link:
            fields = _key_of_create(known, self._note)
        link = ContactChange(effect, fields, external_id=learned.external_id)
        self._links.append(Piece(run_id, link))

    def add_field(self, name: str, sent: Json) -> None:
        """Add a field that was set, cleared, or added to."""
        new = self._facts.learned.fields.get(name)
        run_id, is_before_known = self._sender(name, sent)
        if is_before_known and not self._is_unseen:
            change = _field_change(self._facts.known, name, new, self._facts.is_new)
        else:
            change = ChangedField(new)
        if not _is_void(change):
            self._of(run_id).fields[name] = change

    def add_tag(self, tag: str) -> None:
        """Add a tag that was set."""
        known = self._facts.known
        is_pending = TAGS + tag in self._parts
        if not is_pending and tag in known.tags | known.found_tags:
            return
        run_id, is_before_known = self._sender(TAGS + tag, ADDED)
        is_absent = self._facts.is_new or matches(TAGS + tag, known.empty)
        if is_before_known and is_absent and not self._is_unseen:
            self._of(run_id).tags_added.add(tag)
        else:
            self._of(run_id).fields[TAGS + tag] = ChangedField(new=True)

    def remove_tag(self, tag: str) -> None:
        """Add a tag that was taken away."""
        known = self._facts.known
        run_id, is_before_known = self._sender(TAGS + tag, REMOVED)
        if is_before_known and tag in known.tags | known.found_tags:
            self._of(run_id).tags_removed.add(tag)
        else:
            self._of(run_id).fields[TAGS + tag] = ChangedField(new=None)

    @property
    def _is_unseen(self) -> bool:
        """Return whether nothing was known of the vendor contact before the call."""
        return self._facts.known.external_id is None and not self._facts.is_new

    def _sender(self, part: str, sent: Json) -> tuple[int, bool]:
        """Return the run that a part belongs to, and whether what was before is known.

        A part of a note that is sent again with the same value is its sender's.
        """
        if part not in self._parts:
            return THIS_RUN, True
        if not equal_as_json(self._parts[part], sent):
            return THIS_RUN, False
        sender = sender_of(self._note, part)
        if sender.run_id is None:
            return THIS_RUN, False
        return sender.run_id, not sender.over_unknown

    def _of(self, run_id: int) -> _Collected:
        if run_id not in self._by_run:
            self._by_run[run_id] = _Collected()
        return self._by_run[run_id]


def _field_change(known: Known, name: str, new: Json, is_new: bool) -> ChangedField:  # noqa: FBT001 - private
    """Return the change of a field of which nothing is pending."""
    if name in known.fields:
        return ChangedField(new, known.fields[name], is_old_known=True)
    if is_new or matches(name, known.empty):
        return ChangedField(new, None, is_old_known=True)
    return ChangedField(new)


def _key_of_create(known: Known, note: Pending) -> dict[str, ChangedField]:
    """Return the match key under which a create without an answer must have been sent.

    It is known (``learning.with_key_of_create``), and so is not sent again.
    """
    fields: dict[str, ChangedField] = {}
    for key in note.keys:
        value = known.fields.get(key.field)
        is_settled = key.field not in note.fields and value is not None
        if is_settled and text(value) == key.value:
            fields[key.field] = ChangedField(value)
    return fields


def _pieces_of_deletion(applied: Applied, facts: CallFacts) -> list[Piece]:
    """Return the deletion, for the run that sent it first.

    A contact that was not there any more was deleted by somebody else, unless a
    deletion of ours had no answer.
    """
    run_id = THIS_RUN
    is_ours = not applied.was_gone or facts.after_lost_try
    if DELETE in parts_of(facts.note):
        sender = sender_of(facts.note, DELETE)
        is_ours = is_ours or sender.run_id is not None
        run_id = sender.run_id or THIS_RUN
    if not is_ours:
        return []
    return [Piece(run_id, deletion_of(facts.known))]


def deletion_of(known: Known) -> ContactChange:
    """Return the deletion of a contact, with what was known of it."""
    parts = parts_of(known.pending or Pending())
    fields: dict[str, ChangedField] = {}
    for name, value in known.fields.items():
        if name in parts:
            fields[name] = ChangedField(None)
        else:
            fields[name] = ChangedField(None, value, is_old_known=True)
    tags = frozenset(
        tag for tag in known.tags | known.found_tags if TAGS + tag not in parts
    )
    return ContactChange(
        Effect.DELETED, fields, tags_removed=tags, external_id=known.external_id
    )


# --- what a look shows ----------------------------------------------------------------


def pieces_of_link(
    before: Known, remote: Remote, capabilities: Capabilities, same: Same
) -> list[Piece]:
    """Return the pieces that are settled by linking a vendor contact that was found.

    What a lost call was to set, and the vendor shows, is a change of its run. The link
    is one of the run that sent the create, or else of this run. ``before`` is what was
    known before it was found, and ``same`` the vendor's own notion of equal values.
    """
    note = before.pending or Pending()
    pieces: list[Piece] = []
    is_same = before.external_id == remote.external_id
    if not is_same:
        run_id = THIS_RUN
        if note.creates:
            run_id = sender_of(note, CREATE).run_id or THIS_RUN
        link = ContactChange(Effect.LINKED, external_id=remote.external_id)
        pieces.append(Piece(run_id, link))
    return pieces + _settled_parts(before, remote, capabilities, same, is_same=is_same)


def _settled_parts(
    before: Known,
    remote: Remote,
    capabilities: Capabilities,
    same: Same,
    *,
    is_same: bool,
) -> list[Piece]:
    """Return the parts of a note that the vendor shows to be carried out.

    ``is_same``: the contact is the one that was known before.
    """
    note = before.pending or Pending()
    pieces: list[Piece] = []
    for part, value in parts_of(note).items():
        sender = sender_of(note, part)
        if sender.run_id is None or part in (CREATE, DELETE):
            continue
        change: ContactChange | None = None
        if part.startswith(TAGS) and part not in note.fields:
            tag = part.removeprefix(TAGS)
            change = _settled_tag(tag, value, before, remote, is_same=is_same)
        elif _is_shown_as_sent(part, value, remote, capabilities.hidden, same):
            # Sent over something that was unknown, it had no known value before.
            is_old_known = is_same and not sender.over_unknown
            change = _settled_field(part, value, before, is_old_known=is_old_known)
        if change is not None:
            change = replace(change, external_id=remote.external_id)
            pieces.append(Piece(sender.run_id, change))
    return pieces


def _settled_field(
    name: str, sent: Json, before: Known, *, is_old_known: bool
) -> ContactChange | None:
    """Return the change of a field that the vendor shows to have what was sent."""
    field = ChangedField(sent)
    if is_old_known:
        field = _field_change(before, name, sent, is_new=False)
    if _is_void(field):
        return None
    return ContactChange(Effect.UPDATED, {name: field})


def _settled_tag(
    tag: str, sent: Json, before: Known, remote: Remote, *, is_same: bool
) -> ContactChange | None:
    """Return the change of a tag that the vendor shows to be set, or to be gone."""
    if not remote.shows_tags:
        return None
    is_there = tag in remote.tags
    if sent == ADDED and is_there:
        if is_same and matches(TAGS + tag, before.empty):
            return ContactChange(Effect.UPDATED, tags_added=frozenset({tag}))
        return ContactChange(Effect.UPDATED, {TAGS + tag: ChangedField(new=True)})
    if sent == REMOVED and not is_there and is_same and tag in before.tags:
        return ContactChange(Effect.UPDATED, tags_removed=frozenset({tag}))
    return None


def _is_shown_as_sent(
    name: str, sent: Json, remote: Remote, hidden: tuple[str, ...], same: Same
) -> bool:
    """Return whether the vendor shows that a field has what was sent."""
    if name in remote.fields:
        return same(name, sent, remote.fields[name])
    # A field that would be shown, and is not, is empty.
    is_hidden = name.startswith(LISTS) or matches(name, hidden)
    return sent in EMPTY and not is_hidden


def pieces_of_overwriting(call: Call, external_id: str) -> list[Piece]:
    """Return what a write changed at a vendor contact that another contact owns.

    It is a change of the contact that was written about: the vendor took the two for
    one. What the vendor contact had before is the owner's to know.
    """
    fields = {name: ChangedField(value) for name, value in call.fields.items()}
    for tag in call.add_tags:
        fields[TAGS + tag] = ChangedField(new=True)
    taken = ContactChange(Effect.LINKED, fields, external_id=external_id)
    return [Piece(THIS_RUN, taken)]


def pieces_of_lost_deletion(known: Known) -> list[Piece]:
    """Return the deletion whose answer was lost, of a contact that is not found.

    What was known of the contact before is in the note (``after_unknown_deletion``).
    """
    note = known.pending
    if note is None or not note.deletes:
        return []
    sender = sender_of(note, DELETE)
    if sender.run_id is None:
        return []
    fields: dict[str, ChangedField] = {}
    for name, value in note.fields.items():
        is_known = sender_of(note, name).run_id is None and not note.distrusted
        fields[name] = ChangedField(None, value if is_known else None, is_known)
    deletion = ContactChange(Effect.DELETED, fields)
    return [Piece(sender.run_id, deletion)]
