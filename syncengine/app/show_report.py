"""The report of ``show`` about one contact at one destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.app.local_view import LocalView
from syncengine.model.contact import Known, Pending
from syncengine.model.copies import Copy, ShowReport
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus


def show_report(view: LocalView, look_up: RunStatus = RunStatus.DONE) -> ShowReport:
    """Return the report; ``look_up`` is how the look-up at the vendor ended."""
    state, desired = view.state, view.desired
    known = state.known if state else Known()
    status = view.outlook.standing
    if status is None:
        status = state.status.value if state else "unknown"
    known_copy: Copy | None = None
    if known.external_id or known.fields:
        known_copy = sorted_copy(known.fields, known.tags | known.found_tags)
    source: Copy | None = None
    if desired is not None:
        source = sorted_copy(desired.fields, desired.tags)
    return ShowReport(
        destination=view.destination,
        contact_id=view.contact_id,
        status=status,
        external_id=known.external_id,
        source=source,
        known=known_copy,
        vendor=view.vendor,
        details=view.details,
        remarks=(*view.remarks, *_pending_remarks(known, view.outlook.kept)),
        next_run=view.outlook.next_run,
        look_up=look_up,
    )


def sorted_copy(fields: Mapping[str, Json], tags: frozenset[str]) -> Copy:
    """Return a copy of a contact for people, in alphabetical order."""
    return Copy(dict(sorted(fields.items())), tuple(sorted(tags)))


def _pending_remarks(known: Known, kept: Pending | None) -> Iterator[str]:
    """Yield remarks on changes that were sent and have no outcome.

    ``kept`` is what the next run does not settle.
    """
    if known.pending is None:
        return
    if kept is not None:
        yield (
            f"an earlier request got no answer{_subjects(kept)}: its outcome stays "
            "unknown until the same is to be sent again"
        )
    if kept is None or _subjects(kept) != _subjects(known.pending):
        yield (
            "an earlier request got no answer: the next run settles its outcome before "
            "anything else"
        )


def _subjects(pending: Pending) -> str:
    """Return the names of the fields and tags of an intent, in brackets."""
    names = [f'field "{name}"' for name in pending.fields]
    tags = pending.add_tags | pending.remove_tags
    names += [f'tag "{tag}"' for tag in sorted(tags)]
    return f" ({', '.join(names)})" if names else ""
