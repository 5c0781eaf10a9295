"""Exports: contacts with how they stand, and suppressions and tombstones as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from syncengine.app.consent_lines import lines_of_file
from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.model.consent_file import ConsentReport
from syncengine.model.desk import ContactRow
from syncengine.storage.state import consent_file
from syncengine.storage.state.contact_rows import all_contacts


async def export_consent(config: Config) -> tuple[bytes, ConsentReport]:
    """Return the file, and what is in it."""
    async with open_databases(config, ()) as databases:
        consents = await consent_file.read_consents(databases.state)
    numbers = len(consents.suppressions), len(consents.erasures)
    return b"".join(lines_of_file(consents)), ConsentReport("exported", *numbers)


async def export_contacts(
    config: Config, names: Sequence[str], *, with_values: bool
) -> AsyncGenerator[list[ContactRow], None]:
    """Yield all contacts of the named destinations, or of all, page by page.

    ``with_values``: with the fields and tags that the vendor is known to hold, which
    are personal data. Runs may be under way meanwhile. Raises ConfigError,
    StorageError.
    """
    destinations = config.chosen(tuple(names))
    async with open_databases(config, ()) as databases:
        for destination in destinations:
            async for page in all_contacts(
                databases.state, destination.name, with_values=with_values
            ):
                yield page
