"""Waiting contacts that a run brings along.

Another contact that they wait for lets go of a match key in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.engine.prepare import Prepared
from syncengine.engine.task import Job
from syncengine.model.work import KeyWait, Status

_LEAVES = "*"
"""Placeholder for all fields of a contact that leaves."""


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
        for contact_id, fields in _changes(prepared):
            self._waits.pop(contact_id, None)
            contact = f"{self._destination}/{contact_id}"
            if contact in self._owners:
                self._moving[contact] = fields

    def brought_along(self) -> tuple[str, ...]:
        """Return the contacts that wait for one that moves, each once."""
        found = tuple(
            contact_id for contact_id, wait in self._waits.items() if self._moves(wait)
        )
        for contact_id in found:
            del self._waits[contact_id]
        return found

    def _moves(self, wait: KeyWait) -> bool:
        fields = self._moving.get(wait.owner, frozenset())
        return not fields.isdisjoint((_LEAVES, *wait.fields))


def _changes(prepared: Prepared) -> Iterator[tuple[str, frozenset[str]]]:
    for job in prepared.jobs:
        yield job.state.contact_id, _fields(job)
    for record in prepared.records:
        leaves = record.status is Status.REMOVED
        yield record.contact_id, frozenset({_LEAVES} if leaves else ())


def _fields(job: Job) -> frozenset[str]:
    if job.desired is None:
        return frozenset({_LEAVES})
    return frozenset(name for call in job.plan.calls for name in call.fields)
