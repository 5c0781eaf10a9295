"""Decision of an undo about one contact: the copy to bring about, or reasons not to.

An undo takes back what a former run changed at the vendor, contact by contact. Its
target is an ordinary ``Desired``, which holds the old values of what may be taken back
and nothing else: so the same plan, intents, calls and records follow as in any run.

Each part of the change, a field or a tag, is judged by itself:

- What the vendor has again already needs no call.
- A value of which nobody knows what was there before is not "nothing": it stays.
- An opt-out stays, whoever set it.
- What a later run changed since, or somebody at the vendor, stays. Where the vendor
  shows the contact, it is read right before, and compared with what the run sent.

A contact as a whole is left alone where the run created it (unless it is to be deleted
for that), where it was deleted, is gone or belongs to another vendor contact now: an
undo creates nobody. Something that was sent and has no outcome yet is settled first.

**After a crash.** The intent of an undo is written together with the note of what is
taken back (``planning.taken_back``). A run of any other kind that comes before the undo
is repeated finds both: it finishes what had begun, and sends nothing else of it again.
Contacts that the undo had not reached have neither, and are in step with their rows as
before. The undo itself, repeated, finds what is back already, and does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import starmap

from syncengine.model.calls import Unsupported
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.change import ChangedField, ContactChange, Effect
from syncengine.model.contact import LISTS, Desired, Known, MatchKey, Pending, Remote
from syncengine.model.http import Json
from syncengine.model.undo import NO_ROW, TAGS, LaterChange, TakenBack, UndoScope
from syncengine.planning.changes import EMPTY, equal_as_json
from syncengine.planning.taken_back import with_basis

Same = Callable[[str, Json, Json], bool]
"""The vendor's own notion of equal values: field, ours, theirs (``Vendor.same``)."""
_UNSURE_TAG = "tags."
"""Beginning of the names of tags that may have been there before the run, or not."""


class Skip(Enum):
    """Reasons to leave a contact as it is; the values are codes of ``Unsupported``."""

    CREATED = "created_stays"
    DELETED = "deleted_before"
    GONE = "gone_since"
    OTHER_CONTACT = "other_contact_since"
    CHANGED = "changed_since"
    CHANGED_THERE = "changed_there"
    LEFT_SOURCE = "left_source"
    SHARED = "selected_elsewhere"
    KEY_TAKEN = "key_taken_since"
    UNSETTLED = "unsettled"
    UNDELETABLE = "delete"


