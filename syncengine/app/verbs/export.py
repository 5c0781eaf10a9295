"""Export suppressions and tombstones as a file (``app.consent_lines``)."""

from __future__ import annotations

from syncengine.app.consent_lines import lines_of_file
from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.model.consent_file import ConsentReport
from syncengine.storage.state import consent_file


async def export_consent(config: Config) -> tuple[bytes, ConsentReport]:
    """Return the file, and what is in it."""
    async with open_databases(config, ()) as databases:
        consents = await consent_file.read_consents(databases.state)
    numbers = len(consents.suppressions), len(consents.erasures)
    return b"".join(lines_of_file(consents)), ConsentReport("exported", *numbers)
