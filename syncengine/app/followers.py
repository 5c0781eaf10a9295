"""Waiting contacts that a run brings along.

Another contact that they wait for lets go of a match key in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.engine.prepared import Prepared
from syncengine.model.work import KeyWait, Status
from syncengine.planning.attempt.job import Job

_EVERYTHING = "*"
"""Stands for all fields of a contact that is removed: it lets go of all its keys."""


class Followers:
    """The waiting contacts of one destination, while its run is planned."""

    def __init__(self, destination: str, waits: Mapping[str, KeyWait]) -> None:
        self._destination = destination
        self._waits = dict(waits)
        self._owners = {wait.owner for wait in waits.values()}
        self._moving: dict[str, frozenset[str]] = {}
        """Contacts that others wait for, with the fields that the run changes there."""

    def note(self, prepared: Prepared) -> None:
        """Note the planned contacts: none waits any more, and some let others move."""
        for contact_id, fields in _changed_fields(prepared):
            self._waits.pop(contact_id, None)
            contact = f"{self._destination}/{contact_id}"
            if contact in self._owners:
                self._moving[contact] = fields

    def brought_along(self) -> tuple[str, ...]:
        """Return the contacts that wait for one that moves, each once."""
        found = tuple(
            contact_id
            for contact_id, wait in self._waits.items()
            if self._owner_moves(wait)
        )
        for contact_id in found:
            del self._waits[contact_id]
        return found

    def _owner_moves(self, wait: KeyWait) -> bool:
        """Return whether the owner lets go of what the contact waits for."""
        changed = self._moving.get(wait.owner, frozenset())
        return not changed.isdisjoint((_EVERYTHING, *wait.fields))


def _changed_fields(prepared: Prepared) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each planned contact with the fields that the run changes there."""
    for job in prepared.jobs:
        yield job.state.contact_id, _fields_of(job)
    for record in prepared.records:
        fields = frozenset[str]()
        if record.status is Status.REMOVED:
            fields = frozenset({_EVERYTHING})
        yield record.contact_id, fields


def _fields_of(job: Job) -> frozenset[str]:
    if job.desired is None:
        return frozenset({_EVERYTHING})
    return frozenset(name for call in job.plan.calls for name in call.fields)
