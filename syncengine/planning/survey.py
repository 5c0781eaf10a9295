"""Survey of a run: changes of all its contacts, counted before its first request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, Fields, Known
from syncengine.model.http import Json
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.wishes import EMPTY


@dataclass(slots=True)
class Survey:
    """The counts that brakes judge."""

    creates: int = 0
    """Number of contacts that are not known to exist at the vendor."""
    nulls: Counter[str] = field(default_factory=Counter)
    """Number of contacts that would lose a field's value, by field."""
    tags: Counter[str] = field(default_factory=Counter)
    """Number of contacts that a tag would be added to or removed from, by tag; new
    contacts do not count."""
    lists: Counter[str] = field(default_factory=Counter)
    """The same for lists that would be joined or left."""

    def add(self, desired: Desired, known: Known, capabilities: Capabilities) -> None:
        """Count a contact that exists at the vendor: what would really be sent.

        What the vendor cannot express changes nothing there.
        """
        plan = plan_contact(desired, known, capabilities)
        if not isinstance(plan, Plan):
            return
        fields = {name: value for call in plan.calls for name, value in call.fields.items()}
        self.nulls.update(_cleared(fields, known))
        self.tags.update({tag for call in plan.calls for tag in (*call.add_tags, *call.remove_tags)})
        self.lists.update(name.removeprefix(LISTS) for name in fields if name.startswith(LISTS))


def _cleared(fields: Fields, known: Known) -> Iterator[str]:
    """Yield the fields that lose their value at the vendor; a default is no loss."""
    for name, value in fields.items():
        held = known.fields.get(name)
        if not name.startswith(LISTS) and _says_nothing(value) and not _says_nothing(held):
            yield name


def _says_nothing(value: Json) -> bool:
    return value in EMPTY or (isinstance(value, str) and not value.strip())
