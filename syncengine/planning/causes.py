"""Causes why contacts are worked on: a changed row, a changed file, unfinished work.

A night that sends far more than usual raises one question: why? ``syncengine plan`` and
``run`` answer it in numbers, such as "8,000 contacts: mapping of city changed".

A contact's hash covers the row and the mapping together, so it does not tell which of
them changed. Therefore the state remembers a fingerprint of each part of the mapping
(``meaning``), and a contact whose calls carry a field of a changed part is counted for
that part; anything else it sends is counted for its row.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from syncengine.model.calls import Call
from syncengine.model.contact import LISTS, Desired, Known
from syncengine.model.http import Json
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.model.mapping import OnUnmap
from syncengine.model.undo import TakenBack
from syncengine.model.work import ContactState, Status
from syncengine.planning.changes import EMPTY

# Names of the parts of a mapping whose meaning is remembered. They are stored in the
# state, so they never change.
_FIELD = "fields."
"""Beginning of a part's name that is one field; the field's name follows."""
_TAGS = "tags"
_PREFIX = "tags_prefix"
_LISTS = "lists"
_ON_NULL = "on_null"
_ON_UNMAP = "on_unmap"
_VERSION = "version"
_WHOLE = "contact"
"""All of a contact that an undo had deleted. It is not stored."""


class CauseKind(StrEnum):
    """Kinds of causes, in the order in which they are reported."""

    NEW = "new"
    RETURNED = "returned"
    LEFT = "left"
    ROW = "row_changed"
    MAPPING = "mapping_changed"
    PREFIX = "tags_prefix_changed"
    TAGS = "tags_mapping_changed"
    LISTS = "lists_mapping_changed"
    ON_NULL = "on_null_changed"
    ON_UNMAP = "on_unmap_changed"
    VERSION = "version_changed"
    HELD = "held_back"
    LIFTED = "suppression_lifted"
    REJECTED = "rejected_before"
    UNFINISHED = "unfinished"
    GONE = "gone"
    OUT_OF_STEP = "out_of_step"

    @property
    def is_configuration(self) -> bool:
        """Return whether the source had no part in it."""
        return self in _OF_CONFIGURATION


_OF_CONFIGURATION = frozenset(
    {
        CauseKind.MAPPING,
        CauseKind.PREFIX,
        CauseKind.TAGS,
        CauseKind.LISTS,
        CauseKind.ON_NULL,
        CauseKind.ON_UNMAP,
        CauseKind.VERSION,
    },
)
_IN_WORDS = {
    CauseKind.NEW: "new",
    CauseKind.RETURNED: "back in the source",
    CauseKind.LEFT: "left the source",
    CauseKind.ROW: "row changed",
    CauseKind.MAPPING: "mapping of {field} changed",
    CauseKind.PREFIX: "prefix of the tags changed",
    CauseKind.TAGS: "mapping of the tags changed",
    CauseKind.LISTS: "mapping of the lists changed",
    CauseKind.ON_NULL: "on_null changed",
    CauseKind.ON_UNMAP: "on_unmap changed",
    CauseKind.VERSION: (
        "a new version of syncengine reads or sends values in another way"
    ),
    CauseKind.HELD: "held back by an undo until now",
    CauseKind.LIFTED: "no longer suppressed or opted out",
    CauseKind.REJECTED: "rejected before",
    CauseKind.UNFINISHED: "left unfinished by an earlier run, or noted by `verify --repair`",
    CauseKind.GONE: "deleted at the vendor",
    CauseKind.OUT_OF_STEP: "out of step although the row did not change",
}
# Statuses that are a cause by themselves; of the others something else has to be.
_BY_STATUS = {
    Status.REMOVED: CauseKind.RETURNED,
    Status.SUPPRESSED: CauseKind.LIFTED,
    Status.REJECTED: CauseKind.REJECTED,
    Status.GONE: CauseKind.GONE,
}


class Why(StrEnum):
    """The one reason why a contact is worked on, in the order of the report.

    Contacts are counted under exactly one of these; under ``CauseKind`` a contact may
    be counted several times.
    """

    NEW = "new"
    RETURNED = "returned"
    LEFT = "left"
    ROW = "row_changed"
    CONFIGURATION = "configuration_changed"
    """All that is sent is sent because the mapping changed, or the program."""
    HELD = "held_back"
    """Something is sent that an undo held back until its row or mapping changed."""
    LIFTED = "suppression_lifted"
    REJECTED = "rejected_before"
    UNFINISHED = "unfinished"
    GONE = "gone"
    """Deleted at the vendor; it is looked up."""
    RECREATED = "recreated"
    """Deleted at the vendor, and created again."""
    OUT_OF_STEP = "out_of_step"


@dataclass(frozen=True, slots=True)
class Cause:
    """Reason why a contact is worked on; a contact may have several."""

    why: CauseKind
    field: str = ""
    """The vendor field, of a changed mapping."""

    @property
    def in_words(self) -> str:
        return _IN_WORDS[self.why].format(field=self.field)


class CauseCounter:
    """Numbers of contacts by cause."""

    def __init__(self, changed: Iterable[str] = ()) -> None:
        """Begin to count.

        ``changed`` are the parts of the configuration that mean something else now, as
        ``changed_parts`` names them.
        """
        self.changed = frozenset(changed)
        self._counts: Counter[Cause] = Counter()
        self._by_why: Counter[Why] = Counter()

    def add(
        self,
        state: ContactState,
        desired: Desired | None,
        source_hash: int | None,
        calls: Sequence[Call],
        *,
        recreates: bool = False,
        released: frozenset[str] = frozenset(),
    ) -> Why:
        """Count one contact, and return the one reason it is counted under.

        ``recreates``: it was deleted at the vendor, and is created again. ``released``
        are the parts that an undo held back until now.
        """
        causes = causes_of(state, desired, source_hash, calls, self.changed, released)
        self._counts.update(causes)
        why = Why.RECREATED if recreates else why_of(causes)
        self._by_why[why] += 1
        return why

    def by_why(self) -> Mapping[Why, int]:
        """Return the number of contacts under each reason; each is counted once."""
        return {why: self._by_why[why] for why in Why}

    def counts(self) -> tuple[tuple[Cause, int], ...]:
        """Return the causes with their numbers of contacts, in order of kind."""
        rank = {kind: index for index, kind in enumerate(CauseKind)}

        def rank_of(item: tuple[Cause, int]) -> tuple[int, str]:
            cause, _ = item
            return rank[cause.why], cause.field

        return tuple(sorted(self._counts.items(), key=rank_of))


def why_of(causes: frozenset[Cause]) -> Why:
    """Return the one reason for a contact that has these causes.

    A contact with a changed row would be sent whatever became of the configuration.
    """
    beside_configuration = [
        cause.why for cause in causes if not cause.why.is_configuration
    ]
    if not beside_configuration:
        return Why.CONFIGURATION
    if CauseKind.HELD in beside_configuration:
        return Why.HELD
    # There is one at most: what else a contact sends beside the configuration all has
    # the same cause.
    return Why(beside_configuration[0].value)


def meaning(mapping: ContactMapping, version: Sequence[Json]) -> dict[str, str]:
    """Return a fingerprint of each part of a mapping; equal ones mean the same.

    Keys are the names of the parts (``fields.NAME``, ``tags``, ...). ``version`` is
    what else the values depend on: the normalisers' and the adapter's versions.
    """
    parts: dict[str, object] = {_FIELD + each.field: each for each in mapping.fields}
    parts[_TAGS] = mapping.tags
    parts[_LISTS] = mapping.lists
    parts[_ON_NULL] = mapping.on_null.value
    parts[_VERSION] = tuple(version)
    if mapping.tags is not None:
        parts[_PREFIX] = mapping.tag_prefix
    if mapping.on_unmap is OnUnmap.REMOVE:
        parts[_ON_UNMAP] = mapping.on_unmap.value
    return {name: _fingerprint(part) for name, part in parts.items()}


def _fingerprint(part: object) -> str:
    return hashlib.sha256(repr(part).encode()).hexdigest()[:16]


def changed_parts(
    before: Mapping[str, str] | None, now: Mapping[str, str]
) -> frozenset[str]:
    """Return the parts of a mapping that mean something else now.

    Nothing is known to have changed where no meaning is remembered.
    """
    if before is None:
        return frozenset()
    changed = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    if _PREFIX not in before or _PREFIX not in now:
        # A prefix changes only where there was one of tags before. An older version of
        # the program did not remember it by itself.
        changed.discard(_PREFIX)
    return frozenset(changed)


def remapped_fields(changed: frozenset[str], mapping: ContactMapping) -> frozenset[str]:
    """Return the fields whose values come about in another way than before."""
    fields = frozenset(each.field for each in mapping.fields)
    if _VERSION in changed:
        return fields
    return frozenset(name for name in fields if _FIELD + name in changed)


def causes_of(
    state: ContactState,
    desired: Desired | None,
    source_hash: int | None,
    calls: Sequence[Call],
    changed: frozenset[str],
    released: frozenset[str] = frozenset(),
) -> frozenset[Cause]:
    """Return why a contact is worked on; at least one cause.

    ``released`` are the parts that an undo held back until now (``released_parts``).
    """
    kind = _cause_in_state(state, desired, source_hash)
    if kind is not None:
        return frozenset({Cause(kind)})
    outside_mapping = Cause(_cause_outside_mapping(state, source_hash, changed))
    causes: set[Cause] = set()
    for part, value in _changed_by(calls, state.known):
        if part in released or _WHOLE in released:
            causes.add(Cause(CauseKind.HELD))
            continue
        in_mapping = _cause_in_mapping(part, value, changed)
        causes.add(in_mapping or outside_mapping)
    if not causes:
        # Nothing is sent, so no part of the mapping explains it.
        causes.add(outside_mapping)
    return frozenset(causes)


def released_parts(before: TakenBack, now: TakenBack) -> frozenset[str]:
    """Return the parts of a mapping of which an undo holds something back no more."""
    parts: set[str] = set()
    if before.whole and not now.whole:
        parts.add(_WHOLE)
    for name in before.fields - now.fields:
        parts.add(_LISTS if name.startswith(LISTS) else _FIELD + name)
    if (before.tags_off | before.tags_on) - (now.tags_off | now.tags_on):
        parts.add(_TAGS)
    return frozenset(parts)


def _cause_in_state(
    state: ContactState, desired: Desired | None, source_hash: int | None
) -> CauseKind | None:
    """Return the cause that lies in what is known of the contact.

    None where it has to be looked for elsewhere.
    """
    if state.known.pending is not None:
        return CauseKind.UNFINISHED
    if desired is None:
        return CauseKind.LEFT
    if state.status is Status.PENDING:
        is_new = state.known.external_id is None
        return CauseKind.NEW if is_new else CauseKind.UNFINISHED
    if state.status is Status.DEAD and state.rejected_hash in (None, source_hash):
        # The row is the refused one, so somebody has it tried again as it was.
        return CauseKind.REJECTED
    return _BY_STATUS.get(state.status)


def _cause_outside_mapping(
    state: ContactState, source_hash: int | None, changed: frozenset[str]
) -> CauseKind:
    """Return the cause of what no changed part of the mapping explains."""
    # A contact in step without its hash: a repair has noted a drift, or a run ended
    # between its last call and the record of it.
    if state.source_hash is None and state.status is Status.SYNCED:
        return CauseKind.UNFINISHED
    if _VERSION in changed:
        return CauseKind.VERSION
    if state.source_hash == source_hash:
        return CauseKind.OUT_OF_STEP
    return CauseKind.ROW


def _changed_by(calls: Sequence[Call], known: Known) -> Iterator[tuple[str, Json]]:
    """Yield each part of the mapping that something is sent of, with its value.

    What is sent unchanged, because a write has to carry it, is left out.
    """
    for call in calls:
        for name, value in call.fields.items():
            if name in known.fields and known.fields[name] == value:
                continue
            if name.startswith(LISTS):
                yield _LISTS, True
            else:
                yield _FIELD + name, value
        if call.add_tags or call.remove_tags:
            yield _TAGS, True


def _cause_in_mapping(part: str, value: Json, changed: frozenset[str]) -> Cause | None:
    """Return the cause that lies in the configuration, if it does.

    ``part`` is what a call changes, ``value`` what it sends for it.
    """
    if part in changed:
        return _cause_of_changed_part(part, changed)
    # These two settings only ever have something cleared or taken away.
    if _ON_NULL in changed and value in EMPTY:
        return Cause(CauseKind.ON_NULL)
    takes_away = value in EMPTY or part in (_TAGS, _LISTS)
    if _ON_UNMAP in changed and takes_away:
        return Cause(CauseKind.ON_UNMAP)
    return None


def _cause_of_changed_part(part: str, changed: frozenset[str]) -> Cause:
    if part.startswith(_FIELD):
        return Cause(CauseKind.MAPPING, part.removeprefix(_FIELD))
    if part == _LISTS:
        return Cause(CauseKind.LISTS)
    if _PREFIX in changed:
        return Cause(CauseKind.PREFIX)
    return Cause(CauseKind.TAGS)
