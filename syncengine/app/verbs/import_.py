"""Import a file of suppressions and tombstones (``app.consent_lines``)."""

from __future__ import annotations

from syncengine.app.consent_lines import read_file
from syncengine.app.databases import open_databases
from syncengine.app.markers import lacking_consents, note_consents
from syncengine.config.project import Config
from syncengine.model.consent_file import ConsentReport
from syncengine.storage.state import consent_file


async def import_consent(config: Config, name: str, content: bytes) -> ConsentReport:
    """Merge a file into the state; nothing that is there is lifted.

    Raises ConfigError for a file that is not whole, or of another kind or salt.
    """
    consents = read_file(name, content)
    async with open_databases(config, ()) as databases:
        lacking = await lacking_consents(config, databases)
        new = await consent_file.merge_consents(databases.state, consents)
        await note_consents(config, databases, lacking)
        forgotten = await consent_file.forgotten_here(databases.state)
    numbers = len(consents.suppressions), len(consents.erasures)
    return ConsentReport("imported", *numbers, new=new, forgotten_here=forgotten)
