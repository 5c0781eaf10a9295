"""The gate of an account: every request waits here until it may be sent.

An account is one set of credentials at a vendor; its limits hold for all that is sent
with them. ``method`` is an HTTP method throughout, since some limits are for one only,
and ``items`` is the number of contacts that a request carries, since some count these.

A worker asks for a permit, and joins a line. One task, the pacer, serves the line in
the order in which workers came, so that none is overtaken or starved. The first one in
the line has to pass, in this order:

    pace            spreads requests evenly (``pace``)
    flight          at most ``in_flight`` requests are under way at once
    pause           the vendor has asked to wait (429, ``Retry-After``)
    allowances      what the vendor's headers say is left (``limit_headers``)
    ledger          the limits with short windows, kept for certain (``ledger``)
    quotas          the limits with long windows, counted in the database (``quota``)

A permit ends when the request is answered, abandoned, or was not sent at all; only then
does the ledger know when its slot is free again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from syncengine.engine.ledger import Ledger, Slot
from syncengine.engine.limit_headers import NOTHING, HeaderAllowances, read_limits
from syncengine.engine.pace import Pace
from syncengine.engine.quota import Quotas
from syncengine.errors import AccountStopped, LeaseLost, RunStopped, VendorHalted
from syncengine.model.events import Event, OnEvent, ignore_event
from syncengine.model.limits import LONGEST_PACED, Limit, most_items
from syncengine.model.progress import RunWait, WaitReason
from syncengine.ports import QuotaStore

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HTTP methods that adapters use."""
_UNCOUNTED = Slot((), 0.0)
"""The slot of a request that no limit counts."""


def _ignore_request(method: str) -> None:
    del method


class GrantedPermit:
    """The right to send one request (``ports.Permit``).

    It ends in one of three ways, which ``ports.Permit`` explains; the first one counts,
    and later ones do nothing.
    """

    __slots__ = ("_items", "_method", "_pacing", "_slot")

    def __init__(self, pacing: Pacing, method: str, items: int, slot: Slot) -> None:
        self._pacing = pacing
        self._method = method
        self._items = items
        self._slot: Slot | None = slot
        """None once the permit has ended."""

    def answered(self) -> None:
        slot = self._end()
        if slot is None:
            return
        # The slot of a request that no limit counts has no time: it tells nothing about
        # round trips.
        if slot.pages:
            self._pacing.ledger.answered(slot, self._pacing.now())
        self._pacing.permit_ended(self._method, sent_items=self._items)

    def abandoned(self) -> None:
        slot = self._end()
        if slot is None:
            return
        self._pacing.ledger.abandoned(slot, self._pacing.now())
        self._pacing.permit_ended(self._method, sent_items=self._items)

    def unsent(self) -> None:
        slot = self._end()
        if slot is None:
            return
        self._pacing.ledger.unsent(slot)
        self._pacing.permit_ended(self._method, sent_items=0)

    def _end(self) -> Slot | None:
        """Return the slot, once; None at every further ending."""
        slot = self._slot
        self._slot = None
        return slot


@dataclass(slots=True, eq=False)
class _Waiter:
    """A worker in the line.

    Woken with a permit, or with none: then the account is stopped.
    """

    method: str
    items: int
    woken: asyncio.Future[GrantedPermit | None]

    def give_back(self) -> None:
        """Give the permit back that a cancelled worker was granted, if it was."""
        if self.woken.done() and not self.woken.cancelled():
            permit = self.woken.result()
            if permit is not None:
                permit.unsent()


