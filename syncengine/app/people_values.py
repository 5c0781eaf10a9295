"""Phones and e-mail addresses of contacts that are suppressed or forgotten by their id.

By them a person is recognised under another contact id, once the source has another
key.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.databases import Databases, inspect_source
from syncengine.config.destination import DestinationConfig
from syncengine.errors import SyncEngineError
from syncengine.model.consent import Subject, SubjectFinder
from syncengine.model.contact import Desired
from syncengine.model.mapping import Mapping
from syncengine.model.work import SourceRow
from syncengine.planning.mapping import map_row
from syncengine.storage.connect import Pool
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state.consent import known_values

_SLICE = 500
"""Contacts that are read in one statement."""


async def known_of(
    state: Pool, contact_ids: Sequence[str]
) -> dict[str, tuple[Subject, ...]]:
    """Return the known phones and addresses of the contacts, by contact id.

    Contacts without any are left out. Raises StorageError.
    """
    finder = SubjectFinder(Mapping())
    found: dict[str, tuple[Subject, ...]] = {}
    for start in range(0, len(contact_ids), _SLICE):
        known = await known_values(state, contact_ids[start : start + _SLICE])
        for contact_id, values in known.items():
            subjects = finder.of_person(values)
            if subjects:
                found[contact_id] = subjects
    return found


async def in_source(
    databases: Databases,
    destinations: Sequence[DestinationConfig],
    contact_ids: Sequence[str],
) -> dict[str, tuple[Subject, ...]]:
    """Return the phones and addresses that the sources have of the contacts.

    A source that cannot be read is passed over: a suppression must not wait for it.
    """
    found: dict[str, tuple[Subject, ...]] = {}
    for destination in destinations:
        try:
            in_this = await _in_one(databases, destination, contact_ids)
        except SyncEngineError:
            continue
        for contact_id, subjects in in_this.items():
            found[contact_id] = (*found.get(contact_id, ()), *subjects)
    return found


async def _in_one(
    databases: Databases, destination: DestinationConfig, contact_ids: Sequence[str]
) -> dict[str, tuple[Subject, ...]]:
    pool = databases.source(destination)
    source = await inspect_source(destination, pool)
    rows = SourceRows(pool, source)
    found: dict[str, tuple[Subject, ...]] = {}
    for start in range(0, len(contact_ids), _SLICE):
        for row in await rows.load(contact_ids[start : start + _SLICE]):
            subjects = _of_row(destination, row)
            if subjects:
                found[row.contact_id] = subjects
    return found


def _of_row(destination: DestinationConfig, row: SourceRow) -> tuple[Subject, ...]:
    """Return the phones and addresses of a row; none of one that is invalid."""
    capabilities = destination.vendor.capabilities
    mapped = map_row(
        row, destination.mapping, capabilities.identity, capabilities.accumulates
    )
    if not isinstance(mapped, Desired):
        return ()
    # A value that the vendor cannot take may name a person all the same.
    values = [*mapped.fields.items(), *mapped.invalid.items()]
    return SubjectFinder(destination.mapping).of_person(values)