@dataclass(frozen=True, slots=True)
class ContactUndo:
    """Facts of a contact that do not change while the undo is under way."""

    contact_id: str
    change: ContactChange
    scope: UndoScope
    later: tuple[LaterChange, ...] = ()
    wanted: Desired | None = field(default=None, repr=False)
    """Contact that its row asks for now, taken back or not; None: it has no row, or
    one that cannot be used."""
    is_in_step: bool = False
    """True where the row, as it is now, was acknowledged by the vendor."""
    version: int = NO_ROW
    """The fingerprint of its row (``taken_back.Versions``)."""
    basis: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The fingerprints of its columns, and of what makes each part of the change."""
    note: TakenBack | None = None
    """Note of what was taken back of it before, and still counts."""


@dataclass(frozen=True, slots=True)
class UndoTarget:
    """The copy to bring about."""

    desired: Desired | None
    """None: the contact is to be deleted."""
    known: Known = field(repr=False)
    """Known copy of the contact, as far as the vendor has just shown it."""
    note: TakenBack
    """Note of what counts as taken back from now on; it may be empty."""
    skipped: tuple[Unsupported, ...] = ()
    reasons: tuple[str, ...] = ()
    """The reasons for what is skipped, in words."""


class _Verdict(Enum):
    """Judgement of one part of a change."""

    TAKE_BACK = auto()
    IS_BACK = auto()
    UNKNOWN_BEFORE = auto()
    OPT_OUT = auto()
    CHANGED = auto()
    CHANGED_THERE = auto()


_CODES = {
    _Verdict.UNKNOWN_BEFORE: "old_value_unknown",
    _Verdict.OPT_OUT: "lower_opt_out",
    _Verdict.CHANGED: "changed_since",
    _Verdict.CHANGED_THERE: "changed_there",
}
_REASONS = {
    _Verdict.UNKNOWN_BEFORE: (
        "nobody knows what was there before, so what the vendor has stays: a run puts "
        "it right once the row or the mapping is corrected, or change it there"
    ),
    _Verdict.OPT_OUT: (
        "an opt-out is not taken back, unless settings.lower_opt_outs names the field"
    ),
    _Verdict.CHANGED_THERE: "somebody has changed it at the vendor since",
}
_MOST_NAMED = 5
"""Number of fields and tags that are named under one reason."""


def undo_target(
    undo: ContactUndo,
    known: Known,
    capabilities: Capabilities,
    same: Same,
    remote: Remote | None = None,
) -> UndoTarget | Skip:
    """Return what to bring about of a contact, or why it is left alone as a whole.

    ``remote`` is the contact as the vendor shows it right now; None where it was not
    read. ``known`` is what the state knows.
    """
    reason = _reason_to_skip(undo, known)
    if reason is not None:
        return reason
    if undo.change.effect is Effect.CREATED:
        if capabilities.delete is None:
            return Skip.UNDELETABLE
        return _deletion(undo, known, same, remote)
    judge = _Judge(undo, known, capabilities, same, remote)
    if judge.is_unsettled:
        return Skip.UNSETTLED
    return judge.target()


def with_the_rest(target: Desired, known: Known) -> Desired:
    """Return the copy that an undo brings about, with the fields that it leaves alone.

    Brakes judge by them whether a contact becomes another person: a target names what
    is taken back alone, and of that everything changes. What is unknown is left out,
    since it would be sent.
    """
    pending = known.pending or Pending()
    rest = {
        name: value
        for name, value in known.fields.items()
        if name not in pending.fields
    }
    return replace(target, fields={**rest, **target.fields})


def last_of(undo: ContactUndo) -> int:
    """Return the last run that changed the contact after the one to take back."""
    others = _by_others(undo, lambda _: True)
    return max((each.run_id for each in others), default=undo.scope.run_id)


def _by_others(
    undo: ContactUndo, concerns: Callable[[LaterChange], bool]
) -> list[LaterChange]:
    """Return the later changes of a part that count, those that it ``concerns``.

    The tries of this undo do not. Nor does what was itself taken back since, with the
    undo that did: after it the part is what it was before. So wrong nights can be taken
    back one after the other, the newest first.
    """
    touching = [each for each in undo.later if concerns(each)]
    numbers = {each.run_id for each in touching}
    taken_back: set[int] = set()
    others: list[LaterChange] = []
    # The newest first: an undo that was taken back has taken nothing back.
    for each in sorted(touching, key=lambda change: change.run_id, reverse=True):
        if each.run_id in taken_back:
            continue
        if each.undone is not None and each.undone in numbers:
            taken_back.add(each.undone)
        elif each.undone != undo.scope.run_id:
            others.append(each)
    return others


def _reason_to_skip(undo: ContactUndo, known: Known) -> Skip | None:
    """Return why a contact is left alone, as far as no part of the change matters."""
    change = undo.change
    if change.effect is Effect.DELETED:
        return Skip.DELETED
    if change.effect is Effect.CREATED and not undo.scope.deletes_created:
        return Skip.CREATED
    pending = known.pending
    if pending is not None and (pending.creates or pending.merged_with is not None):
        return Skip.UNSETTLED
    if known.external_id is None:
        return Skip.GONE
    if change.external_id not in (None, known.external_id):
        return Skip.OTHER_CONTACT
    return None


def _deletion(
    undo: ContactUndo, known: Known, same: Same, remote: Remote | None
) -> UndoTarget | Skip:
    """Return the deletion of a contact that the run created."""
    if _by_others(undo, lambda _: True):
        return Skip.CHANGED
    if remote is not None and _differs(undo.change, same, remote):
        return Skip.CHANGED_THERE
    return UndoTarget(
        None, known, TakenBack(undo.scope.run_id, undo.version, whole=True)
    )


def _differs(change: ContactChange, same: Same, remote: Remote) -> bool:
    """Return whether the vendor shows another value than one that the run sent."""
    for name, value in change.fields.items():
        if name not in remote.fields or isinstance(value.new, list):
            continue
        if not same(name, value.new, remote.fields[name]):
            return True
    return False


class _Judge:
    """Judges the parts of one contact's change, and puts the target together."""

    def __init__(
        self,
        undo: ContactUndo,
        known: Known,
        capabilities: Capabilities,
        same: Same,
        remote: Remote | None,
    ) -> None:
        self._undo = undo
        self._known = known
        self._capabilities = capabilities
        self._same = same
        self._remote = remote
        self._pending = known.pending or Pending()
        self._fields: dict[str, Json] = {}
        self._add: set[str] = set()
        self._remove: set[str] = set()
        self._back_fields: set[str] = set()
        """Fields that are back, and that the row would have sent again."""
        self._judged_back: set[str] = set()
        """Fields and tags that are back, by this undo or before it, whatever the row
        asks for. An earlier note says nothing about them any more."""
        self._off: set[str] = set()
        self._on: set[str] = set()
        self._skipped: list[Unsupported] = []
        self._names_by_reason: dict[str, list[str]] = {}

    @property
    def is_unsettled(self) -> bool:
        """Return whether something is unknown that this undo did not send itself.

        Where the vendor has just shown the contact, that has settled it.
        """
        if self._remote is not None or self._known.pending is None:
            return False
        if self._pending.deletes or self._pending.distrusted:
            return True
        note = self._own_note
        own_tags = note.tags_off | note.tags_on
        sent_tags = self._pending.add_tags | self._pending.remove_tags
        fields = frozenset(self._pending.fields)
        return not (fields <= note.fields and sent_tags <= own_tags)

    @property
    def _own_note(self) -> TakenBack:
        """Return what a former try of this undo noted; an empty note if there is none."""
        note, run_id = self._undo.note, self._undo.scope.run_id
        if note is None or note.undone != run_id:
            return TakenBack(run_id)
        return note

    def target(self) -> UndoTarget:
        """Return the copy to bring about."""
        for name, value in self._undo.change.fields.items():
            self._judge_field(name, value)
        self._judge_tags()
        known = self._settled()
        has_tags = bool(self._add or self._remove)
        tags = (known.tags | self._own_unknown_tags(known)) - self._remove
        return UndoTarget(
            Desired(
                self._undo.contact_id,
                fields=self._fields,
                tags=tags | self._add if has_tags else frozenset(),
                keys=self._keys(known),
                manages_tags=has_tags,
            ),
            known,
            self._note(),
            tuple(self._skipped),
            tuple(starmap(_named, self._names_by_reason.items())),
        )

    def _keys(self, known: Known) -> tuple[MatchKey, ...]:
        """Return the keys that name the contact at the vendor, its present one first."""
        keys = [known.key] if known.key else []
        wanted = self._undo.wanted
        if wanted is not None:
            changed = self._undo.change.fields
            keys += [key for key in wanted.keys if key.field not in changed]
        return tuple(dict.fromkeys(keys))

    def _own_unknown_tags(self, known: Known) -> frozenset[str]:
        """Return the tags that an unknown call may have added."""
        return known.pending.add_tags if known.pending else frozenset()

    def _judge_field(self, name: str, value: ChangedField) -> None:
        """Judge one field, or one tag that may have been there before the run."""
        if name.startswith(_UNSURE_TAG) and not value.is_old_known:
            if self._undo.scope.includes(TAGS):
                tag = name.removeprefix(_UNSURE_TAG)
                self._skip(_Verdict.UNKNOWN_BEFORE, tag, "tag", name)
            return
        if not self._undo.scope.includes(name):
            return
        verdict = self._verdict_on_field(name, value)
        if verdict is _Verdict.TAKE_BACK:
            self._fields[name] = value.old
        if verdict in (_Verdict.TAKE_BACK, _Verdict.IS_BACK):
            self._judged_back.add(name)
            self._note_field(name, value)
        else:
            is_list = name.startswith(LISTS)
            subject = name.removeprefix(LISTS)
            self._skip(verdict, subject, "list" if is_list else "field", name)

    def _verdict_on_field(self, name: str, value: ChangedField) -> _Verdict:
        if not value.is_old_known:
            return _Verdict.UNKNOWN_BEFORE
        if self._has(name, value.old):
            return _Verdict.IS_BACK
        if self._capabilities.lowers_opt_out(name, value.old):
            return _Verdict.OPT_OUT
        if _by_others(self._undo, lambda each: name in each.fields):
            return _Verdict.CHANGED
        if self._has(name, value.new) or self._is_under_way(name):
            return _Verdict.TAKE_BACK
        return _Verdict.CHANGED if self._remote is None else _Verdict.CHANGED_THERE

    def _has(self, name: str, value: Json) -> bool:
        """Return whether the vendor has this value in a field, for certain."""
        if self._shows(name):
            assert self._remote is not None, "only what was read is shown"
            theirs = self._remote.fields.get(name)
            if value in EMPTY:
                return theirs in EMPTY or self._same(name, None, theirs)
            return self._same(name, value, theirs)
        if name in self._pending.fields:
            return False
        ours = self._known.fields.get(name)
        if value in EMPTY:
            return ours in EMPTY
        return equal_as_json(value, ours)

    def _shows(self, name: str) -> bool:
        """Return whether the vendor was read, and shows the field where it has it.

        Of a field that keeps every value, what was sent is compared.
        """
        if self._remote is None or matches(name, self._capabilities.accumulates):
            return False
        if name in self._remote.fields:
            return True
        hidden = name.startswith(LISTS) or matches(name, self._capabilities.hidden)
        return not hidden

    def _is_under_way(self, name: str) -> bool:
        """Return whether a former try of this undo may have written the field."""
        if name not in self._own_note.fields:
            return False
        return name in self._pending.fields and not self._shows(name)

    def _judge_tags(self) -> None:
        change = self._undo.change
        if not self._undo.scope.includes(TAGS):
            return
        for tag in sorted(change.tags_added):
            self._judge_tag(tag, had_before=False)
        for tag in sorted(change.tags_removed):
            self._judge_tag(tag, had_before=True)

    def _judge_tag(self, tag: str, *, had_before: bool) -> None:
        verdict = self._verdict_on_tag(tag, had_before=had_before)
        taken = (_Verdict.TAKE_BACK, _Verdict.IS_BACK)
        if verdict is _Verdict.TAKE_BACK:
            (self._add if had_before else self._remove).add(tag)
        if verdict not in taken:
            self._skip(verdict, tag, "tag", f"{_UNSURE_TAG}{tag}")
            return
        self._judged_back.add(f"{_UNSURE_TAG}{tag}")
        if self._is_asked_for_anew(tag, had_before=had_before):
            (self._on if had_before else self._off).add(tag)

    def _verdict_on_tag(self, tag: str, *, had_before: bool) -> _Verdict:
        is_certain = self._remote is not None and self._remote.shows_tags
        sent = self._pending.add_tags | self._pending.remove_tags
        if is_certain:
            assert self._remote is not None, "what is certain was read"
            has_it = tag in self._remote.tags
        else:
            has_it = tag in self._known.tags | self._known.found_tags
        is_unknown = not is_certain and tag in sent
        if not is_unknown and has_it == had_before:
            return _Verdict.IS_BACK
        if _by_others(self._undo, lambda each: tag in each.tags):
            return _Verdict.CHANGED
        is_ours = tag in self._known.tags or tag in sent
        if not had_before and not is_ours:
            # Somebody else has set it since: the run's own one was taken away.
            return _Verdict.CHANGED_THERE
        return _Verdict.TAKE_BACK

    def _settled(self) -> Known:
        """Return what is known, with what the vendor has just shown of the parts."""
        if self._remote is None:
            return self._known
        fields, pending = dict(self._known.fields), dict(self._pending.fields)
        for name in self._undo.change.fields:
            value = self._undo.change.fields[name]
            if not self._shows(name):
                continue
            pending.pop(name, None)
            if name in self._fields:
                _put(fields, name, value.new)
            elif self._has(name, value.old):
                _put(fields, name, value.old)
        tags, add, remove = self._settled_tags()
        left = replace(self._pending, fields=pending, add_tags=add, remove_tags=remove)
        return replace(
            self._known,
            fields=fields,
            tags=tags,
            pending=None if replace(left, age=None) == Pending() else left,
        )

    def _settled_tags(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Return known tags of ours, and those still unknown to be added or removed."""
        pending, known = self._pending, self._known.tags
        assert self._remote is not None, "only what was read is settled"
        if not self._remote.shows_tags:
            return known, pending.add_tags, pending.remove_tags
        ours = known | pending.add_tags | pending.remove_tags
        judged = self._undo.change.tags_added | self._undo.change.tags_removed
        # Of tags that are no part of the change nothing is learned here: they are the
        # business of the runs that set them.
        shown = (ours & judged & self._remote.tags) | (known - judged)
        return shown, pending.add_tags - judged, pending.remove_tags - judged

    def _note_field(self, name: str, value: ChangedField) -> None:
        """Note a field as taken back if the row would have it sent again."""
        wanted = self._undo.wanted
        if wanted is None:
            is_asked_for = True
        elif name in wanted.fields:
            is_asked_for = self._is_asked_for(wanted.fields[name], name, value)
        else:
            # Only a list, or a field that is cleared where it is not mapped any more,
            # would be taken away again.
            is_cleared = wanted.mapped is not None or name.startswith(LISTS)
            is_asked_for = is_cleared and value.old not in EMPTY
        if is_asked_for:
            self._back_fields.add(name)

    def _is_asked_for(self, asked: Json, name: str, value: ChangedField) -> bool:
        """Return whether a row asks for the value that is taken back.

        Where the row was in step, it does, in whatever form the value is now.
        """
        if self._is_alike(name, asked, value.old):
            return False
        return self._undo.is_in_step or self._is_alike(name, asked, value.new)

    def _is_alike(self, name: str, ours: Json, other: Json) -> bool:
        """Return whether two values, both in our form, mean the same."""
        if ours in EMPTY or other in EMPTY:
            return ours in EMPTY and other in EMPTY
        if isinstance(other, list) and not isinstance(ours, list):
            # The field keeps every value, and the last one is what the row asked for.
            return equal_as_json(ours, other[-1])
        return equal_as_json(ours, other) or self._same(name, ours, other)

    def _is_asked_for_anew(self, tag: str, *, had_before: bool) -> bool:
        """Return whether the row would have a tag removed, or added, once more.

        A row, or mapping, that was mended since the run does not ask for the run's own
        tags any more. That it does not ask for those of before either is then what it
        means, and no mistake to be taken back.
        """
        wanted = self._undo.wanted
        if wanted is None:
            return True
        if had_before and not self._undo.is_in_step:
            added = self._undo.change.tags_added
            if added and not added & wanted.tags:
                return False
        return (tag in wanted.tags) != had_before

    def _note(self) -> TakenBack:
        """Return what counts as taken back, with what did before."""
        before = self._undo.note
        note = TakenBack(
            self._undo.scope.run_id,
            self._undo.version,
            frozenset(self._back_fields),
            frozenset(self._off),
            frozenset(self._on),
        )
        if before is not None:
            # What this undo puts back is judged anew: to take an undo back means that
            # the row has its way again. What it skips is held back as before.
            is_judged = self._judged_back
            tags = {name.removeprefix(_UNSURE_TAG) for name in is_judged}
            note = replace(
                note,
                fields=note.fields | (before.fields - is_judged),
                tags_off=note.tags_off | (before.tags_off - tags),
                tags_on=note.tags_on | (before.tags_on - tags),
            )
        return with_basis(note, self._undo.basis)

    def _skip(self, verdict: _Verdict, name: str, kind: str, subject: str) -> None:
        """Skip one part, by name."""
        self._skipped.append(Unsupported(_CODES[verdict], subject))
        reason = _REASONS.get(verdict, "")
        if verdict is _Verdict.CHANGED:
            reason = self._changed_by(subject)
        self._names_by_reason.setdefault(reason, []).append(f'{kind} "{name}"')

    def _changed_by(self, subject: str) -> str:
        """Return who has changed a field or tag since, in words."""
        tag = subject.removeprefix(_UNSURE_TAG)
        runs = _by_others(
            self._undo, lambda each: subject in each.fields or tag in each.tags
        )
        if not runs:
            return "it is not what the run sent any more"
        # The newest is the first.
        return f"run {runs[0].run_id} has changed it since"


def _named(reason: str, names: Sequence[str]) -> str:
    """Return a reason with the fields and tags that it holds for."""
    named = ", ".join(names[:_MOST_NAMED])
    left_out = len(names) - _MOST_NAMED
    more = f" and {left_out} more" if left_out > 0 else ""
    return f"{named}{more}: {reason}"


def _put(fields: dict[str, Json], name: str, value: Json) -> None:
    """Put a value among known fields, where an empty one is left out."""
    if value in EMPTY:
        fields.pop(name, None)
    else:
        fields[name] = value


_OF_CONTACT: Mapping[Skip, str] = {
    Skip.CREATED: (
        "run {run} created it, and it stays: `--created delete` deletes such contacts"
    ),
    Skip.DELETED: "run {run} deleted it, and an undo creates nobody again",
    Skip.GONE: (
        "its contact at the vendor is not there any more, and an undo creates nobody "
        "again"
    ),
    Skip.OTHER_CONTACT: "it has another contact at the vendor now than in run {run}",
    Skip.CHANGED: "run {last} has changed it since it was created, so it stays",
    Skip.CHANGED_THERE: (
        "somebody has changed it at the vendor since it was created, so it stays"
    ),
    Skip.LEFT_SOURCE: (
        "its row is not selected any more, so that nobody can say whether the contact "
        "has opted out: nothing is sent about it"
    ),
    Skip.UNDELETABLE: (
        "run {run} created it, and the vendor cannot delete a contact: do that there"
    ),
    Skip.SHARED: (
        "another destination of the account selects it, so it is not deleted there"
    ),
    Skip.KEY_TAKEN: (
        "its former match key belongs to another contact now, so it stays as it is"
    ),
    Skip.UNSETTLED: (
        "what was sent about it has no outcome yet: a run settles that, and then the "
        "undo can be repeated"
    ),
}


def skip_in_words(skip: Skip, undo: ContactUndo) -> str:
    """Return why a contact is left alone."""
    return _OF_CONTACT[skip].format(run=undo.scope.run_id, last=last_of(undo))


def match_fields(target: Desired, match_on: Sequence[str]) -> tuple[str, ...]:
    """Return the match fields whose former values are put back."""
    return tuple(name for name in match_on if name in target.fields)
