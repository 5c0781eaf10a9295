"""Checks of one destination: its source, its vendor, and whether it is still the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from syncengine.app.check_results import failed, noted
from syncengine.app.consent_changes import refuse_loosened
from syncengine.app.contradictions import differently_mapped
from syncengine.app.credentials import look_for_second_name
from syncengine.app.databases import Databases
from syncengine.app.neighbours import differing
from syncengine.app.recognition import brake_on_no_file, refuse_changes, refuse_new_name
from syncengine.app.run_request import RunRequest
from syncengine.app.source_check import check_source
from syncengine.app.vendor_check import cautions, check_vendor
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import SourceError, SyncEngineError
from syncengine.model.consent import SubjectFinder
from syncengine.model.reports import Check
from syncengine.model.work import LinkedContact
from syncengine.storage.state.consent import named_by
from syncengine.storage.state.linked import Linked
from syncengine.storage.state.renaming import without_file


async def check_destination(
    config: Config,
    destination: DestinationConfig,
    databases: Databases | None,
    *,
    is_source_reachable: bool,
) -> list[Check]:
    """Return the checks of a destination; without ``databases`` only the vendor's."""
    checks: list[Check] = []
    known: Sequence[LinkedContact] = ()
    if databases is not None:
        if is_source_reachable:
            checks += await check_source(destination, databases)
        changed = await _recognition(config, destination, databases)
        checks += changed
        # Where the destination is another one now, known contacts prove nothing.
        if not changed:
            known = await _to_look_at(destination, databases)
    checks += await check_vendor(destination, known)
    checks += cautions(destination)
    for caution in differently_mapped(destination, config):
        checks.append(noted(f"{destination.name}: caution", caution))
    return checks


async def _recognition(
    config: Config, destination: DestinationConfig, databases: Databases
) -> list[Check]:
    """Return a failed check where a run would be refused for what has changed."""
    try:
        await look_for_second_name(destination, config, databases)
        recognised = await refuse_changes(destination, config, databases, RunRequest())
        await refuse_new_name(destination, config, databases, RunRequest())
        refuse_loosened(destination, recognised, RunRequest())
        await _refuse_strays(config, destination, databases)
    except SourceError:
        return []  # the check of the source names that failure
    except SyncEngineError as error:
        return [failed(f"{destination.name}: identity", str(error))]
    return []


async def _refuse_strays(
    config: Config, destination: DestinationConfig, databases: Databases
) -> None:
    """Raise BrakeApplied where destinations without a file own contacts of a run."""
    names = [*(each.name for each in config.destinations), *config.broken]
    others = await without_file(databases.state, destination.account, names)
    if not others:
        return
    pieces = differing(destination, databases, config.engine.batch_size)
    async with aclosing(pieces):
        async for contact_ids in pieces:
            await brake_on_no_file(
                destination, others, databases, contact_ids, RunRequest()
            )


async def _to_look_at(
    destination: DestinationConfig, databases: Databases
) -> Sequence[LinkedContact]:
    """Return a few contacts that the vendor held.

    None is among them about whom nothing may be sent: not even a look-up.
    """
    linked = Linked(databases.state, destination.name)
    finder = SubjectFinder(destination.mapping)
    chosen: list[LinkedContact] = []
    for contact in await linked.known_longest_and_last():
        values = [(contact.key.field, contact.key.value)] if contact.key else []
        subjects = finder.subjects(contact.contact_id, values)
        if not await named_by(databases.state, subjects):
            chosen.append(contact)
    return chosen
