"""Check everything a run relies on: configuration, database, sources, credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

from syncengine.app.check_results import failed, passed
from syncengine.app.credentials import settled
from syncengine.app.destination_check import check_destination
from syncengine.app.source_check import unreachable_sources
from syncengine.app.state_check import (
    check_markers,
    check_new_state,
    check_without_file,
    open_or_failed,
)
from syncengine.app.vendor_check import unused_proxies
from syncengine.config.project import Config
from syncengine.model.reports import Check


async def check(config: Config) -> list[Check]:
    """Return every check, passed or not, and notes.

    The configuration itself was checked when it was read.
    """
    config = await settled(config)
    checks = [*_configuration(config), *unused_proxies(config)]
    async with AsyncExitStack() as stack:
        databases, database = await open_or_failed(config, stack)
        checks.append(database)
        unreachable: dict[str, Check] = {}
        if databases is not None:
            checks += await check_without_file(config, databases)
            checks += await check_new_state(databases)
            unreachable = unreachable_sources(config, databases)
        checks += check_markers(config)
        # Several destinations may share one failed check of their database.
        checks += dict.fromkeys(unreachable.values())
        for destination in config.destinations:
            readable = destination.name not in unreachable
            checks += await check_destination(
                config, destination, databases, is_source_reachable=readable
            )
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
