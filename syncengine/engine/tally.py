"""Counts of a run."""

from __future__ import annotations

from collections import Counter

from syncengine.model.calls import OutcomeKind
from syncengine.model.reports import CONTACTS, FELL_SHORT
from syncengine.model.work import Record


class Tally:
    """Contacts by outcome and calls by action, for the run and for each batch."""

    def __init__(self) -> None:
        self.contacts: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.probes = 0
        """Contacts that were tried for others that the vendor refuses alike."""
        self._gone: set[str] = set()
        """Contacts that were found gone and not created again since."""
        self._batches: dict[int, Counter[str]] = {}

    def count(self, batch: int, record: Record) -> None:
        """Count a contact that is finished."""
        if record.outcome is None:
            return
        outcome = record.outcome
        kind = outcome.kind
        # A contact may be found gone and be created again later in the run: its last
        # outcome counts.
        self._gone.discard(record.contact_id)
        if kind is OutcomeKind.GONE:
            self._gone.add(record.contact_id)
        else:
            self.contacts[kind.value] += 1
        self.actions.update(action.value for action in outcome.actions)
        of_batch = self._batches.setdefault(batch, Counter())
        of_batch[kind.value] += 1

    def defer(self, contacts: int) -> None:
        """Count contacts that were not reached."""
        self.contacts["deferred"] += contacts

    def of_batch(self, batch: int) -> dict[str, int]:
        """Return the counts of one batch."""
        return dict(self._batches.get(batch, {}))

    @property
    def calls(self) -> int:
        return self.actions.total()

    @property
    def fell_short(self) -> bool:
        """Return whether this run has any rejected, deferred or unknown contact."""
        return any(self.contacts[kind] for kind in FELL_SHORT)

    def public_contacts(self) -> dict[str, int]:
        """Return the counts under the names of ``run --json``.

        A contact that is gone has no outcome of its own: it is one of those that stand.
        """
        every, *outcomes = CONTACTS
        counted = {name: self.contacts[name] for name in outcomes}
        return {every: sum(counted.values()) + len(self._gone), **counted}
