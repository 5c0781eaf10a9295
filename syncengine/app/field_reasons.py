"""The fields of a contact, one by one: in step or not, sent when, sent next or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from syncengine.app.local_view import LocalView
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Known
from syncengine.model.desk import FieldReason
from syncengine.model.http import Json
from syncengine.planning.changes import Changes, changes_between
from syncengine.storage.state.history import DatedChange

_TAGS = "tags"
"""Name under which all tags of a contact are one field."""
_Times = Mapping[str, tuple[datetime, int]]
"""When a field was changed last, and by which run, by its name."""


def field_reasons(
    view: LocalView, capabilities: Capabilities, changed: Sequence[DatedChange]
) -> tuple[FieldReason, ...]:
    """Return a line for each field that the source has, or that was sent.

    ``changed`` are the contact's changes, the newest first.
    """
    known = view.state.known if view.state else Known()
    changes: Changes | None = None
    if view.desired is not None:
        changes = changes_between(view.desired, known, capabilities)
    wanted = view.desired.fields if view.desired else {}
    times = _times(changed)
    sent_next = _sent_next(view)
    pending = known.pending
    unknown = set(pending.fields) if pending is not None else set()
    lines: list[FieldReason] = []
    # A dictionary, to have each name once, in the order of the mapping.
    for name in {**dict.fromkeys(wanted), **dict.fromkeys(sorted(known.fields))}:
        differs = None if changes is None else name in changes.fields
        is_unknown = name in unknown or name not in wanted
        lines.append(
            _line(
                name,
                _state(differs=differs, is_unknown=is_unknown),
                times,
                sent_next,
                (wanted.get(name), known.fields.get(name)),
            )
        )
    tags = _tags(view, known, changes)
    if tags is not None:
        state, values = tags
        lines.append(_line(_TAGS, state, times, sent_next, values))
    return tuple(lines)


def _line(
    name: str,
    state: str,
    times: _Times,
    sent_next: frozenset[str],
    values: tuple[Json, Json],
) -> FieldReason:
    changed_at, run_id = times.get(name, (None, None))
    source, last_sent = values
    return FieldReason(
        name=name,
        state=state,
        is_sent_next=name in sent_next,
        changed_at=changed_at,
        run_id=run_id,
        source=source,
        last_sent=last_sent,
    )


def _state(*, differs: bool | None, is_unknown: bool) -> str:
    """Return how the source's value and the last acknowledged one compare."""
    if is_unknown or differs is None:
        return "unknown"
    return "differs" if differs else "same"


def _tags(
    view: LocalView, known: Known, changes: Changes | None
) -> tuple[str, tuple[Json, Json]] | None:
    """Return how the tags compare, and their names; None where there are none."""
    wanted = view.desired.tags if view.desired else frozenset()
    if not wanted and not known.tags:
        return None
    pending = known.pending
    is_unknown = pending is not None and bool(pending.add_tags or pending.remove_tags)
    differs: bool | None = None
    if changes is not None:
        differs = bool(changes.add_tags or changes.remove_tags)
    state = _state(differs=differs, is_unknown=is_unknown)
    return state, (sorted(wanted), sorted(known.tags))


def _sent_next(view: LocalView) -> frozenset[str]:
    """Return the names of what the next run sends."""
    job = view.outlook.job
    if job is None:
        return frozenset()
    names: set[str] = set()
    for call in job.plan.calls:
        names |= set(call.fields)
        if call.add_tags or call.remove_tags:
            names.add(_TAGS)
    return frozenset(names)


def _times(changed: Sequence[DatedChange]) -> _Times:
    """Return when each field was changed last, and by which run."""
    times: dict[str, tuple[datetime, int]] = {}
    for each in changed:
        change = each.change
        names = list(change.fields)
        if change.tags_added or change.tags_removed:
            names.append(_TAGS)
        for name in names:
            times.setdefault(name, (each.at, each.run_id))
    return times
