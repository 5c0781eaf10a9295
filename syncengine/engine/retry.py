"""Retries of exchanges that failed without a judgement about the contact.

An exchange that fails is run again from its first request, as long as that can do no
harm: one that is not ``repeatable``, such as a create, only if no earlier try may have
been carried out. Waits between tries are drawn with full jitter, and are never shorter
than the vendor asks for. A refusal for the rate limit (429) is no failure: it pauses
the whole account (``Pacing``), and the exchange goes on afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Generic, Protocol, TypeVar

from syncengine.engine.exchange import Meter, UnknownEffects, drive
from syncengine.errors import (
    AccountStopped,
    CannotBeSent,
    ContactSuppressed,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.http import Exchange
from syncengine.ports import Sender

T = TypeVar("T")

_FOR_EVER = 10 * 365 * 86400.0
"""Seconds; a longer wait is a vendor's way of saying never."""
_FIRST_FLOOR = 0.1
"""Seconds waited at least after the first refusal for the rate limit, doubled with each
further one. A vendor that asks for no wait at all, again and again, is not asked again
at once."""
_LONGEST_FLOOR = 0.5
"""Seconds up to which that minimum doubles."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number and duration of the tries of a request."""

    attempts: int = 4
    """Number of tries that may fail, the first one included."""
    max_wait: float = 120.0
    """Seconds; a vendor that asks for a longer wait ends the run."""
    base: float = 0.5
    """Seconds; the wait before the second try is drawn from twice this."""
    most: float = 30.0
    """Seconds; the longest wait that the vendor did not ask for."""
    throttles: int = 12
    """Number of refusals for the rate limit in a row, all waited out, before the
    account is halted: another program uses the limit up."""


class AccountControl(Protocol):
    """The part of the pacing that is controlled by what requests are answered with."""

    @property
    def stopped(self) -> AccountStopped | None:
        """The error that stopped the account; None while it goes on."""
        ...

    def prove(self) -> None:
        """Note that the vendor accepts the credentials."""
        ...

    def stop(self, error: AccountStopped) -> None:
        """Send nothing any more."""
        ...

    def pause(self, seconds: float) -> None:
        """Send nothing for the account for so long."""
        ...

    def scheduled(self) -> None:
        """Note that the vendor carries something out later."""
        ...

    async def wait_until_settled(self) -> None:
        """Wait until no request that was given up can arrive any more.

        The wait ends, too, when the account is stopped.
        """
        ...

    async def back_off(self, seconds: float) -> None:
        """Wait before a failed request is tried again, or until the account is stopped."""
        ...


@dataclass(frozen=True, slots=True)
class AnsweredExchange(Generic[T]):
    """Result of an exchange, and a note on the tries before it."""

    value: T
    after_lost_try: bool
    """True where an earlier try was given up, and may have been carried out."""
    number: int
    """Place of the answer among all answers of the run, counted from 1. Contacts that
    shared a request have the same one."""


