"""The gate of an account: every request waits here until it may be sent.

Three things stand in a row. The pace spreads requests evenly, the quotas keep long
windows, and the ledger makes the limit certain. One pacer task serves all workers in
the order they came, so none is overtaken or starved.
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
from syncengine.engine.pace import LONGEST_PACED, Pace
from syncengine.engine.quota import Quotas
from syncengine.errors import AccountStopped, LeaseLost, RunStopped
from syncengine.model.events import Event, OnEvent, ignore_event
from syncengine.model.limits import Limit
from syncengine.ports import QuotaStore

_EVERYWHERE = Slot((), 0.0)
"""The slot of a request that no limit counts."""


class GrantedPermit:
    """The right to send one request (``ports.Permit``).

    The first of its three endings counts.
    """

    __slots__ = ("_method", "_pacing", "_slot")

    def __init__(self, pacing: Pacing, method: str, slot: Slot) -> None:
        self._pacing = pacing
        self._method = method
        self._slot: Slot | None = slot

    def answered(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            if slot.pages:
                self._pacing.ledger.answered(slot, self._pacing.now())
            self._pacing.landed(self._method, 1)

    def abandoned(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            self._pacing.ledger.abandoned(slot, self._pacing.now())
            self._pacing.landed(self._method, 1)

    def unsent(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            self._pacing.ledger.unsent(slot)
            self._pacing.landed(self._method, 0)


@dataclass(slots=True, eq=False)
class _Turn:
    """A worker in the line.

    Woken with a permit, or with none: then the account is stopped.
    """

    method: str
    woken: asyncio.Future[GrantedPermit | None]


class Pacing:
    """The gate of one account (``ports.Gate``); an async context manager.

    ``in_flight`` caps the requests under way; until ``prove`` was called it is one, so
    that a wrong key costs a single request. ``settles_within`` and ``timeout``
    (seconds) bound how late a request may arrive and how long one is waited for. Limits
    with windows over ten minutes are kept in ``quotas``, or in the ledger where there
    is no such store.
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
        tell: OnEvent = ignore_event,
    ) -> None:
        long = [
            limit
            for limit in limits
            if limit.per > LONGEST_PACED and quotas is not None
        ]
        self.ledger = Ledger(
            [limit for limit in limits if limit not in long],
            settles_within,
            tight=tight,
        )
        self.requests = 0
        """Requests that were sent, each real attempt counted."""
        self.throttled = 0
        self.over = asyncio.Event()
        """Set once nothing is let through any more."""
        self._quotas = (
            Quotas(long, quotas, late=timeout + settles_within, max_wait=max_wait)
            if quotas
            else None
        )
        self._pace = Pace([limit for limit in limits if limit.per <= LONGEST_PACED])
        self._allowances = HeaderAllowances(limits, max_wait)
        self._max_wait = max_wait
        self._senseless: set[str] = set()
        self._out: Counter[str | None] = Counter()
        self._unlimited = not limits
        self._in_flight = in_flight
        self._check = check
        self._tell_of = tell
        self._flying = 0
        self._proven = False
        self._paused_until = 0.0
        self._error: Exception | None = None
        self._line: deque[_Turn] = deque()
        self._news: asyncio.Future[None] | None = None
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

    async def permit(self, method: str) -> GrantedPermit:
        """Wait until one request may be sent.

        Raises AccountStopped when the account is stopped, StorageError when a quota
        cannot be read.
        """
        if self._error is not None:
            self._raise_error()
        if (
            self._unlimited
            and not self._line
            and self._open()
            and self._allowances.held_until(method, self.now()) is None
        ):
            return self._launched(method, _EVERYWHERE)
        turn = _Turn(method, self._loop.create_future())
        self._line.append(turn)
        self._tell()
        try:
            permit = await turn.woken
        except asyncio.CancelledError:
            if (
                turn.woken.done()
                and not turn.woken.cancelled()
                and (permit := turn.woken.result()) is not None
            ):
                permit.unsent()
            self._tell()
            raise
        if (
            self._error is not None and permit is not None
        ):  # stopped between the grant and now
            permit.unsent()
        self._raise_error()
        assert permit is not None
        return permit

    def check(self) -> None:
        """Raise AccountStopped unless requests may still be sent.

        Called right before the bytes go out.
        """
        self._raise_error()
        self._check()

    def pause(self, seconds: float) -> None:
        """Pause all requests, since the vendor answered "too fast".

        The longest pause wins.
        """
        self.throttled += 1
        self._tell_of(Event.THROTTLED, seconds=round(seconds, 3))
        self._paused_until = max(self._paused_until, self.now() + seconds)
        self._tell()

    def heed(self, method: str, headers: Mapping[str, str], status: int) -> None:
        """Slow down as the headers of an answer ask for, before the vendor refuses.

        They never let more through than the limits of the account. The wait that a
        refusal for the limit (429) asks for is kept by the retrier.
        """
        standing = read_limits(headers, self._max_wait)
        if standing is NOTHING:
            return
        for name in standing.ignored:
            if name not in self._senseless:
                self._senseless.add(name)
                self._tell_of(Event.HEADER_IGNORED, header=name)
        now, wait = self.now(), 0.0
        if standing.wait and status != 429:
            wait = standing.wait
            self._paused_until = max(self._paused_until, now + wait)
        if standing.left is not None:
            out = self._out[self._allowances.scope(method)]
            room = self.ledger.room(method, now)
            held = self._allowances.heed(method, standing.left, out, now, room=room)
            wait = max(wait, held)
        if wait:
            self._tell_of(Event.LIMIT_NEAR, method=method, seconds=round(wait, 3))
        self._tell()

    def prove(self) -> None:
        """Let more than one request out: the vendor accepts the credentials."""
        if not self._proven:
            self._proven = True
            self._tell()

    def stop(self, error: AccountStopped) -> None:
        """Let nothing through any more; every waiting worker gets the error.

        The first stop counts.
        """
        if self._error is None:
            self._tell_of(
                _stopped_by(error),
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

    async def calm(self) -> None:
        """Wait until no request that was given up can arrive any more.

        The wait ends, too, when the account is stopped.
        """
        if wait := self.unsettled():
            await self.rest(wait)

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the account is stopped."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)

    @property
    def stopped(self) -> AccountStopped | None:
        """Return why the account is stopped, or None."""
        return self._error if isinstance(self._error, AccountStopped) else None

    def now(self) -> float:
        return self._loop.time()

    def landed(self, method: str, sent: int) -> None:
        """Note that a permit came to its end."""
        self._flying -= 1
        self._out[self._allowances.scope(method)] -= 1
        self.requests += sent
        if self._line:
            self._tell()

    async def _serve(self) -> None:
        """Serve the workers in the order they came.

        Whatever goes wrong here reaches every one of them.
        """
        try:
            while True:
                while not self._line:
                    await self._change(None)
                await self._serve_first(self._line[0])
                self._line.popleft()
        except Exception as error:  # noqa: BLE001 - a pacer that died silently would leave all workers waiting
            self._fail(error)

    async def _serve_first(self, turn: _Turn) -> None:
        """Give the first one its permit.

        Returns without when its worker was cancelled meanwhile.
        """
        if not turn.woken.done():
            await self._pace.draw(turn.method)
        while not turn.woken.done():
            if not self._open() or not self._has_room(turn.method):
                await self._change(self._look_again(turn.method))
            elif self._quotas and (wait := await self._quotas.wait(turn.method)):
                await self._change(self.now() + wait)
            elif (
                not turn.woken.done() and self._open()
            ):  # a quota may have taken its time
                turn.woken.set_result(self._grant(turn.method))

    def _grant(self, method: str) -> GrantedPermit:
        """Grant a permit after everything was found open, with no await in between."""
        slot = self.ledger.take(method, self.now())
        assert slot is not None
        if self._quotas:
            self._quotas.draw(method)
        return self._launched(method, slot)

    def _launched(self, method: str, slot: Slot) -> GrantedPermit:
        self._allowances.take(method)
        self._flying += 1
        self._out[self._allowances.scope(method)] += 1
        return GrantedPermit(self, method, slot)

    def _has_room(self, method: str) -> bool:
        now = self.now()
        held = self._allowances.held_until(method, now) is not None
        return not held and self.ledger.room(method, now)

    def _open(self) -> bool:
        room = self._in_flight if self._proven else 1
        return self._flying < room and (
            not self._paused_until or self.now() >= self._paused_until
        )

    def _look_again(self, method: str) -> float | None:
        """Return when to try again without any event before; None: not before one."""
        if self.now() < self._paused_until:
            return self._paused_until
        if not self._open():
            return None
        held_until = self._allowances.held_until(method, self.now())
        return self.ledger.free_at(method) if held_until is None else held_until

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _change(self, until: float | None) -> None:
        """Wait for news, at most until then."""
        self._news = self._loop.create_future()
        timer = None if until is None else self._loop.call_at(until, self._tell)
        try:
            await self._news
        finally:
            if timer is not None:
                timer.cancel()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self.over.set()
        for turn in self._line:
            if not turn.woken.done():
                turn.woken.set_result(None)
        self._tell()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(None)


def _stopped_by(error: AccountStopped) -> Event:
    match error:
        case RunStopped():
            return Event.RUN_STOPPED
        case LeaseLost():
            return Event.LEASE_LOST
        case _:
            return Event.ACCOUNT_HALTED
