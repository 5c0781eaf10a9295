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
from syncengine.planning.mapping import map_row
from syncengine.storage.connect import Pool
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state.consent import known_values

_SLICE = 500


async def known_of(
    state: Pool, contact_ids: Sequence[str]
) -> dict[str, tuple[Subject, ...]]:
    """Return what is known of the contacts, as far as it names a person."""
    naming = SubjectFinder(Mapping())
    found: dict[str, tuple[Subject, ...]] = {}
    for start in range(0, len(contact_ids), _SLICE):
        known = await known_values(state, contact_ids[start : start + _SLICE])
        found |= {
            contact_id: naming.of_person(values) for contact_id, values in known.items()
        }
    return {contact_id: subjects for contact_id, subjects in found.items() if subjects}


async def in_source(
    databases: Databases,
    destinations: Sequence[DestinationConfig],
    contact_ids: Sequence[str],
) -> dict[str, tuple[Subject, ...]]:
    """Return what the sources say of the contacts, as far as it names a person.

    A source that cannot be read says nothing: nobody waits for it.
    """
    found: dict[str, tuple[Subject, ...]] = {}
    for destination in destinations:
        try:
            of_this = await _in_one(databases, destination, contact_ids)
        except SyncEngineError:
            continue
        for contact_id, subjects in of_this.items():
            found[contact_id] = (*found.get(contact_id, ()), *subjects)
    return found


async def _in_one(
    databases: Databases, destination: DestinationConfig, contact_ids: Sequence[str]
) -> dict[str, tuple[Subject, ...]]:
    pool = databases.source(destination)
    source = await inspect_source(destination, pool)
    rows, naming = SourceRows(pool, source), SubjectFinder(destination.mapping)
    capabilities = destination.vendor.capabilities
    found: dict[str, tuple[Subject, ...]] = {}
    for start in range(0, len(contact_ids), _SLICE):
        for row in await rows.load(contact_ids[start : start + _SLICE]):
            wanted = map_row(
                row,
                destination.mapping,
                capabilities.identity,
                capabilities.accumulates,
            )
            if isinstance(wanted, Desired):
                values = [*wanted.fields.items(), *wanted.invalid.items()]
                found[row.contact_id] = naming.of_person(values)
    return {contact_id: subjects for contact_id, subjects in found.items() if subjects}
