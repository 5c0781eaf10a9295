"""Reasons why contacts are worked on: a changed row, a changed file, something left. Pure."""

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
from syncengine.model.work import ContactState, Status
from syncengine.planning.changes import EMPTY

_FIELD = "fields."
_TAGS, _LISTS, _ON_NULL, _ON_UNMAP, _VERSION = (
    "tags",
    "lists",
    "on_null",
    "on_unmap",
    "version",
)
_PREFIX = "tags_prefix"


class CauseKind(StrEnum):
    """Causes, in the order in which they are told."""

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
    CauseKind.VERSION: "a new version of syncengine reads or sends values in another way",
    CauseKind.LIFTED: "no longer suppressed or opted out",
    CauseKind.REJECTED: "rejected before",
    CauseKind.UNFINISHED: "not finished before, or noted by verify --repair",
    CauseKind.GONE: "deleted at the vendor",
    CauseKind.OUT_OF_STEP: "out of step although the row did not change",
}


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
        """``changed`` are the parts of the configuration that mean something else now."""
        self._changed = frozenset(changed)
        self._counts: Counter[Cause] = Counter()

    def add(
        self,
        state: ContactState,
        desired: Desired | None,
        source_hash: int | None,
        calls: Sequence[Call],
    ) -> None:
        """Count one contact."""
        self._counts.update(
            causes_of(state, desired, source_hash, calls, self._changed)
        )

    def counts(self) -> tuple[tuple[Cause, int], ...]:
        """Return the causes with their numbers of contacts, in order."""
        order = list(CauseKind)
        return tuple(
            sorted(
                self._counts.items(),
                key=lambda item: (order.index(item[0].why), item[0].field),
            )
        )


def meaning(mapping: ContactMapping, version: Sequence[Json]) -> dict[str, str]:
    """Return a fingerprint of each part of a mapping; equal ones mean the same.

    ``version`` is what else the values depend on: the normalisers and the adapter.
    """
    parts: dict[str, object] = {_FIELD + each.field: each for each in mapping.fields}
    parts |= {
        _TAGS: mapping.tags,
        _LISTS: mapping.lists,
        _ON_NULL: mapping.on_null.value,
        _VERSION: tuple(version),
    }
    if mapping.tags is not None:
        parts[_PREFIX] = mapping.tag_prefix
    if mapping.on_unmap is OnUnmap.REMOVE:
        parts[_ON_UNMAP] = mapping.on_unmap.value
    return {
        name: hashlib.sha256(repr(part).encode()).hexdigest()[:16]
        for name, part in parts.items()
    }


def changed_parts(
    before: Mapping[str, str] | None, now: Mapping[str, str]
) -> frozenset[str]:
    """Return the parts of a mapping that mean something else now.

    Nothing is known to have changed where no meaning is remembered. A prefix changes
    where there was one of tags before; an older version did not remember it by itself.
    """
    if before is None:
        return frozenset()
    changed = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    return frozenset(
        changed - {_PREFIX} if _PREFIX not in before.keys() & now.keys() else changed
    )


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
) -> frozenset[Cause]:
    """Return why a contact is worked on; at least one cause."""
    if (earlier := _earlier(state, desired, source_hash)) is not None:
        return frozenset({Cause(earlier)})
    rest = CauseKind.ROW
    if state.source_hash is None and state.status is Status.SYNCED:
        rest = CauseKind.UNFINISHED
    elif _VERSION in changed:
        rest = CauseKind.VERSION
    elif state.source_hash == source_hash:
        rest = CauseKind.OUT_OF_STEP
    found = {
        _of_change(part, value, changed) or Cause(rest)
        for part, value in _changes(calls, state.known)
    }
    return frozenset(found) or frozenset({Cause(rest)})


_BY_STATUS = {
    Status.REMOVED: CauseKind.RETURNED,
    Status.SUPPRESSED: CauseKind.LIFTED,
    Status.REJECTED: CauseKind.REJECTED,
    Status.GONE: CauseKind.GONE,
}


def _earlier(
    state: ContactState, desired: Desired | None, source_hash: int | None
) -> CauseKind | None:
    """Return the cause that lies in what is known of the contact; None: look further."""
    if state.known.pending is not None:
        return CauseKind.UNFINISHED
    if desired is None:
        return CauseKind.LEFT
    if state.status is Status.PENDING:
        return (
            CauseKind.NEW if state.known.external_id is None else CauseKind.UNFINISHED
        )
    if state.status is Status.DEAD and state.rejected_hash in (None, source_hash):
        return CauseKind.REJECTED  # tried again as it was
    return _BY_STATUS.get(state.status)


def _changes(calls: Sequence[Call], known: Known) -> Iterator[tuple[str, Json]]:
    """Yield each part of the mapping that something is sent of, with its value.

    What is sent unchanged, because a write has to carry it, is left out.
    """
    for call in calls:
        for name, value in call.fields.items():
            if name not in known.fields or known.fields[name] != value:
                yield (
                    (_LISTS, True) if name.startswith(LISTS) else (_FIELD + name, value)
                )
        if call.add_tags or call.remove_tags:
            yield _TAGS, True


def _of_change(part: str, value: Json, changed: frozenset[str]) -> Cause | None:
    """Return the cause that lies in the configuration, if it does."""
    if part in changed:
        if part.startswith(_FIELD):
            return Cause(CauseKind.MAPPING, part.removeprefix(_FIELD))
        if part == _LISTS:
            return Cause(CauseKind.LISTS)
        return Cause(CauseKind.PREFIX if _PREFIX in changed else CauseKind.TAGS)
    if _ON_NULL in changed and value in EMPTY:
        return Cause(CauseKind.ON_NULL)
    if _ON_UNMAP in changed and (value in EMPTY or part in (_TAGS, _LISTS)):
        return Cause(CauseKind.ON_UNMAP)
    return None
