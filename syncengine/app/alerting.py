"""Alerts of a call: what the ends of its runs change, and the delivery of messages.

Nothing here may hold up or fail a run. What goes wrong is an event of the log, and is
tried again at the end of the next run, or by ``syncengine alerts check``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from syncengine.app.event_log import event_log
from syncengine.app.run_request import RunRequest
from syncengine.config.models import AlertsModel, AlertTargetModel
from syncengine.config.project import Config
from syncengine.errors import BrakeApplied, StorageError
from syncengine.model.alerts import AlertMessage, AlertState, Concern
from syncengine.model.events import Event
from syncengine.model.http import Json
from syncengine.model.reports import RunReport, RunStatus
from syncengine.planning.alerts import (
    AlertChange,
    EndedRun,
    after_count,
    after_run,
    after_time,
)
from syncengine.storage.connect import Pool
from syncengine.storage.state.alerts import (
    AlertOverview,
    Alerts,
    AlertTransaction,
    ClaimedMessage,
)
from syncengine.transport.messages import NotDelivered, notify, post

_LONGEST_LOOK = 10.0
"""Seconds after which a database that does not answer is left alone."""
_LAST_DELIVERY = 15.0
"""Seconds that the end of a call waits for the delivery of its last messages."""


class AlertDesk:
    """Notes changes of alerts in the state, and delivers the messages about them."""

    def __init__(self, config: Config, pool: Pool) -> None:
        self._options: AlertsModel = config.engine.alerts
        self._destinations = config.named(())
        self._store = Alerts(pool)
        self._written = asyncio.Event()
        """Set once a message may be there that was not delivered."""
        self._is_closing = False

    @property
    def is_on(self) -> bool:
        """Return whether any target is configured."""
        return bool(self._options.to)

    async def note_run(self, report: RunReport, request: RunRequest) -> None:
        """Note what the end of a run changes. Does not raise."""
        if not self.is_on or _is_by_hand(request):
            return
        with _contained(report.destination):
            async with (
                asyncio.timeout(_LONGEST_LOOK),
                self._store.looking_at(report.destination) as look,
            ):
                await self._note(look, report, is_whole=request.about_everybody)
        # Also after an error: messages of an earlier call may be waiting.
        self._written.set()

    async def _note(
        self, look: AlertTransaction, report: RunReport, *, is_whole: bool
    ) -> None:
        states, now = await look.states()
        changes: list[AlertChange] = []
        before = states[Concern.RUN]
        died = await look.died_run(before=report.run_id)
        if died is not None and died != before.run_id:
            # Nobody looked since. Without this a night that was killed would never be
            # reported, since this run may have ended well.
            ended = EndedRun(report.destination, died, RunStatus.DIED)
            changes.append(after_run(before, ended, now))
            before = changes[0].state
        this_one = replace(_ended_run(report), is_whole=is_whole)
        after = after_run(before, this_one, now)
        changes += [after, self._after_time(states, after.state.succeeded_at, now)]
        if report.standing is not None:
            change = after_count(
                states[Concern.STANDING],
                report.standing,
                self._options.standing,
                report.run_id,
            )
            changes.append(change)
        await self._write(look, states, changes)

    async def look_at_all(self, *, at_time: bool = True) -> None:
        """Note which destinations had no success for too long, or whose run died.

        Without ``at_time``, only died runs are looked for.
        """
        if not self.is_on:
            return
        # Each look is a transaction of its own. Where nothing changes there is none: a
        # thousand destinations cost one statement.
        for name in await self._worth_a_look(at_time=at_time):
            with _contained(name):
                await self._look_at(name, at_time=at_time)
        self._written.set()

    async def _worth_a_look(self, *, at_time: bool) -> list[str]:
        """Return the destinations at which something would change."""
        names = self._destinations
        with _contained(""):
            async with asyncio.timeout(_LONGEST_LOOK):
                seen = await self._store.overview(names)
            return [
                name for name in names if self._may_change(seen, name, at_time=at_time)
            ]
        return []

    def _may_change(self, seen: AlertOverview, name: str, *, at_time: bool) -> bool:
        """Return whether a look at a destination would change anything."""
        states = seen.states.get(name, {})
        # Never looked at: the first look begins to watch it, which is a change.
        if len(states) < len(Concern):
            return True
        before = states[Concern.RUN]
        died = seen.died_runs.get(name)
        if died is not None:
            run = EndedRun(name, died, RunStatus.DIED)
            if after_run(before, run, seen.now).state != before:
                return True
        change = self._after_time(states, before.succeeded_at, seen.now)
        return at_time and change.state != states[Concern.STALE]

    async def _look_at(self, name: str, *, at_time: bool) -> None:
        async with (
            asyncio.timeout(_LONGEST_LOOK),
            self._store.looking_at(name) as look,
        ):
            states, now = await look.states()
            died = await look.died_run()
            if died is not None:
                run = EndedRun(name, died, RunStatus.DIED)
                await self._write(
                    look, states, [after_run(states[Concern.RUN], run, now)]
                )
            if at_time:
                succeeded_at = states[Concern.RUN].succeeded_at
                await self._write(
                    look, states, [self._after_time(states, succeeded_at, now)]
                )

    def _after_time(
        self,
        states: Mapping[Concern, AlertState],
        succeeded_at: datetime | None,
        now: datetime,
    ) -> AlertChange:
        longest: timedelta | None = None
        if self._options.stale is not None:
            longest = timedelta(seconds=self._options.stale)
        return after_time(states[Concern.STALE], succeeded_at, longest, now)

    async def _write(
        self,
        look: AlertTransaction,
        before: Mapping[Concern, AlertState],
        changes: Sequence[AlertChange],
    ) -> None:
        """Write the changes, and their messages for the targets that want them."""
        for change in changes:
            if change.state == before[change.state.concern]:
                continue
            targets: list[str] = []
            if change.message is not None:
                targets = targets_of(change.message, self._options.to)
            await look.change(change.state, change.message, targets)

    async def deliver(self) -> Sequence[str]:
        """Deliver the messages that are due; return what went wrong, by target."""
        if not self.is_on:
            return []
        try:
            claimed = await self._store.claim(tuple(self._options.to))
        except StorageError as error:
            _complain("", str(error))
            return [str(error)]
        # One target that is slow or away holds up no other one.
        by_target: dict[str, list[ClaimedMessage]] = defaultdict(list)
        for message in claimed:
            by_target[message.target].append(message)
        failed = await asyncio.gather(
            *(self._deliver_to(name, found) for name, found in by_target.items())
        )
        return [why for why in failed if why]

    async def _deliver_to(
        self, target: str, messages: Sequence[ClaimedMessage]
    ) -> str | None:
        """Deliver messages to one target, in order; return why one was not taken."""
        why: str | None = None
        try:
            for message in messages:
                # Behind one that was not taken the others wait, too: a target that is
                # away would cost its time-out for each of them.
                if why is None:
                    why = await send_to(self._options.to[target], message.body)
                if why is None:
                    await self._store.delivered(message.message_id)
                else:
                    await self._store.not_delivered(message.message_id, why)
        except StorageError as error:
            why = str(error)
        if why is not None:
            why = f"{target}: {why}"
            _complain("", why)
        return why

    async def deliver_until_closed(self) -> None:
        """Deliver whenever something was noted, until ``close`` is called."""
        # Where each run is killed, none comes to its end: so what died is looked for
        # beside a run, too. A call that begins late is no reason to call it stale.
        await self.look_at_all(at_time=False)
        is_last = False
        while not is_last:
            await self._written.wait()
            self._written.clear()
            # Looked at before the round: what was noted during the one before, which
            # has not found it, is delivered in this one.
            is_last = self._is_closing
            await self.deliver()

    def close(self) -> None:
        """Have the delivery end once it has made one more round."""
        self._is_closing = True
        self._written.set()


@asynccontextmanager
async def alerting(config: Config, pool: Pool) -> AsyncIterator[AlertDesk]:
    """Deliver alerts beside the runs of this block; its end waits for the last ones.

    It waits for fifteen seconds at most. What is not delivered by then stays written
    down, and the next call delivers it.
    """
    desk = AlertDesk(config, pool)
    if not desk.is_on:
        yield desk
        return
    delivery = asyncio.create_task(desk.deliver_until_closed(), name="alerts")
    try:
        yield desk
        await desk.look_at_all()
    finally:
        desk.close()
        await asyncio.wait({delivery}, timeout=_LAST_DELIVERY)
        # A message that is cut off here may have arrived. It is sent again all the
        # same: twice is better than never.
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)


async def send_to(target: AlertTargetModel, body: Mapping[str, Json]) -> str | None:
    """Send a message to a target; return why it was not taken, None where it was."""
    try:
        if target.webhook is not None:
            await post(target.webhook.get_secret_value(), body)
        if target.apprise is not None:
            await notify(target.apprise.get_secret_value(), str(body["text"]))
    except NotDelivered as error:
        return str(error)
    return None


def targets_of(
    message: AlertMessage, targets: Mapping[str, AlertTargetModel]
) -> list[str]:
    """Return the targets that want a message.

    A recovery goes to those that wanted the alert which is over.
    """
    wanted: list[str] = []
    for name, target in targets.items():
        if target.destinations and message.destination not in target.destinations:
            continue
        kinds = {message.kind}
        if message.over is not None:
            kinds.add(message.over)
        if kinds <= set(target.on):
            wanted.append(name)
    return wanted


def _is_by_hand(request: RunRequest) -> bool:
    """Return whether somebody sends a few contacts by hand.

    Whoever does is at the screen, and needs no message.
    """
    is_chosen = bool(request.contacts) or request.removed or request.limit is not None
    # ``retry RUN --batch N`` is one piece of a night.
    return is_chosen or request.batch is not None


def _ended_run(report: RunReport) -> EndedRun:
    """Return what alerts have to know of a run's report."""
    is_braked = isinstance(report.cause, BrakeApplied)
    # Other errors may name a contact or quote a row, and go no further than the log.
    error = ""
    if is_braked or report.status is RunStatus.HALTED:
        error = report.error or ""
    public = report.public()["contacts"]
    contacts: dict[str, int] = {}
    if isinstance(public, dict):
        contacts = {
            name: number for name, number in public.items() if isinstance(number, int)
        }
    return EndedRun(
        destination=report.destination,
        run_id=report.run_id,
        status=report.status,
        is_braked=is_braked,
        error=error,
        contacts=contacts,
    )


@contextmanager
def _contained(destination: str) -> Iterator[None]:
    """Turn what goes wrong with the state in this block into an event of the log."""
    try:
        yield
    except StorageError as error:
        _complain(destination, str(error))
    except TimeoutError:
        _complain(destination, "the state database does not answer")


def _complain(destination: str, error: str) -> None:
    """Send out the event that an alert was not written or not delivered."""
    context: dict[str, Json] = {}
    # Without one it is about the state as a whole.
    if destination:
        context["destination"] = destination
    event_log(**context)(Event.ALERT_NOT_DELIVERED, error=error)
