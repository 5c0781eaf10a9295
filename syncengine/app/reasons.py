"""Reasons why a run sent nothing about contacts that it was asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncengine.app.databases import Databases
from syncengine.app.outlook import Seen, look_ahead
from syncengine.config.destination import DestinationConfig
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact import Desired
from syncengine.model.contact_ids import name_of
from syncengine.model.unsupported import in_words
from syncengine.model.work import ContactState, SourceRow, Standing
from syncengine.planning.mapping import map_row
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.outcomes import ContactResult, ended_in, last_ended
from syncengine.storage.state.standing import standing_of

_SILENT = "sends nothing: "
"""Beginning of an outlook where there is nothing to send."""
MOST_EXPLAINED = 20
"""Contacts named in one run that are explained one by one."""


async def reasons(
    destination: DestinationConfig,
    databases: Databases,
    source: Source,
    run_id: int,
    contact_ids: Sequence[str],
) -> tuple[str, ...]:
    """Return a line for each named contact that the report does not explain yet.

    Nothing was sent about these. Raises SourceError, StorageError.
    """
    state = databases.state
    named = tuple(dict.fromkeys(contact_ids))[:MOST_EXPLAINED]
    ended = await ended_in(state, run_id, named)
    silent = [
        each
        for each in named
        if each not in ended or ended[each].kind is OutcomeKind.SUPPRESSED
    ]
    if not silent:
        return ()
    pool = databases.source(destination)
    rows = {row.contact_id: row for row in await SourceRows(pool, source).load(silent)}
    missing = [contact_id for contact_id in silent if contact_id not in rows]
    unselected = (
        await SourceRows(pool, replace(source, where="TRUE")).load(missing)
        if missing
        else ()
    )
    there = {row.contact_id for row in unselected}
    told: list[str] = []
    for contact_id in silent:
        row = rows.get(contact_id)
        if row is not None:
            why = await _of_row(destination, databases, source, row)
        elif contact_id in there:
            why = (
                f"its row is there, but {destination.place('where')} does not select it"
            )
        else:
            why = "the source has no such row"
        told.append(f"contact {name_of(contact_id)}: nothing was sent: {why}")
    return tuple(told)


async def _of_row(
    destination: DestinationConfig, databases: Databases, source: Source, row: SourceRow
) -> str:
    """Explain why nothing was sent about a contact that the source selects."""
    state, name = databases.state, destination.name
    store = Contacts(Fence(state, destination.account, 0), name, 0, numbered=False)
    known = (await store.load([row.contact_id])).get(row.contact_id) or ContactState(
        row.contact_id
    )
    wanted = map_row(row, destination.mapping, destination.vendor.capabilities.identity)
    seen = Seen(known, row, wanted if isinstance(wanted, Desired) else None)
    outlook = await look_ahead(
        destination,
        databases,
        store,
        SourceRows(databases.source(destination), source),
        seen,
    )
    if outlook.standing is not None:
        return "; ".join(outlook.remarks)
    standing = await standing_of(state, name, row.contact_id)
    last = await last_ended(state, name, row.contact_id) if standing else None
    if standing is Standing.UNSUPPORTED and last is not None:
        return f"it is in step but for what the vendor cannot express: {_words(last)}"
    if standing is Standing.DEAD_LETTER and last is not None:
        return f"it is a dead letter, last refused with {_words(last)}"
    if outlook.next_run.startswith(_SILENT):
        return outlook.next_run.removeprefix(_SILENT)
    return f"the next run {outlook.next_run}"


def _words(last: ContactResult) -> str:
    if last.unsupported:
        return in_words(last.unsupported)
    return f"{last.code}: {last.message}" if last.message else last.code
