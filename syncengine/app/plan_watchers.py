"""Watchers that make more of a plan while its contacts are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from syncengine.model.contact import Known
from syncengine.model.work import Record
from syncengine.planning.attempt.job import Job
from syncengine.planning.causes import Cause, Why
from syncengine.planning.forecast import Prices
from syncengine.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class CountedJob:
    """A contact of a plan, as it was counted."""

    job: Job
    plan: Plan
    """The plan as far as it can be foreseen (``planning.forecast.likely``)."""
    before: Known
    """Copy that the vendor is expected to have until now."""
    why: Why
    causes: frozenset[Cause]
    prices: Prices


class PlanWatcher(Protocol):
    """Sees each contact of a plan once, as it is planned."""

    def add(self, counted: CountedJob) -> None:
        """Look at a contact about which something would be sent or looked up."""
        ...

    def add_record(self, record: Record) -> None:
        """Look at a contact that ends without a request."""
        ...
