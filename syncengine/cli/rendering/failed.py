"""The list of ``failures``: its columns, and what to do, said once for each cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from syncengine.cli.rendering.layout import contacts, print_line
from syncengine.cli.rendering.rows import TableColumn
from syncengine.model.calls import ADVICE
from syncengine.model.contact_ids import name_of
from syncengine.model.desk import Failure
from syncengine.model.http import Json


def _reason(value: Json) -> str:
    """Return a message without the advice at its end: the lines below say more."""
    reason: str = value.partition(ADVICE)[0]
    return reason


def _times(value: Json) -> str:
    """Return the number of rejections; nothing is counted of what is refused alike."""
    return str(value or "-")


COLUMNS = (
    TableColumn("destination"),
    TableColumn("contact", words=name_of, is_folded=True),
    TableColumn("outcome"),
    TableColumn("code"),
    TableColumn("http_status", "http", side="right", is_wide=True),
    TableColumn("run_id", "run", side="right"),
    TableColumn("since_run_id", "since", side="right", is_wide=True),
    TableColumn("rejections", "times", side="right", is_wide=True, words=_times),
    TableColumn("standing", is_wide=True),
    TableColumn("message", words=_reason, is_folded=True),
)
_MOST_STEPS = 20
"""Different things to do that are listed below the table."""


@dataclass(slots=True)
class NextSteps:
    """Next step, with the number of contacts that it concerns."""

    _numbers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, page: Sequence[Failure]) -> None:
        """Count some contacts."""
        self._numbers.update((each.destination, each.next_step) for each in page)

    def print(self) -> None:
        """Print each of them once, the one that concerns most contacts first."""
        for (destination, step), number in self._numbers.most_common(_MOST_STEPS):
            print_line(f"{destination}, {contacts(number)}: {step}")
