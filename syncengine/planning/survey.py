"""Survey of a run: changes of all its contacts, counted before its first request.

A run with many contacts is prepared twice: once to be counted here, for the brakes
(``planning.brakes``) to judge it as a whole, and then batch by batch to be sent.
"""

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

_FINDER = SubjectFinder(Mapping())
"""Tells phones and addresses by the names and values of fields alone, without the forms
that a mapping gives them."""


@dataclass(slots=True)
class Survey:
    """The counts that brakes judge."""

    creates: int = 0
    """Number of contacts that are not known to exist at the vendor."""
    nulls: Counter[str] = field(default_factory=Counter)
    """Number of contacts that would lose a field's value, by field."""
    tags: Counter[str] = field(default_factory=Counter)
    """Number of contacts that a tag would be added to or removed from, by tag. Contacts
    that were never in step do not count: they get their first tags."""
    lists: Counter[str] = field(default_factory=Counter)
    """The same for lists that would be joined or left."""

    deletions: int = 0
    """Number of contacts that an undo would delete."""
    rewritten: int = 0
    """Number of contacts that would become another person: most of their fields would
    change, or everything by which a person is known."""
    remapped: frozenset[str] = frozenset()
    """Fields that are mapped in another way than before: somebody meant them to change.
    """

    def add(
        self,
        desired: Desired,
        known: Known,
        capabilities: Capabilities,
        *,
        is_settled: bool = True,
    ) -> None:
        """Count a contact that exists at the vendor: what would really be sent.

        So the calls are counted, not the changes: what the vendor cannot express
        changes nothing there. A rejected contact is not counted. The tags and lists of
        one that is not ``is_settled``, since it was never in step, belong to its first
        sync, which may have been interrupted after the contact was created or found.
        """
        plan = plan_contact(desired, known, capabilities)
        if not isinstance(plan, Plan):
            return
        if _is_rewritten(desired, known, capabilities, self.remapped):
            self.rewritten += 1
        fields: dict[str, Json] = {}
        tags: set[str] = set()
        for call in plan.calls:
            fields.update(call.fields)
            tags.update(call.add_tags)
            tags.update(call.remove_tags)
        lists = [name for name in fields if name.startswith(LISTS)]
        self.nulls.update(_emptied_fields(fields, known))
        if not is_settled:
            return
        self.tags.update(tags)
        self.lists.update(name.removeprefix(LISTS) for name in lists)


def _is_rewritten(
    desired: Desired, known: Known, capabilities: Capabilities, remapped: frozenset[str]
) -> bool:
    """Return whether the row may be about another person than the known contact.

    It is where most of the fields that tell people apart change, or every phone and
    address of at least two. One changed field alone never suffices.
    """
    # What is unknown counts as it was known: after a crash nobody is another person.
    settled = replace(known, pending=None)
    to_send = changes_between(desired, settled, capabilities).fields
    compared: dict[str, Json] = {}
    for name, value in known.fields.items():
        # A field that is mapped in another way was meant to change.
        is_mapped_as_before = name in desired.fields and name not in remapped
        if is_mapped_as_before and _tells_people_apart(name, value, desired.contact_id):
            compared[name] = value
    changed = compared.keys() & to_send.keys()
    if len(changed) <= 1:
        return False
    phones_and_addresses = {
        name for name, value in compared.items() if _FINDER.is_of_person(name, value)
    }
    has_several = len(phones_and_addresses) > 1
    are_all_changed = has_several and phones_and_addresses <= changed
    are_most_changed = len(changed) * 2 > len(compared)
    return are_all_changed or are_most_changed


def _tells_people_apart(name: str, value: Json, contact_id: str) -> bool:
    """Return whether a value may tell people apart; lists and the own id cannot."""
    if name.startswith(LISTS) or _is_blank(value):
        return False
    return str(value) != contact_id


def _emptied_fields(fields: Fields, known: Known) -> Iterator[str]:
    """Yield the fields that lose their value at the vendor; a default is no loss."""
    for name, value in fields.items():
        if name.startswith(LISTS):
            continue
        if _is_blank(value) and not _is_blank(known.fields.get(name)):
            yield name


def _is_blank(value: Json) -> bool:
    """Return whether a value says nothing: empty, or blanks alone."""
    if value in EMPTY:
        return True
    return isinstance(value, str) and not value.strip()
