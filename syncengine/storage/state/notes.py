"""Notes of what is pending, as they stand in ``sync_known.pending``.

Runs of older versions read them, and this version reads theirs.
"""

from __future__ import annotations

from syncengine.model.contact import THIS_RUN, MatchKey, Pending, SendingRun
from syncengine.model.http import Json


def note_as_json(note: Pending, run_id: int) -> Json:
    """Return a note as it is stored by the run ``run_id``."""
    stored: dict[str, Json] = {
        "creates": note.creates,
        "deletes": note.deletes,
        "keys": [[key.field, key.value] for key in note.keys],
        "fields": dict(note.fields),
        "add_tags": sorted(note.add_tags),
        "remove_tags": sorted(note.remove_tags),
        "distrusted": note.distrusted,
        "merged_with": note.merged_with,
    }
    # Left out where there is none: most notes are of one run.
    if note.run_id is not None:
        stored["run"] = _stored_run(note.run_id, run_id)
    if note.senders:
        stored["senders"] = {
            part: [_stored_run(sender.run_id, run_id), sender.over_unknown]
            for part, sender in note.senders.items()
        }
    return stored


def note_from_json(stored: Json, age: float | None, run_id: int) -> Pending:
    """Return a stored note as the run ``run_id`` sees it."""
    senders = {
        part: SendingRun(_run_from(sent_by, run_id), over_unknown)
        for part, (sent_by, over_unknown) in stored.get("senders", {}).items()
    }
    return Pending(
        creates=stored["creates"],
        deletes=stored["deletes"],
        keys=tuple(MatchKey(field, value) for field, value in stored["keys"]),
        fields=stored["fields"],
        add_tags=frozenset(stored["add_tags"]),
        remove_tags=frozenset(stored["remove_tags"]),
        age=age,
        # Notes of older versions lack these.
        merged_with=stored.get("merged_with"),
        distrusted=stored.get("distrusted", False),
        run_id=_run_from(stored.get("run"), run_id),
        senders=senders,
    )


def _stored_run(sent_by: int | None, run_id: int) -> int | None:
    return run_id if sent_by == THIS_RUN else sent_by


def _run_from(stored: int | None, run_id: int) -> int | None:
    return THIS_RUN if stored == run_id else stored
