"""Plan of that which a change of the configuration alone would send."""

from __future__ import annotations

from syncengine.app.changes_report import counted_changes
from syncengine.app.plan_watchers import CountedJob
from syncengine.model.plans import ConfigChange, PlanReport
from syncengine.model.work import Record
from syncengine.planning.config_difference import ConfigDifference, EarlierPlan


class EarlierWatcher:
    """Remembers the plan under the earlier configuration."""

    def __init__(self) -> None:
        self.plan = EarlierPlan()

    def add(self, counted: CountedJob) -> None:
        """Remember a contact."""
        contact_id = counted.job.state.contact_id
        self.plan.add(contact_id, counted.plan.calls, counted.before)

    def add_record(self, record: Record) -> None:
        """Pass by a contact about which nothing is sent."""


class DifferenceWatcher:
    """Compares the plan under the present configuration with the earlier one."""

    def __init__(self, earlier: EarlierPlan) -> None:
        self._difference = ConfigDifference(earlier)

    def add(self, counted: CountedJob) -> None:
        """Compare a contact."""
        contact_id = counted.job.state.contact_id
        self._difference.add(contact_id, counted.plan.calls, counted.before)

    def add_record(self, record: Record) -> None:
        """Pass by a contact about which nothing is sent."""

    def report(self, before: PlanReport | None, now: PlanReport) -> ConfigChange:
        """Return what only the present configuration would send.

        ``before`` is None for a destination that is new.
        """
        fields, tags, left_out = counted_changes(self._difference.changes)
        requests_before = 0
        refused_before: str | None = None
        if before is not None:
            requests_before = before.requests
            refused_before = before.brake or before.error
        # A plan that is refused is not whole, so its numbers are none to rely on.
        refused_by = now.brake or now.error
        if refused_by == refused_before:
            # The change of the configuration is not the reason for it.
            refused_by = None
        return ConfigChange(
            is_new_destination=before is None,
            contacts=self._difference.only_now,
            contacts_more=self._difference.more,
            contacts_no_longer=self._difference.no_longer,
            requests=now.requests - requests_before,
            fields=fields,
            tags=tags,
            tags_left_out=left_out,
            refused_by=refused_by,
            refused_before=refused_before,
        )
