"""Survey of a run: changes of all its contacts, counted before its first request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from syncengine.model.capabilities import Capabilities
from syncengine.model.consent import SubjectFinder
from syncengine.model.contact import LISTS, Desired, Fields, Known
from syncengine.model.http import Json
from syncengine.model.mapping import Mapping
from syncengine.planning.changes import EMPTY, changes_between
from syncengine.planning.plan import Plan, plan_contact

_NAMING = SubjectFinder(Mapping())


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

    rewritten: int = 0
    """Number of contacts that would become another person: most of their fields would
    change, or everything by which a person is known."""
    remapped: frozenset[str] = frozenset()
    """Fields that are mapped in another way than before: somebody meant them to change.
    """

    def add(self, desired: Desired, known: Known, capabilities: Capabilities) -> None:
        """Count a contact that exists at the vendor: what would really be sent.

        What the vendor cannot express changes nothing there.
        """
        plan = plan_contact(desired, known, capabilities)
        if not isinstance(plan, Plan):
            return
        self.rewritten += _is_rewritten(desired, known, capabilities, self.remapped)
        fields = {
            name: value for call in plan.calls for name, value in call.fields.items()
        }
        self.nulls.update(_cleared(fields, known))
        self.tags.update(
            {tag for call in plan.calls for tag in (*call.add_tags, *call.remove_tags)}
        )
        self.lists.update(
            name.removeprefix(LISTS) for name in fields if name.startswith(LISTS)
        )


def _is_rewritten(
    desired: Desired, known: Known, capabilities: Capabilities, remapped: frozenset[str]
) -> bool:
    """Return whether the row may be about another person than the known contact.

    What is unknown counts as it was known: after a crash nobody is another person.
    """
    asked = changes_between(desired, replace(known, pending=None), capabilities).fields
    compared = {
        name: value
        for name, value in known.fields.items()
        if name in desired.fields.keys() - remapped
        and _tells(name, value, desired.contact_id)
    }
    changed = compared.keys() & asked.keys()
    of_person = {
        name for name, value in compared.items() if _NAMING.is_of_person(name, value)
    }
    is_another = len(of_person) > 1 and of_person <= changed
    return len(changed) > 1 and (is_another or len(changed) * 2 > len(compared))


def _tells(name: str, value: Json, contact_id: str) -> bool:
    """Return whether a value may tell people apart; lists and the own id cannot."""
    return (
        not name.startswith(LISTS)
        and not _says_nothing(value)
        and str(value) != contact_id
    )


def _cleared(fields: Fields, known: Known) -> Iterator[str]:
    """Yield the fields that lose their value at the vendor; a default is no loss."""
    for name, value in fields.items():
        held = known.fields.get(name)
        if (
            not name.startswith(LISTS)
            and _says_nothing(value)
            and not _says_nothing(held)
        ):
            yield name


def _says_nothing(value: Json) -> bool:
    return value in EMPTY or (isinstance(value, str) and not value.strip())
