"""Remarks on a run: what is worth knowing beside its numbers and its contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.app.counted import counted
from syncengine.app.databases import Databases
from syncengine.app.earlier_removed import earlier_removed_remarks
from syncengine.app.left_alone import (
    dead_letter_remarks,
    gone_remarks,
    group_remarks,
    waiting_remarks,
)
from syncengine.app.reasons import reasons
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.errors import SourceError
from syncengine.model.contact_ids import as_argument, contact_id_of, name_of
from syncengine.model.work import RunKind
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state.contact_counts import known_contacts
from syncengine.storage.state.erasure import still_open
from syncengine.storage.state.refusals import codes_of_dead_letters
from syncengine.storage.state.runs import notes_left


async def remarks(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    source: Source,
    run_id: int,
    *,
    total: int | None,
    changed: int,
    left: int,
    unreached: int,
    withheld_by: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the remarks on a run, the most urgent first.

    ``total`` is the number of its contacts, ``changed`` the number of those that were
    not in step, ``left`` the number that its limit left to the next run, ``unreached``
    the number not reached before it ended, ``withheld_by`` the brakes that stopped
    contacts whose probe was accepted. A total of None means that the run ended
    before that was known, or is to stop: the source is not asked then.

    Raises StorageError.
    """
    state = databases.state
    lines: list[str] = []
    if total == 0:
        lines += await _on_no_contact(destination, databases, request, source)
    for contact_id in await still_open(state, destination.name):
        lines.append(_on_open_erasure(contact_id))
    not_listed = await notes_left(state, run_id, one_by_one=bool(request.contacts))
    if not_listed:
        lines.append(_on_not_listed(run_id, not_listed))
    if unreached:
        lines.append(_on_unreached(run_id, unreached))
    lines += await _on_retry(destination, databases, request, total, changed)
    if total is not None:
        lines += await _on_named(destination, databases, request, source, run_id)
    if left:
        lines.append(_on_limit(request, left))
    if withheld_by:
        lines.append(_on_withheld(destination, request, withheld_by))
    lines += await group_remarks(destination, databases)
    lines += await dead_letter_remarks(destination, databases)
    lines += await waiting_remarks(destination, databases)
    lines += await gone_remarks(destination, databases)
    lines += await earlier_removed_remarks(destination, databases, request)
    return tuple(lines)


async def _on_no_contact(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    source: Source,
) -> tuple[str, ...]:
    """Return a line where it may surprise that a run had no contact."""
    if request.undo is not None:
        return (f"run {request.undo.run_id} changed none of these contacts",)
    if request.kind is RunKind.RETRY:
        return ()
    return await _on_empty_source(destination, databases, source)


async def _on_empty_source(
    destination: DestinationConfig, databases: Databases, source: Source
) -> tuple[str, ...]:
    """Return a line where the source has no row and no contact is known.

    Where contacts are known, the brake ``empty_source`` judges that.
    """
    if await known_contacts(databases.state, destination.name):
        return ()
    rows = SourceRows(databases.source(destination), source)
    try:
        if await rows.selects_any():
            return ()
    except SourceError:
        return ()  # the report itself names the source's failure
    line = (
        "nothing was sent, because the source selects no row and no contact is known. "
        "Look at `where` and at what the source's database role may see, or let "
        f"`syncengine check` count the rows ({destination.place('source')})"
    )
    return (line,)


def _on_open_erasure(contact_id: str) -> str:
    return (
        f"contact {name_of(contact_id)} is to be forgotten, but its erasure is not "
        "finished, so nothing is sent about it. "
        f"`syncengine forget {as_argument(contact_id)}` finishes it"
    )


def _on_not_listed(run_id: int, number: int) -> str:
    were = counted(number, "more contact was", "more contacts were")
    return (
        f"{were} not applied and not listed here. `syncengine failures {run_id}` lists "
        "those that fell short; the view syncengine.outcomes has all of them"
    )


def _on_unreached(run_id: int, number: int) -> str:
    were = counted(number, "contact was", "contacts were")
    return (
        f"{were} not reached before the run ended and counted as deferred: "
        f"`syncengine failures {run_id}` lists them. `syncengine retry {run_id}` or the "
        "next run sends what is not in step"
    )


async def _on_retry(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    total: int | None,
    changed: int,
) -> tuple[str, ...]:
    """Return a line where a retry had nothing to do."""
    if request.dead:
        if total != 0:
            return ()
        codes = await codes_of_dead_letters(databases.state, destination.name)
        return (_on_no_dead_letter(request, codes),)
    if request.retry_of is None or total is None or changed:
        return ()
    former = f"run {request.retry_of}"
    if request.batch is not None:
        former = f"batch {request.batch} of {former}"
    if total == 0:
        return (f"every contact of {former} succeeded: there is nothing to retry",)
    if total == 1:
        who = f"the contact that did not succeed in {former} is"
    else:
        who = f"the {total} contacts that did not succeed in {former} are"
    return (f"{who} in step by now, or left the source",)


def _on_no_dead_letter(request: RunRequest, codes: Mapping[str, int]) -> str:
    if not codes:
        return "there are no dead letters: there is nothing to retry"
    others = ", ".join(f"{number} with {other}" for other, number in codes.items())
    missing = "no dead letter"
    if request.code is not None:
        missing += f' has the code "{request.code}"'
    if request.since is not None:
        both = " and" if request.code is not None else ""
        missing += f"{both} was tried since {request.since:%Y-%m-%d %H:%M}"
    return f"{missing}: there is nothing to retry (dead letters: {others})"


async def _on_named(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    source: Source,
    run_id: int,
) -> tuple[str, ...]:
    """Return why nothing was sent about contacts that were asked for by name."""
    if not request.contacts:
        return ()
    named = [contact_id_of(key) for key in request.contacts]
    try:
        return await reasons(destination, databases, source, run_id, named)
    except SourceError:
        return ()  # the report itself names the source's failure


def _on_limit(request: RunRequest, left: int) -> str:
    are = counted(left, "more contact is", "more contacts are")
    return f"{are} not in step; --limit {request.limit} leaves the rest to the next run"


def _on_withheld(
    destination: DestinationConfig, request: RunRequest, brakes: Sequence[str]
) -> str:
    command = request.command(destination.name, *brakes)
    return (
        "the vendor now accepts what it rejected at several contacts, but brake "
        f"{brakes[0]} stopped sending it to all of them, and they are left as they "
        f"were. `{command}` lets them pass this once"
    )


def of_created_after_a_loss(
    destination: str, run_id: int, created: int
) -> tuple[str, ...]:
    """Return a line on contacts that a re-sync created, if there are any.

    The vendor may have them under a former match key, and no look-up finds them then.
    """
    if not created:
        return ()
    were = counted(created, "contact was", "contacts were")
    line = (
        f"{were} created after a restore or loss of the state, because no look-up by "
        f"match key found them; whoever is at {destination} under a former key is "
        "there twice now. Look at them first (table syncengine.sync_outcome: "
        f"run_id = {run_id} and 'create' = ANY (actions))"
    )
    return (line,)
