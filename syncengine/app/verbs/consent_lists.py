"""Lists of the suppressed, as far as they are stored, and of erasures."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import product

from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.model.consent import Subject, forms_of
from syncengine.model.desk import AskedPerson, ErasureRow, SuppressionRow
from syncengine.storage.state import consent_list


async def all_suppressions(
    config: Config,
) -> AsyncGenerator[list[SuppressionRow], None]:
    """Yield all suppressions, the newest first, page by page. Raises StorageError."""
    async with open_databases(config, ()) as databases:
        async for page in consent_list.all_suppressions(databases.state):
            yield page


async def asked_suppressions(
    config: Config, asked: Sequence[tuple[str, Sequence[Subject]]]
) -> AsyncGenerator[list[AskedPerson], None]:
    """Yield whether these people, by name with their subjects, are suppressed.

    Raises StorageError.
    """
    # A value is stored in one of the forms in which people write it.
    every = [
        (name, [form for subject in subjects for form in forms_of(subject)])
        for name, subjects in asked
    ]
    async with open_databases(config, ()) as databases:
        yield await consent_list.ask(databases.state, every)


async def erasures(
    config: Config, names: Sequence[str]
) -> AsyncGenerator[list[ErasureRow], None]:
    """Yield erasures page by page, those that somebody has to finish before others.

    Of the named destinations, or of all, also those that have no file any more. Raises
    ConfigError, StorageError.
    """
    chosen: list[str] = []
    if names:
        chosen = list(config.named(tuple(names)))
    async with open_databases(config, ()) as databases:
        pool = databases.state
        destinations = chosen or await consent_list.erasing_destinations(pool)
        for to_do, destination in product((True, False), destinations):
            async for page in consent_list.all_erasures(pool, destination, to_do=to_do):
                yield page