class Pacing:
    """The gate of one account (``ports.Gate``); an async context manager.

    ``in_flight`` is the most requests under way at once. Until ``prove`` was called it
    is one: the retrier calls ``stop`` for a wrong key before it ends the permit, and so
    that key costs a single request. ``timeout`` is how long (seconds) an answer is
    waited for; ``settles_within`` is how long after that a request which was given up
    may still arrive at the vendor. Limits with windows over ten minutes are kept in
    ``quotas``, or in the ledger where there is no such store.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        *,
        in_flight: int,
        settles_within: float,
        check: Callable[[], None] = lambda: None,
        quotas: QuotaStore | None = None,
        timeout: float = 30.0,
        max_wait: float = 120.0,
        tight: bool = False,
        on_event: OnEvent = ignore_event,
    ) -> None:
        """Take the limits of the account.

        ``check`` is called right before the bytes of each request go out. It raises
        AccountStopped where the account's lease is lost: another run may write then.
        ``max_wait`` (seconds) is the longest wait that a vendor's header may ask for
        and that a used-up quota may cost. With ``tight`` the ledger counts on the
        shortest round trip that was seen, and lets a few more requests through.
        """
        short_limits: list[Limit] = []
        long_limits: list[Limit] = []
        for limit in limits:
            if limit.per > LONGEST_PACED and quotas is not None:
                long_limits.append(limit)
            else:
                short_limits.append(limit)
        self.ledger = Ledger(short_limits, settles_within, tight=tight)
        self.requests = 0
        """Requests that were sent, each real attempt counted."""
        self.items = 0
        """Items that these requests carried."""
        self.throttled = 0
        """Number of pauses that a refusal for the rate limit has led to."""
        self.limits = tuple(limits)
        self.on_request: Callable[[str], None] = _ignore_request
        """Called with the method of each request at the moment at which it counts."""
        self.over = asyncio.Event()
        """Set once nothing is let through any more."""
        self._quotas: Quotas | None = None
        if quotas is not None:
            late = timeout + settles_within
            self._quotas = Quotas(long_limits, quotas, late=late, max_wait=max_wait)
        self._pace = Pace([limit for limit in limits if limit.per <= LONGEST_PACED])
        self._allowances = HeaderAllowances(limits, max_wait)
        self._max_wait = max_wait
        self._ignored_headers: set[str] = set()
        """Names of headers that made no sense; each is reported once."""
        self._out: Counter[str | None] = Counter()
        """Requests under way, by scope (``HeaderAllowances.scope``)."""
        self._is_unlimited = not limits
        self._in_flight = in_flight
        self._check = check
        self._on_event = on_event
        self._flying = 0
        """Requests under way, all together."""
        self._proven = False
        """True once the vendor has accepted the credentials."""
        self._paused_until = 0.0
        """The loop's time until which nothing is sent."""
        self._pause_reason = WaitReason.THROTTLED
        self._backing_off_until = 0.0
        """The loop's time at which the last failed request is tried again; 0 after an
        answer."""
        self._error: Exception | None = None
        """Why nothing is let through any more."""
        self._line: deque[_Waiter] = deque()
        self._news = asyncio.Event()
        """Set when something has changed that the pacer may wait for."""
        self._loop = asyncio.get_running_loop()
        self._pacer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pacer = asyncio.create_task(self._serve(), name="pacer")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pacer is not None:
            self._pacer.cancel()
            await asyncio.gather(self._pacer, return_exceptions=True)

    async def permit(self, method: str, items: int = 1) -> GrantedPermit:
        """Wait until one request with so many items may be sent.

        Raises AccountStopped when the account is stopped, StorageError when a quota
        cannot be read, and whatever else ended the pacer. A request with more items
        than a limit ever lets through stops the account: it would wait for ever.
        """
        self._raise_if_stopped()
        if items > 1:
            self._stop_if_too_many(method, items)
        # Without limits the pacer has nothing to wait for: its task is passed over,
        # unless somebody is in the line before.
        if self._is_unlimited and not self._line and self._is_open(method):
            return self._launch(method, items, _UNCOUNTED)
        waiter = _Waiter(method, items, self._loop.create_future())
        self._line.append(waiter)
        self._wake_pacer()
        try:
            permit = await waiter.woken
        except asyncio.CancelledError:
            # The permit may have been granted before the worker heard of its
            # cancellation. Nobody would ever end it, and its place would stay taken.
            # What was drawn from pace, allowances and quotas stays drawn: one request
            # fewer than allowed is sent, which is the safe side.
            waiter.give_back()
            self._wake_pacer()
            raise
        # The account may have been stopped between the grant and now.
        if self._error is not None and permit is not None:
            permit.unsent()
        self._raise_if_stopped()
        assert permit is not None, "a worker is woken without a permit by a stop only"
        return permit

    def _stop_if_too_many(self, method: str, items: int) -> None:
        """Stop the account where no window has room for so many items."""
        applying = [limit for limit in self.limits if limit.method in (None, method)]
        most = most_items(applying)
        if most is None or items <= most:
            return
        error = VendorHalted(
            f"a request carries {items} contacts at once, and a limit lets {most} "
            "through: raise its items, with a longer per if need be",
            setting="limits",
        )
        self.stop(error)
        raise error

    def check(self) -> None:
        """Raise AccountStopped unless requests may still be sent.

        Called right before the bytes go out.
        """
        self._raise_if_stopped()
        self._check()

    def pause(self, seconds: float) -> None:
        """Pause all requests, since the vendor answered "too fast".

        The longest pause wins.
        """
        self.throttled += 1
        self._on_event(Event.THROTTLED, seconds=round(seconds, 3))
        self._pause(seconds, WaitReason.THROTTLED)
        self._wake_pacer()

    def _pause(self, seconds: float, reason: WaitReason) -> None:
        until = self.now() + seconds
        if until > self._paused_until:
            self._paused_until = until
            self._pause_reason = reason

    def heed(self, method: str, headers: Mapping[str, str], status: int) -> None:
        """Slow down as the headers of an answer ask for, before the vendor refuses.

        They never let more through than the limits of the account. The wait that a
        refusal for the limit (429) asks for is kept by the retrier.
        """
        notice = read_limits(headers, self._max_wait)
        if notice is NOTHING:
            return
        self._report_ignored(notice.ignored)
        now = self.now()
        wait = 0.0
        if notice.wait and status != 429:
            wait = notice.wait
            self._pause(wait, WaitReason.LIMIT_NEAR)
        if notice.left is not None:
            # The vendor may not have counted yet what is under way.
            under_way = self._out[self._allowances.scope(method)]
            # The headers tell of requests. A limit of items that is used up explains
            # nothing: without items, only limits of requests are looked at.
            has_room = self.ledger.room(method, now, items=0)
            withheld = self._allowances.heed(
                method, notice.left, under_way, now, room=has_room
            )
            wait = max(wait, withheld)
        if wait:
            self._on_event(Event.LIMIT_NEAR, method=method, seconds=round(wait, 3))
        self._wake_pacer()

    def _report_ignored(self, headers: Sequence[str]) -> None:
        """Report headers that make no sense, each name once."""
        for name in headers:
            if name not in self._ignored_headers:
                self._ignored_headers.add(name)
                self._on_event(Event.HEADER_IGNORED, header=name)

    def prove(self) -> None:
        """Let more than one request out: the vendor accepts the credentials."""
        self._backing_off_until = 0.0
        if not self._proven:
            self._proven = True
            self._wake_pacer()

    def stop(self, error: AccountStopped) -> None:
        """Let nothing through any more; every waiting worker gets the error.

        The first stop counts.
        """
        if self._error is None:
            self._on_event(
                _event_of_stop(error),
                error=str(error),
                setting=getattr(error, "setting", None),
            )
        self._fail(error)

    def scheduled(self) -> None:
        """Note that the vendor carries something out later."""
        self.ledger.scheduled(self.now())

    def unsettled(self) -> float:
        """Return the seconds in which earlier requests may still take effect.

        Those are requests that were given up or scheduled; they would do so behind
        whatever is sent meanwhile.
        """
        return self.ledger.unsettled(self.now())

    async def wait_until_settled(self) -> None:
        """Wait until no request that was given up can arrive any more.

        The wait ends, too, when the account is stopped.
        """
        wait = self.unsettled()
        if wait:
            await self._sleep(wait)

    async def back_off(self, seconds: float) -> None:
        """Wait before a failed request is tried again.

        The wait ends, too, when the account is stopped.
        """
        until = self.now() + seconds
        self._backing_off_until = max(self._backing_off_until, until)
        await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)

    def waits(self) -> RunWait | None:
        """Return why nothing is sent now although there is something to send.

        None where requests go out, or wait for nothing but their turn under a limit.
        """
        now = self.now()
        if now < self._paused_until:
            return RunWait(self._pause_reason, self._paused_until - now)
        if self._line:
            # Served in this order, so the first one's wait is everybody's.
            method = self._line[0].method
            withheld_until = self._allowances.withheld_until(method, now)
            if withheld_until is not None:
                return RunWait(WaitReason.LIMIT_NEAR, withheld_until - now)
            if self._quotas is not None:
                quota_wait = self._quotas.waits(method)
                if quota_wait:
                    return RunWait(WaitReason.QUOTA, quota_wait)
        if now < self._backing_off_until:
            return RunWait(WaitReason.OUTAGE, self._backing_off_until - now)
        return None

    @property
    def stopped(self) -> AccountStopped | None:
        """The error that stopped the account; None while it goes on."""
        if isinstance(self._error, AccountStopped):
            return self._error
        return None

    def first_free(self) -> float | None:
        """Return when the ledger has room for a request; None: it has room now."""
        now = self.now()
        waits = [
            self.ledger.free_at(method) or now
            for method in _METHODS
            if not self.ledger.room(method, now)
        ]
        # Requests of the other methods may go out before that.
        is_open = len(waits) < len(_METHODS)
        return None if is_open else min(waits)

    def now(self) -> float:
        """Return the event loop's time, in seconds."""
        return self._loop.time()

    def permit_ended(self, method: str, *, sent_items: int) -> None:
        """Note that a permit came to its end, and make room for the next one.

        ``sent_items`` is the number of items that were sent with it; 0: its request was
        not sent.
        """
        self._flying -= 1
        self._out[self._allowances.scope(method)] -= 1
        if sent_items:
            self.requests += 1
            self.items += sent_items
            self.on_request(method)
        if self._line:
            self._wake_pacer()

    async def _serve(self) -> None:
        """Serve the workers in the order they came.

        Whatever goes wrong here reaches every one of them.
        """
        try:
            while True:
                while not self._line:
                    self._news.clear()
                    await self._wait_for_news(until=None)
                # The worker stays first in the line while it is served. So nobody who
                # comes meanwhile passes it by (``permit`` looks at the line), and a
                # stop reaches it (``_fail`` wakes all who are in the line).
                await self._serve_first(self._line[0])
                self._line.popleft()
        except Exception as error:  # noqa: BLE001 - every worker gets it
            # A pacer that died silently would leave all workers waiting for ever.
            self._fail(error)

    async def _serve_first(self, waiter: _Waiter) -> None:
        """Give the first one its permit.

        Returns without when its worker was cancelled meanwhile.
        """
        if not waiter.woken.done():
            await self._pace.draw(waiter.method, waiter.items)
        while not waiter.woken.done():
            # Cleared before the try: what changes from here on, also while a quota is
            # reserved, ends the wait below.
            self._news.clear()
            permit = self._try_grant(waiter.method, waiter.items)
            if permit is not None:
                waiter.woken.set_result(permit)
            else:
                await self._wait_for_room(waiter.method, waiter.items)

    def _try_grant(self, method: str, items: int) -> GrantedPermit | None:
        """Take a place in everything that limits a request, or in nothing at all.

        This is no coroutine, and calls none. So no other task runs between the checks
        and the taking: no pause, stop or cancellation comes in between, and what was
        found free is still free. ``_serve_first`` relies on it, too: the worker that it
        looked at is still waiting when its permit is handed over. What has to be waited
        for is waited for in ``_wait_for_room``; then all is checked again.
        """
        now = self.now()
        if not self._is_open(method) or not self.ledger.room(method, now, items):
            return None
        if self._quotas is not None and not self._quotas.try_draw(method, items):
            return None
        slot = self.ledger.take(method, now, items)
        assert slot is not None, "there was room, and nothing ran since"
        return self._launch(method, items, slot)

    async def _wait_for_room(self, method: str, items: int) -> None:
        """Wait until it is worthwhile to try the grant again; that may still fail."""
        has_room = self.ledger.room(method, self.now(), items)
        if not self._is_open(method) or not has_room:
            await self._wait_for_news(until=self._next_look(method, items))
        elif self._quotas is not None:
            # Only now, with everything else open: a block that is reserved and not
            # used up within its life is lost.
            wait = await self._quotas.refill(method, items)
            if wait:
                await self._wait_for_news(until=self.now() + wait)

    def _launch(self, method: str, items: int, slot: Slot) -> GrantedPermit:
        """Count a request as under way, and return its permit."""
        self._allowances.take(method)
        self._flying += 1
        self._out[self._allowances.scope(method)] += 1
        return GrantedPermit(self, method, items, slot)

    def _is_open(self, method: str) -> bool:
        """Return whether nothing but ledger and quotas keeps a request back.

        ``_next_look`` says when to try again for each reason here: the two change
        together.
        """
        if not self._has_free_flight() or self.now() < self._paused_until:
            return False
        return self._allowances.withheld_until(method, self.now()) is None

    def _has_free_flight(self) -> bool:
        """Return whether one more request may be under way."""
        most = self._in_flight if self._proven else 1
        return self._flying < most

    def _next_look(self, method: str, items: int) -> float | None:
        """Return when to try again should nothing happen before; None: never."""
        if self.now() < self._paused_until:
            return self._paused_until
        if not self._has_free_flight():
            return None
        withheld_until = self._allowances.withheld_until(method, self.now())
        if withheld_until is not None:
            return withheld_until
        return self.ledger.free_at(method, items)

    def _wake_pacer(self) -> None:
        """Have the pacer look again: something has changed."""
        self._news.set()

    async def _wait_for_news(self, *, until: float | None) -> None:
        """Wait until something changes, at most until a time of the loop.

        That is anything since ``_news`` was cleared; the caller clears it before it
        looks at what it may have to wait for.
        """
        timer = None
        if until is not None:
            timer = self._loop.call_at(until, self._wake_pacer)
        try:
            await self._news.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _fail(self, error: Exception) -> None:
        """Let nothing through any more, and wake everybody; the first error counts."""
        if self._error is None:
            self._error = error
        self.over.set()
        for waiter in self._line:
            if not waiter.woken.done():
                waiter.woken.set_result(None)
        self._wake_pacer()

    def _raise_if_stopped(self) -> None:
        """Raise the error for which nothing is let through any more."""
        if self._error is not None:
            # Without the traceback: the same error is raised for every worker, and
            # would grow by the frames of each.
            raise self._error.with_traceback(None)


def _event_of_stop(error: AccountStopped) -> Event:
    match error:
        case RunStopped():
            return Event.RUN_STOPPED
        case LeaseLost():
            return Event.LEASE_LOST
        case _:
            return Event.ACCOUNT_HALTED
