"""Check everything a run relies on: configuration, database, sources, credentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing

from syncengine.app.check_results import failed, noted, passed
from syncengine.app.consent_changes import refuse_loosened
from syncengine.app.contradictions import differently_mapped
from syncengine.app.credentials import look_for_second_name, settled
from syncengine.app.databases import (
    FOLDER,
    Databases,
    open_databases,
    state_description,
)
from syncengine.app.marker_files import is_writable
from syncengine.app.markers import advice_where_new
from syncengine.app.neighbours import differing
from syncengine.app.recognition import brake_on_no_file, refuse_changes, refuse_new_name
from syncengine.app.run_request import RunRequest
from syncengine.app.source_check import check_source, unreachable_sources
from syncengine.app.vendor_check import cautions, check_vendor, unused_proxies
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import SchemaOutdated, SourceError, SyncEngineError
from syncengine.model.consent import SubjectFinder
from syncengine.model.reports import Check
from syncengine.model.work import LinkedContact
from syncengine.storage.state import erasure
from syncengine.storage.state.consent import named_by
from syncengine.storage.state.linked import Linked
from syncengine.storage.state.renaming import without_file


async def check(config: Config) -> list[Check]:
    """Return every check, passed or not, and notes.

    The configuration itself was checked when it was read.
    """
    config = await settled(config)
    checks = [*_configuration(config), *unused_proxies(config)]
    async with AsyncExitStack() as stack:
        databases, database = await _databases(config, stack)
        checks.append(database)
        unreachable: dict[str, Check] = {}
        if databases is not None:
            checks += await _without_a_file(config, databases)
            checks += await _new_state(databases)
            unreachable = unreachable_sources(config, databases)
        checks += _markers(config)
        # Several destinations may share one failed check of their database.
        checks += dict.fromkeys(unreachable.values())
        for destination in config.destinations:
            readable = destination.name not in unreachable
            checks += await _destination(
                config, destination, databases, is_source_reachable=readable
            )
    return checks


async def _destination(
    config: Config,
    destination: DestinationConfig,
    databases: Databases | None,
    *,
    is_source_reachable: bool,
) -> list[Check]:
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
    for told in differently_mapped(destination, config):
        checks.append(noted(f"{destination.name}: caution", told))
    return checks


def _configuration(config: Config) -> Iterator[Check]:
    names = ", ".join(destination.name for destination in config.destinations)
    if names:
        yield passed("configuration", f"{config.file}, with the destinations {names}")
    for problem in config.problems:
        yield failed("configuration", str(problem))
    for name, problems in config.broken.items():
        for problem in problems:
            yield failed(f"{name}: configuration", str(problem))


async def _databases(
    config: Config, stack: AsyncExitStack
) -> tuple[Databases | None, Check]:
    """Return the databases, or None where the state's own cannot be used.

    The other checks do not need it.
    """
    opening = open_databases(config, config.destinations)
    try:
        databases = await stack.enter_async_context(opening)
    except SchemaOutdated as error:
        return None, failed("database", str(error))
    except SyncEngineError as error:
        return None, failed("database", f"{config.file}: database: {error}")
    state = state_description(config)
    return databases, passed("database", f"{state}: reachable, schema up to date")


async def _new_state(databases: Databases) -> list[Check]:
    """Note a state that may have taken the place of one that was lost."""
    advice = await advice_where_new(databases)
    return [] if advice is None else [noted("consent", advice)]


def _markers(config: Config) -> Iterator[Check]:
    """Note that a restored state would not be noticed, where that is so."""
    if is_writable(config):
        return
    yield noted(
        "marker",
        f"{config.file.parent / FOLDER} cannot be written, so a restored or lost state "
        "is not noticed from here. After a restore use `syncengine run --resync`",
    )


async def _without_a_file(config: Config, databases: Databases) -> list[Check]:
    """Note the destinations of which only the state knows."""
    folder = config.file.parent / "destinations"
    names = [*(destination.name for destination in config.destinations), *config.broken]
    return [
        noted(
            f"{name}: file",
            "the state knows this destination, but there is no file for it in "
            f"{folder}: nothing is sent to it, and `syncengine forget` cannot ask its vendor",
        )
        for name in await erasure.without_a_file(databases.state, names)
    ]


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
