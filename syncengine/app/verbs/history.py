"""Every run that touched one contact."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from syncengine.app.databases import open_databases
from syncengine.app.verbs.why import unknown_contact
from syncengine.config.project import Config
from syncengine.model.contact_ids import contact_id_of
from syncengine.model.desk import ContactEvent
from syncengine.storage.state.history import where_known, whole_history


async def history(
    config: Config, names: Sequence[str], contact: str
) -> AsyncGenerator[list[ContactEvent], None]:
    """Yield what each run did to a contact, the newest first, page by page.

    Of the named destinations, or of all, also those that have no file any more. Runs
    may be under way meanwhile. Raises ConfigError for a contact of which nothing is
    known, and StorageError.
    """
    chosen: list[str] | None = None
    if names:
        chosen = list(config.named(tuple(names)))
    contact_id = contact_id_of(contact)
    is_known = False
    async with open_databases(config, ()) as databases:
        async for events in whole_history(databases.state, contact_id, chosen):
            is_known = is_known or bool(events)
            yield events
        if not is_known and not await where_known(databases.state, contact_id):
            raise unknown_contact("history", contact_id)