class Retrier:
    """Runs exchanges of one account until they are answered."""

    def __init__(
        self,
        sender: Sender,
        control: AccountControl,
        policy: RetryPolicy,
        random: Random,
    ) -> None:
        self._sender = sender
        self._control = control
        self._policy = policy
        self._random = random
        self._answers = itertools.count(1)
        self._refusals = 0
        """Number of refusals for the rate limit since the last answer to any contact;
        those of one moment count once."""
        self._waits_until = 0.0
        """The loop's time until which the last of them is waited out."""

    async def run(
        self, make: Callable[[], Exchange[T]], meter: Meter, *, repeatable: bool
    ) -> T:
        """Run an exchange with retries, and return its result.

        Raises as ``run_to_answer`` does.
        """
        answered = await self.run_to_answer(make, meter, repeatable=repeatable)
        return answered.value

    async def run_to_answer(
        self, make: Callable[[], Exchange[T]], meter: Meter, *, repeatable: bool
    ) -> AnsweredExchange[T]:
        """Run an exchange with retries; the result tells of lost tries before it.

        ``make`` returns a new exchange for each try. It is ``repeatable`` if doing it
        twice is the same as doing it once.

        Raises VendorUnavailable when the tries are used up, or at once when the vendor
        may have carried out something that must not be repeated; its ``maybe_applied``
        covers all tries. Raises AccountStopped, ContactSuppressed and CannotBeSent, or
        VendorUnavailable in their place when an earlier try may have been carried out.
        """
        # A read-change-write was given up, and its write may still arrive: it would
        # undo whatever is written before that, so wait until it cannot arrive any more.
        if meter.take_late_write():
            await self._control.wait_until_settled()
        effects = UnknownEffects()
        failures = throttled = 0
        while True:
            try:
                value = await drive(make, self._sender, meter, effects)
            except (AccountStopped, ContactSuppressed, CannotBeSent) as error:
                if isinstance(error, AccountStopped):
                    self._control.stop(error)
                _raise_if_unknown(error, effects)
                raise
            except VendorThrottled as error:
                throttled += 1
                # The refused try did nothing, but one before it may have been carried
                # out: then the exchange must not be sent once more.
                if not repeatable:
                    _raise_if_unknown(error, effects)
                self._pause_for_limit(error, throttled, effects)
            except VendorUnavailable as error:
                failures += 1
                effects.note_failure(error)
                if not self._may_try_again(failures, effects, repeatable=repeatable):
                    raise _covering_all_tries(error, effects) from None
                await self._control.back_off(self._backoff(failures))
            else:
                self._refusals = 0
                self._control.prove()
                return AnsweredExchange(value, effects.lost_try, next(self._answers))

    @property
    def stopped(self) -> AccountStopped | None:
        """The error that stopped the account; None while it goes on."""
        return self._control.stopped

    def scheduled(self) -> None:
        """Note that the vendor carries out something later.

        It is waited for as requests are that may arrive late.
        """
        self._control.scheduled()

    def _may_try_again(
        self, failures: int, effects: UnknownEffects, *, repeatable: bool
    ) -> bool:
        if effects.maybe_applied and not repeatable:
            return False
        return failures < self._policy.attempts

    def _pause_for_limit(
        self, error: VendorThrottled, refusals: int, effects: UnknownEffects
    ) -> None:
        """Pause the account after a refusal for the rate limit.

        ``refusals`` is the number of those that this exchange has met. Raises
        VendorHalted where no wait helps.
        """
        now = asyncio.get_running_loop().time()
        # Requests that were out together are refused together: they count as one.
        if now >= self._waits_until:
            self._refusals += 1
        refusals = max(refusals, self._refusals)
        halted = self._reason_to_halt(error, refusals)
        if halted is not None:
            self._control.stop(halted)
            _raise_if_unknown(halted, effects)
            raise halted from None
        wait = self._wait_after(error, refusals)
        self._waits_until = max(self._waits_until, now + wait)
        self._control.pause(wait)

    def _wait_after(self, error: VendorThrottled, refusals: int) -> float:
        """Return the seconds to wait after so many refusals for the rate limit."""
        policy = self._policy
        if error.retry_after is None:
            return min(policy.most, policy.max_wait, policy.base * 2.0**refusals)
        floor = _FIRST_FLOOR * 2.0 ** (refusals - 1)
        return max(error.retry_after, min(floor, _LONGEST_FLOOR, policy.max_wait))

    def _reason_to_halt(
        self, error: VendorThrottled, refusals: int
    ) -> VendorHalted | None:
        """Return why the account has to be halted; None: it waits and goes on."""
        wait = self._wait_after(error, refusals)
        if wait > self._policy.max_wait:
            return VendorHalted(
                f"{error}: the vendor asks to wait {_in_words(wait)}, longer than "
                f"max_wait ({self._policy.max_wait:.0f} s); the next run goes on",
                setting="max_wait",
            )
        if refusals > self._policy.throttles:
            return VendorHalted(
                f"{error}, {refusals} times in a row although every wait was kept; "
                "does something else use this account's limit? "
                "Lower limits in the destination's file",
                setting="limits",
            )
        return None

    def _backoff(self, failures: int) -> float:
        """Return the wait before the next try: anything up to a bound that doubles.

        "Full jitter": contacts that failed together do not come back together.
        """
        longest = min(self._policy.most, self._policy.base * 2**failures)
        return self._random.uniform(0, longest)


def _in_words(seconds: float) -> str:
    if seconds >= _FOR_EVER:
        return "for ever"
    return f"{seconds:.0f} s"


def _raise_if_unknown(error: Exception, effects: UnknownEffects) -> None:
    """Raise VendorUnavailable in the error's place if an earlier try may have acted.

    The error by itself says that nothing was sent, which is true of the last try only.
    """
    if effects.maybe_applied:
        raise VendorUnavailable(str(error), maybe_applied=True) from None


def _covering_all_tries(
    error: VendorUnavailable, effects: UnknownEffects
) -> VendorUnavailable:
    """Return the error of the last try, with what all tries may have done."""
    return VendorUnavailable(
        str(error), maybe_applied=effects.maybe_applied, status=error.status
    )
