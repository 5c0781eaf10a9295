"""The gate of an account: every request waits here for its turn.

Two things stand in a row. The pace, an ``aiolimiter`` bucket with a small burst, spreads requests evenly; the ledger
makes the limit certain. One pacer task draws for all workers in the order they came: ``aiolimiter`` itself lets a
woken waiter lose its turn to a newcomer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from aiolimiter import AsyncLimiter

from syncengine.engine.ledger import Ledger, Slot
from syncengine.errors import AccountStopped
from syncengine.model.limits import Limit

LONGEST_PACED = 600.0
"""Seconds. Longer windows are quotas: to spread them evenly would slow down every short run."""
_EVEN = 20.0
"""Requests a second up to which single draws waste nothing; above, every late timer would (measured)."""


class Permit:
    """The right to send one request (``ports.Permit``)."""

    __slots__ = ("_gate", "_slot")

    def __init__(self, gate: Pacing, slot: Slot) -> None:
        self._gate = gate
        self._slot: Slot | None = slot

    def answered(self) -> None:
        if self._slot is not None:
            self._gate.give_back(self._slot, answered=True)
            self._slot = None

    def abandoned(self) -> None:
        if self._slot is not None:
            self._gate.give_back(self._slot, answered=False)
            self._slot = None


class Pacing:
    """The gate of one account (``ports.Gate``); an async context manager."""

    def __init__(
        self,
        limits: Sequence[Limit],
        *,
        in_flight: int,
        settles_within: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.ledger = Ledger(limits, settles_within)
        self.requests = 0
        self.throttled = 0
        self._pace = _bucket(limits)
        self._in_flight = in_flight
        self._check = check
        self._flying = 0
        self._proven = False
        self._paused_until = 0.0
        self._stopped: AccountStopped | None = None
        self._waiting: deque[tuple[str, asyncio.Future[Permit]]] = deque()
        self._changed = asyncio.Event()
        self._pacer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pacer = asyncio.create_task(self._serve(), name="pacer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._pacer is not None
        self._pacer.cancel()
        await asyncio.gather(self._pacer, return_exceptions=True)

    async def permit(self, method: str) -> Permit:
        """Wait for the turn of one request. Raises AccountStopped when the account is stopped."""
        if self._stopped is not None:
            raise self._stopped
        if self._pace is None and not self._waiting and (slot := self._try(method)):
            return self._grant(slot)
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((method, turn))
        self._changed.set()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._unsent(turn.result())
            raise

    def check(self) -> None:
        """Raise LeaseLost unless requests may still be sent; called right before the bytes go out."""
        self._check()

    def pause(self, seconds: float) -> None:
        """The vendor said "too fast": send nothing for so long. The longest pause wins."""
        self.throttled += 1
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)
        self._changed.set()

    def prove(self) -> None:
        """The vendor accepts the credentials: from now on more than one request may be out."""
        if not self._proven:
            self._proven = True
            self._changed.set()

    def stop(self, error: AccountStopped) -> None:
        """Let nothing through any more; everybody who waits gets the error."""
        self._stopped = self._stopped or error
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(self._stopped)
        self._waiting.clear()
        self._changed.set()

    @property
    def stopped(self) -> AccountStopped | None:
        """Why the account is stopped, if it is."""
        return self._stopped

    def give_back(self, slot: Slot, *, answered: bool) -> None:
        """A request is over."""
        now = asyncio.get_running_loop().time()
        if answered:
            self.ledger.answered(slot, now)
        else:
            self.ledger.abandoned(slot, now)
        self._flying -= 1
        self._changed.set()

    def _unsent(self, permit: Permit) -> None:
        if permit._slot is not None:  # noqa: SLF001 - the permit is a part of the gate
            self.ledger.unsent(permit._slot)  # noqa: SLF001
            permit._slot = None  # noqa: SLF001
            self._flying -= 1
            self.requests -= 1
            self._changed.set()

    def _try(self, method: str) -> Slot | None:
        now = asyncio.get_running_loop().time()
        if self._flying >= self._room or now < self._paused_until:
            return None
        return self.ledger.take(method, now)

    @property
    def _room(self) -> int:
        """Until the credentials are proven a single request is out, so that a wrong key costs just one."""
        return self._in_flight if self._proven else 1

    def _grant(self, slot: Slot) -> Permit:
        self._flying += 1
        self.requests += 1
        return Permit(self, slot)

    async def _serve(self) -> None:
        """Serve the workers in the order they came."""
        while True:
            while not self._waiting:
                await self._change(None)
            if self._pace is not None:
                await self._pace.acquire()
            while self._waiting:
                method, turn = self._waiting[0]
                if turn.done():  # its worker was cancelled
                    self._waiting.popleft()
                elif slot := self._try(method):
                    self._waiting.popleft()
                    turn.set_result(self._grant(slot))
                    break
                else:
                    await self._change(self._wait(method))

    def _wait(self, method: str) -> float | None:
        """Seconds until another try may succeed without anything happening before; None: something has to happen."""
        now = asyncio.get_running_loop().time()
        if now < self._paused_until:
            return self._paused_until - now
        if self._flying >= self._room:
            return None
        free = self.ledger.free_at(method, now)
        return None if free is None else max(0.0, free - now)  # 0: a slot came free since the try

    async def _change(self, seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass


def _bucket(limits: Sequence[Limit]) -> AsyncLimiter | None:
    """The pace of the tightest limit."""
    rates = [limit.calls / limit.per for limit in limits if limit.per <= LONGEST_PACED]
    if not rates:
        return None
    rate = min(rates)
    burst = 1 if rate <= _EVEN else 4
    return AsyncLimiter(burst, burst / rate)
