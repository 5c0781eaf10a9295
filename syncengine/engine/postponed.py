"""Contacts that get another attempt in the same run, in rounds.

A contact that waits for another one is tried again once that one is through. In a chain
(3 waits for 2, and 2 for 1) that takes several rounds, each with those contacts whose
owner waits for nobody any more: so each of them is sent once more, and not in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncengine.model.work import Record
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.waiting import ready_to_try


class Postponed:
    """Contacts of one run that get another attempt."""

    def __init__(self, destination: str) -> None:
        """Take the destination whose contacts may wait for each other."""
        self._destination = destination
        self.records: dict[str, tuple[int, Record]] = {}
        """By contact: its batch, and the record to count should it get no attempt."""
        self._owners: dict[str, str | None] = {}
        """By contact, as ``destination/contact_id``: the one that it waits for."""
        self._for_values: set[str] = set()
        """Those that wait for a value, and not for a whole contact."""
        self._letting_go: set[str] = set()
        """Contacts that have let go of a value in the last round."""
        self._round: set[str] | None = None
        """Contacts of the present round; None: it is the first attempt of all."""
        self._is_last_round = False
        self._ready_in = 0.0
        """Seconds that the vendor needs before it can take the last of them."""

    def add(self, job: Job, ending: AttemptEnding) -> None:
        name = self._name(job.state.contact_id)
        self.records[job.state.contact_id] = job.batch, ending.record
        self._owners[name] = (
            None if ending.waits_for is None else ending.waits_for.owner
        )
        if ending.waits_for_value:
            self._for_values.add(name)
        if ending.lets_go:
            self._letting_go.add(name)
        self._ready_in = max(self._ready_in, ending.ready_in)

    def is_worth_another(self, ending: AttemptEnding) -> bool:
        """Return whether a contact gets another attempt after one that ended so.

        One that has waited before gets it only where the contact that it waits for is
        tried in the same round, or in a later one.
        """
        is_first = self._round is None
        if is_first or ending.waits_for is None or ending.overwritten is not None:
            return ending.postponed
        owner = ending.waits_for.owner
        may_move = owner in self._owners or owner in (self._round or ())
        return may_move and not self._is_last_round

    def waits_for_values(self) -> dict[str, str]:
        """Return the owners of the values that contacts wait for, by contact."""
        return {
            contact: owner
            for contact, owner in self._owners.items()
            if owner is not None and contact in self._for_values
        }

    def take_ready(self, besides: Sequence[str] = ()) -> list[str]:
        """Take out the contacts whose turn it is, and return them.

        Nobody's turn comes before that of the contact it waits for, be it one of those
        that are tried ``besides``. Where all of them wait for one another they are tried
        once more, for the last time.
        """
        others: dict[str, str | None] = dict.fromkeys(map(self._name, besides))
        ready = set(ready_to_try({**others, **self._owners}, self._letting_go))
        self._letting_go.clear()
        self._is_last_round = not ready
        taken = [
            contact_id
            for contact_id in self.records
            if self._is_last_round or self._name(contact_id) in ready
        ]
        for contact_id in taken:
            del self.records[contact_id]
            del self._owners[self._name(contact_id)]
            self._for_values.discard(self._name(contact_id))
        return taken

    def begin_round(self, contact_ids: Iterable[str]) -> None:
        """Note the contacts that are tried next."""
        self._round = {self._name(contact_id) for contact_id in contact_ids}

    def take_wait(self) -> float:
        """Return the seconds until all of them are ready, and start counting anew."""
        wait = self._ready_in if self.records else 0.0
        self._ready_in = 0.0
        return wait

    def _name(self, contact_id: str) -> str:
        return f"{self._destination}/{contact_id}"
