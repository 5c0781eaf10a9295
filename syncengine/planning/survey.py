"""Survey of a run: changes of all its contacts, counted before its first request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Desired, Known
from syncengine.model.http import Json
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.wishes import EMPTY


@dataclass(slots=True)
class Survey:
    """The counts that brakes judge."""

    creates: int = 0
    """Number of contacts that are not known to exist at the vendor."""
    nulls: Counter[str] = field(default_factory=Counter)
    """Number of contacts that would lose a field's value, by field, since the column is
    empty now."""
    swings: Counter[str] = field(default_factory=Counter)
    """Number of contacts that a tag would be added to or removed from, by tag; new
    contacts do not count."""

    def add(self, desired: Desired, known: Known, capabilities: Capabilities) -> None:
        """Count a contact that exists at the vendor."""
        self.nulls.update(_cleared(desired, known, capabilities))
        self.swings.update((desired.tags - known.tags - known.found_tags) | (known.tags - desired.tags))


def _cleared(desired: Desired, known: Known, capabilities: Capabilities) -> frozenset[str]:
    """Return the fields that lose their value at the vendor.

    A default, or what the vendor cannot clear, is no loss.
    """
    held = {name for name, value in known.fields.items() if not _says_nothing(value)}
    asked = {name for name, value in desired.fields.items() if name in held and _says_nothing(value)}
    plan = plan_contact(desired, known, capabilities) if asked else None
    if not isinstance(plan, Plan):
        return frozenset()
    return frozenset(name for call in plan.calls for name in asked if name in call.fields)


def _says_nothing(value: Json) -> bool:
    return value in EMPTY or (isinstance(value, str) and not value.strip())
