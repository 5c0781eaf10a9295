"""What a run is about to do, counted over all its contacts before its first request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from syncengine.model.contact import Desired, Known
from syncengine.model.mapping import Mapping
from syncengine.model.work import SourceRow


@dataclass(slots=True)
class Survey:
    """The counts that brakes judge."""

    creates: int = 0
    """Contacts the vendor is not known to hold."""
    nulls: Counter[str] = field(default_factory=Counter)
    """Field to the contacts that would lose its value, or get the default instead, since the column is empty now."""
    swings: Counter[str] = field(default_factory=Counter)
    """Tag to the contacts it would be added to or removed from; new contacts do not count."""

    def add(self, row: SourceRow, desired: Desired, known: Known, mapping: Mapping) -> None:
        """Count a contact the vendor holds."""
        self.nulls.update(_emptied(row, desired, known, mapping))
        self.swings.update((desired.tags - known.tags - known.found_tags) | (known.tags - desired.tags))


def _emptied(row: SourceRow, desired: Desired, known: Known, mapping: Mapping) -> Iterator[str]:
    values = dict(zip(mapping.columns, row.values, strict=True))
    for each in mapping.fields:
        value = values[each.column]
        empty = value is None or (isinstance(value, str) and not value.strip())
        held = known.fields.get(each.field)
        if empty and each.field in desired.fields and held not in (None, "", each.default):
            yield each.field
