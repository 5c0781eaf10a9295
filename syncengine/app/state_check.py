"""Checks of the state: its database, its markers, and the destinations it remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

from syncengine.app.check_results import failed, noted, passed
from syncengine.app.databases import (
    FOLDER,
    Databases,
    open_databases,
    state_description,
)
from syncengine.app.marker_files import is_writable
from syncengine.app.markers import advice_where_new
from syncengine.config.project import Config
from syncengine.errors import SchemaOutdated, SyncEngineError
from syncengine.model.reports import Check
from syncengine.storage.state import erasure


async def open_or_failed(
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


async def check_new_state(databases: Databases) -> list[Check]:
    """Note a state that may have taken the place of one that was lost."""
    advice = await advice_where_new(databases)
    return [] if advice is None else [noted("consent", advice)]


def check_markers(config: Config) -> Iterator[Check]:
    """Note that a restored state would not be noticed, where that is so."""
    if is_writable(config):
        return
    yield noted(
        "marker",
        f"{config.file.parent / FOLDER} cannot be written, so a restored or lost state "
        "is not noticed from here. After a restore use `syncengine run --resync`",
    )


async def check_without_file(config: Config, databases: Databases) -> list[Check]:
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
