"""Reasons why a run sent nothing about contacts that it was asked for by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from syncengine.app.databases import Databases
from syncengine.app.match_keys import asked_keys
from syncengine.app.outlook import Seen, look_ahead
from syncengine.config.destination import DestinationConfig
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact import Desired
from syncengine.model.contact_ids import name_of
from syncengine.model.unsupported import in_words
from syncengine.model.work import ContactState, SourceRow, Standing
from syncengine.planning.mapping import map_row
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import NoLease
from syncengine.storage.state.outcomes import ContactResult, ended_in, last_ended
from syncengine.storage.state.runs import NO_RUN
from syncengine.storage.state.standing import standing_of

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
    named = tuple(dict.fromkeys(contact_ids))[:MOST_EXPLAINED]
    ended = await ended_in(databases.state, run_id, named)
    silent: list[str] = []
    for contact_id in named:
        result = ended.get(contact_id)
        # The report lists every other outcome with its message.
        if result is None or result.kind is OutcomeKind.SUPPRESSED:
            silent.append(contact_id)
    if not silent:
        return ()
    rows = await _rows(destination, databases, source, silent)
    missing = [contact_id for contact_id in silent if contact_id not in rows]
    everybody = replace(source, where="TRUE")
    unselected: Collection[str] = ()
    if missing:
        unselected = await _rows(destination, databases, everybody, missing)
    lines: list[str] = []
    for contact_id in silent:
        row = rows.get(contact_id)
        if row is not None:
            why = await _why_not_sent(destination, databases, source, row)
        elif contact_id in unselected:
            where = destination.place("where")
            why = f"its row is there, but {where} does not select it"
        else:
            why = "the source has no such row"
        lines.append(f"contact {name_of(contact_id)}: nothing was sent: {why}")
    return tuple(lines)


async def _rows(
    destination: DestinationConfig,
    databases: Databases,
    source: Source,
    contact_ids: Sequence[str],
) -> dict[str, SourceRow]:
    """Return the rows that the source selects of these contacts, by contact id."""
    reader = SourceRows(databases.source(destination), source)
    return {row.contact_id: row for row in await reader.load(contact_ids)}


async def _why_not_sent(
    destination: DestinationConfig, databases: Databases, source: Source, row: SourceRow
) -> str:
    """Explain why nothing was sent about a contact that the source selects."""
    state, name = databases.state, destination.name
    fence = NoLease(state, destination.account)
    store = Contacts(fence, name, NO_RUN, numbered=False)
    known = (await store.load([row.contact_id])).get(row.contact_id)
    mapped = map_row(row, destination.mapping, destination.vendor.capabilities.identity)
    seen = Seen(
        state=known or ContactState(row.contact_id),
        row=row,
        desired=mapped if isinstance(mapped, Desired) else None,
    )
    reader = SourceRows(databases.source(destination), source)
    numbered = source.kind is KeyKind.NUMBER
    keys = asked_keys(fence, destination, numbered=numbered)
    outlook = await look_ahead(destination, databases, store, reader, seen, keys=keys)
    if outlook.standing is not None:
        return "; ".join(outlook.remarks)
    standing = await standing_of(state, name, row.contact_id)
    last: ContactResult | None = None
    if standing is not None:
        last = await last_ended(state, name, row.contact_id)
    if standing is Standing.UNSUPPORTED and last is not None:
        return f"it is in step except for what the vendor cannot express: {_said(last)}"
    if standing is Standing.DEAD_LETTER and last is not None:
        return f"it is a dead letter, last rejected with {_said(last)}"
    if outlook.nothing_because:
        return outlook.nothing_because
    return f"the next run {outlook.next_run}"


def _said(result: ContactResult) -> str:
    """Return what the run said about a contact when it last ended."""
    if result.unsupported:
        return in_words(result.unsupported)
    if result.message:
        return f"{result.code}: {result.message}"
    return result.code
