"""The plan of an undo: what it would put back, and what it would leave as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncengine.model.http import Json
from syncengine.model.plans import PlanReport
from syncengine.model.reports import Noteworthy

_AS_IN_A_PLAN = (
    "actions",
    "fields",
    "tags",
    "tags_left_out",
    "suppressed",
    "requests",
    "seconds",
    "brake",
    "error",
)
"""Names that mean what they mean in the plan of a run."""


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """Forecast of an undo. The names in ``public`` are stable."""

    undo_of: int
    """The run that would be taken back."""
    plan: PlanReport
    """Plan of what would be sent, in the words of any other plan."""
    contacts: int = 0
    """Contacts that would be written to, or deleted."""
    reads: int = 0
    """Contacts that would be read first, to see whether somebody has changed them;
    their requests are among those of the plan."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Fields, tags and contacts that would stay as they are, by reason."""
    noteworthy: tuple[Noteworthy, ...] = ()
    """Contacts of which something would stay as it is, as many as are shown."""
    left_out: int = 0
    """Number of such contacts that are not shown."""
    command: str = ""
    """The command that carries it out."""

    @property
    def destination(self) -> str:
        """Return the destination of the run."""
        return self.plan.destination

    @property
    def ok(self) -> bool:
        """Return whether nothing would refuse the undo."""
        return self.plan.ok

    def raise_for_status(self) -> None:
        """Raise the error that would refuse the undo, such as BrakeApplied."""
        self.plan.raise_for_status()

    def public(self) -> dict[str, Json]:
        """Return the object that ``undo --json`` prints without ``--yes``."""
        plan = self.plan.public()
        return {
            "destination": self.destination,
            "undo_of": self.undo_of,
            "contacts": self.contacts,
            **{name: plan[name] for name in _AS_IN_A_PLAN},
            "reads": self.reads,
            "skipped": dict(self.skipped),
            "skipped_contacts": [
                {"contact_id": each.contact_id, "code": each.code, "why": each.message}
                for each in self.noteworthy
            ],
            "skipped_contacts_left_out": self.left_out,
        }
