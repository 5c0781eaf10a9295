"""Forecast of a run, made right before its first request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from syncengine.app.followers import Followers
from syncengine.app.forecast import Forecast, part_of, prices_of, quotas_of
from syncengine.app.run_parts import RunParts
from syncengine.app.run_preparation import PreparedWork
from syncengine.app.run_progress import RunOutlook
from syncengine.model.run_forecast import RunForecast
from syncengine.model.work import Batch, BatchKind, KeyWait
from syncengine.planning.request_count import RunPart
from syncengine.planning.timing import timing
from syncengine.storage.state.runs import measured_round_trip, note_forecast
from syncengine.storage.state.waits import Waits

_MOST_WITHOUT_LIMIT = 1000
"""Contacts of a run without limits that makes a forecast. It would take as long as the
run where there are more, and says nothing about the time anyway."""
_NUMBER = 0
"""Number of batches that are planned and not written down."""


async def make_forecast(run: RunParts, work: PreparedWork) -> RunOutlook | None:
    """Plan every contact of the run, and store what that will take.

    Return None where no forecast is made. Raises SourceError, StorageError, LeaseLost.
    """
    s = run.session
    limits = s.account.pacing.limits
    if not limits and work.contacts > _MOST_WITHOUT_LIMIT:
        return None
    counted = await _count(run, work)
    wait = 0.0
    free_at = s.account.pacing.first_free()
    if free_at is not None:
        wait = max(0.0, free_at - s.account.pacing.now())
    time_of_all = timing(
        counted.requests,
        limits,
        items=counted.items,
        by_method=counted.by_method(),
        quotas=await quotas_of(s.destination, s.databases),
        wait=wait,
        round_trip=await measured_round_trip(s.databases.state, s.name),
    )
    forecast = RunForecast(
        at=datetime.now(UTC),
        calls=counted.actions.total(),
        actions=dict(sorted(counted.actions.items())),
        look_ups=counted.look_ups,
        requests=counted.requests,
        seconds=time_of_all.seconds,
        limit=time_of_all.limit,
    )
    await note_forecast(s.fence, s.run_id, forecast.public())
    return RunOutlook(forecast)


async def _count(run: RunParts, work: PreparedWork) -> Forecast:
    """Return the totals of the run's contacts, planned in its order."""
    s = run.session
    prices = await prices_of(
        s.destination, s.config, s.databases, find_first=run.task.find_first
    )
    counted = Forecast(s.destination, prices)
    waits: Mapping[str, KeyWait] = {}
    if s.request.about_everybody:
        waits = await Waits(s.fence, s.name).kept()
    followers = Followers(s.name, waits)
    probes = {batch.number for batch in work.refusal_groups.batches}
    # Kept only for a run about some contacts: of these it creates again who is gone.
    named: set[str] = set()

    async def plan(batch: Batch, part: RunPart) -> None:
        recreates = part is RunPart.RECREATIONS
        prepared = await run.preparer.plan(batch, recreates=recreates)
        counted.add(prepared, {}, part)
        followers.note(prepared)

    async for batch in s.batches.waiting():
        if batch.number in probes:
            # Probes have batches of their own, and are counted below.
            continue
        if not s.request.about_everybody:
            named.update(batch.contact_ids)
        await plan(batch, part_of(batch))
    while brought_along := followers.brought_along():
        batch = Batch(_NUMBER, BatchKind.CHANGES, brought_along)
        await plan(batch, RunPart.FOLLOWERS)
    again = tuple(await run.recreations.forecast(named))
    if again:
        batch = Batch(_NUMBER, BatchKind.CHANGES, again)
        await plan(batch, RunPart.RECREATIONS)
    for probe in work.probes:
        counted.add_probe(probe)
    return counted
