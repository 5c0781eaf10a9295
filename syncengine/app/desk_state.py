"""The state as the operator's desk reads it: ``ports.DeskState`` over the stores."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.verbs.failures import failure_of
from syncengine.model.desk import BatchSummary, ContactEvent, RunSummary
from syncengine.model.desk_pages import (
    AlertFacts,
    ContactAtDestination,
    DestinationFacts,
    FailurePage,
)
from syncengine.model.run_record import ChangeCounts, MinuteFacts, RunFacts
from syncengine.model.work import Standing
from syncengine.storage.connect import Pool
from syncengine.storage.state import desk
from syncengine.storage.state.access import limited_statements
from syncengine.storage.state.failures import (
    FailedContact,
    failed_and_standing,
    failed_in_run,
)
from syncengine.storage.state.history import history_page
from syncengine.storage.state.run_list import batches_page, runs_page

_SECONDS = 3.0
"""Seconds that one statement may take."""
_LOOKED_THROUGH = 400
"""Failures of a run among which those of one outcome are looked for."""


class PagedState:
    """Reads a page at a time, with statements that may not take long."""

    def __init__(self, pool: Pool, configured: Sequence[DestinationFacts] = ()) -> None:
        self._pool = pool
        self._configured = configured

    async def destinations(self, after: str | None) -> Sequence[DestinationFacts]:
        with limited_statements(_SECONDS):
            known = await desk.destinations_page(self._pool, after)
        return with_configured(known, self._configured, after, desk.DESTINATIONS)

    async def runs(
        self, destination: str | None, before: int | None, most: int
    ) -> Sequence[RunSummary]:
        names = None if destination is None else [destination]
        with limited_statements(_SECONDS):
            return await runs_page(self._pool, names, before=before, most=most)

    async def run(self, run_id: int) -> RunFacts | None:
        with limited_statements(_SECONDS):
            return await desk.run_of(self._pool, run_id)

    async def minutes(self, run_id: int) -> Sequence[MinuteFacts]:
        with limited_statements(_SECONDS):
            return await desk.newest_minutes(self._pool, run_id)

    async def changes(self, run_id: int) -> ChangeCounts:
        with limited_statements(_SECONDS):
            return await desk.first_changes(self._pool, run_id)

    async def batches(
        self, run_id: int, after: int, most: int
    ) -> Sequence[BatchSummary]:
        with limited_statements(_SECONDS):
            return await batches_page(self._pool, run_id, after=after, most=most)

    async def failures(
        self,
        run: RunFacts,
        *,
        outcome: str | None,
        code: str | None,
        after: tuple[str, str] | None,
        most: int,
    ) -> FailurePage:
        # Outcomes have no index of their own: of one outcome, so many failures are
        # looked through, and the page may be shorter than its successor.
        size = most + 1 if outcome is None else _LOOKED_THROUGH
        with limited_statements(_SECONDS):
            found = await failed_in_run(
                self._pool,
                run.destination,
                run.run_id,
                code=code,
                after=after,
                most=size,
            )
        wanted = [each for each in found if outcome in (None, each.outcome)]
        # There may be more of this outcome behind those that were looked through.
        end = found[-1].key if len(found) == size else None
        return _page(run.destination, wanted, most, end)

    async def standing(
        self,
        destination: str,
        reason: Standing,
        *,
        code: str | None,
        after: tuple[str, str] | None,
        most: int,
    ) -> FailurePage:
        with limited_statements(_SECONDS):
            found = await failed_and_standing(
                self._pool, destination, reason, code=code, after=after, most=most + 1
            )
        return _page(destination, found, most, None)

    async def contact(
        self, contact_id: str, *, with_values: bool
    ) -> Sequence[ContactAtDestination]:
        with limited_statements(_SECONDS):
            return await desk.contact_everywhere(
                self._pool, contact_id, with_values=with_values
            )

    async def history(
        self, contact_id: str, before: int | None
    ) -> tuple[Sequence[ContactEvent], int | None]:
        with limited_statements(_SECONDS):
            return await history_page(self._pool, contact_id, None, before=before)

    async def alerts(self) -> Sequence[AlertFacts]:
        with limited_statements(_SECONDS):
            return await desk.all_alerts(self._pool)

    async def require_answer(self) -> None:
        with limited_statements(_SECONDS):
            await desk.require_answer(self._pool)


def with_configured(
    known: Sequence[DestinationFacts],
    configured: Sequence[DestinationFacts],
    after: str | None,
    most: int,
) -> list[DestinationFacts]:
    """Return a page of the state's destinations with those that never ran among them.

    ``known`` is a page of at most ``most`` that the state has behind ``after``.
    """
    by_name: dict[str, DestinationFacts] = {}
    # Both are ordered alike: the state compares names by their bytes.
    is_full = len(known) == most
    for each in configured:
        name = each.destination
        is_on_earlier_page = after is not None and name <= after
        is_on_later_page = is_full and name > known[-1].destination
        if not is_on_earlier_page and not is_on_later_page:
            by_name[name] = each
    # What the state knows of a destination is more than its file says.
    for each in known:
        by_name[each.destination] = each
    names = sorted(by_name)[:most]
    return [by_name[name] for name in names]


def _page(
    destination: str,
    found: Sequence[FailedContact],
    most: int,
    end: tuple[str, str] | None,
) -> FailurePage:
    """Return the first ones as a page; ``end`` is where the search ended early."""
    shown = found[:most]
    after = shown[-1].key if len(found) > most else end
    failures = tuple(failure_of(destination, each) for each in shown)
    return FailurePage(failures, after)
