"""Counts of a run: contacts by outcome, and calls by action.

The ``Dispatcher`` counts, and reports and batches are written from these counts.
"""

from __future__ import annotations

from collections import Counter

from syncengine.model.calls import OutcomeKind
from syncengine.model.reports import CONTACTS, FELL_SHORT
from syncengine.model.work import Record, Status

_WITH_CODES = frozenset(
    {
        OutcomeKind.REJECTED,
        OutcomeKind.DEFERRED,
        OutcomeKind.UNSUPPORTED,
        OutcomeKind.UNKNOWN,
        OutcomeKind.GONE,
    }
)
"""Outcomes whose codes say what went wrong."""


class Tally:
    """Contacts by outcome and calls by action, for the run and for each batch."""

    def __init__(self) -> None:
        self.contacts: Counter[str] = Counter()
        """By outcome (``OutcomeKind``); gone contacts are in ``_gone`` instead."""
        self.actions: Counter[str] = Counter()
        """Number of applied calls by ``Action``."""
        self.ends: Counter[str] = Counter()
        """Every end of a contact by outcome, gone ones too; never lowered."""
        self.codes: Counter[str] = Counter()
        """Ends of contacts that fell short, by code."""
        self.probes = 0
        """Number of contacts tried as probes (see ``refusal_groups``)."""
        self.only_marked = 0
        """Contacts that left the source and were marked as removed, nothing more."""
        self._gone: set[str] = set()
        """Ids of contacts that were found gone and not created again since."""
        self._batches: dict[int, Counter[str]] = {}
        """By number of a batch: its contacts by outcome, gone ones too."""

    def count(self, batch: int, record: Record) -> None:
        """Count a contact that is finished.

        One without an outcome changed nothing at the vendor.
        """
        if record.outcome is None:
            if record.removal and record.status is Status.REMOVED:
                self.only_marked += 1
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
        self.ends[kind.value] += 1
        if kind in _WITH_CODES and outcome.code:
            self.codes[outcome.code] += 1
        self.actions.update(action.value for action in outcome.actions)
        of_batch = self._batches.setdefault(batch, Counter())
        of_batch[kind.value] += 1

    def defer(self, contacts: int) -> None:
        """Count so many contacts that were not reached before the run ended."""
        self.contacts["deferred"] += contacts

    def by_outcome(self) -> dict[str, int]:
        """Return the number of contacts by outcome, gone ones too; none is 0."""
        numbers = self.contacts + Counter(gone=len(self._gone))
        return dict(numbers)

    def of_batch(self, batch: int) -> dict[str, int]:
        """Return the number of a batch's contacts by outcome."""
        return dict(self._batches.get(batch, {}))

    @property
    def calls(self) -> int:
        """Number of calls that were applied."""
        return self.actions.total()

    @property
    def fell_short(self) -> bool:
        """Return whether this run has any rejected, deferred or unknown contact."""
        return any(self.contacts[kind] for kind in FELL_SHORT)

    def public_contacts(self) -> dict[str, int]:
        """Return the counts under the names of ``run --json``.

        ``changed`` comes first and is their sum, together with the gone contacts: these
        have no count of their own there, since the report lists them among the contacts
        that are left alone.
        """
        changed, *outcomes = CONTACTS
        by_outcome = {name: self.contacts[name] for name in outcomes}
        total = sum(by_outcome.values()) + len(self._gone)
        return {changed: total, **by_outcome}
