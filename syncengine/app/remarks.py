"""What a person may want to know about a run although nothing fell short."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from syncengine.app.databases import Databases
from syncengine.app.request import Request
from syncengine.config import DestinationConfig
from syncengine.errors import SourceError
from syncengine.planning.refusals import DEAD_AFTER
from syncengine.storage.runs import dead_letters
from syncengine.storage.source_rows import SourceRows


async def remarks(
    destination: DestinationConfig, databases: Databases, request: Request, rows: SourceRows, *, nothing: bool
) -> tuple[str, ...]:
    """``nothing`` says that the run had no contact to look at."""
    number, some = await dead_letters(databases.state, destination.name)
    missing = await _missing(request, rows) if request.contacts else ()
    return tuple(_remarks(destination.name, request, missing, number, some, nothing=nothing))


async def _missing(request: Request, rows: SourceRows) -> tuple[str, ...]:
    try:
        found = {row.contact_id for row in await rows.load(request.contacts)}
    except SourceError:
        return ()  # the report tells of it
    return tuple(contact_id for contact_id in request.contacts if contact_id not in found)


def _remarks(
    destination: str, request: Request, missing: tuple[str, ...], dead: int, some: tuple[str, ...], *, nothing: bool
) -> Iterator[str]:
    if request.retry_of is not None and nothing:
        part = "" if request.batch is None else f"batch {request.batch} of "
        yield f"every contact of {part}run {request.retry_of} made it: there is nothing to retry"
    if missing:
        yield f"the source does not select {_named(missing)} (any more; look at where): nothing was sent for it"
    if dead:
        more = f" and {dead - len(some)} more" if dead > len(some) else ""
        yield (
            f"{dead} dead letter{'s' if dead > 1 else ''}, refused {DEAD_AFTER} times and left alone until the row or "
            f"the mapping changes: {_named(some)}{more}; `syncengine run -d {destination} "
            f"--contact {shlex.quote(some[0])}` tries it again"
        )


def _named(contact_ids: tuple[str, ...]) -> str:
    return f"contact{'s' if len(contact_ids) > 1 else ''} {', '.join(contact_ids)}"
