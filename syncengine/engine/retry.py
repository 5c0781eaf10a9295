"""Retries of exchanges that failed without a judgement about the contact.

They wait with full jitter, never less than the vendor asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeVar

from syncengine.engine.exchange import Meter, drive
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
_FLOOR, _LONGEST_FLOOR = 0.1, 0.5
"""Seconds waited at least after a refusal for the rate limit: the first, doubled each
time up to the second. A vendor that asks for no wait at all, again and again, is not
asked again at once."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number and duration of the tries of a request."""

    attempts: int = 4
    max_wait: float = 120.0
    """Seconds; a vendor that asks for a longer wait ends the run."""
    base: float = 0.5
    most: float = 30.0
    throttles: int = 12
    """Number of refusals for the rate limit in a row, all waited out, before the
    account is halted: another program uses the limit up."""


class AccountControl(Protocol):
    """The part of the pacing that answers concern."""

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

    async def calm(self) -> None:
        """Wait until no request that was given up can arrive any more.

        The wait ends, too, when the account is stopped.
        """
        ...

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the account is stopped."""
        ...


class Retrier:
    """Runs exchanges of one account until they are answered."""

    def __init__(
        self,
        sender: Sender,
        pacing: AccountControl,
        policy: RetryPolicy,
        random: Random,
    ) -> None:
        self._sender = sender
        self._pacing = pacing
        self._policy = policy
        self._random = random
        self._refusals = 0
        """Number of refusals for the rate limit since the last answer to any contact;
        those of one moment count once."""
        self._waits_until = 0.0
        """The loop's time until which the last of them is waited out."""

    async def run(
        self, make: Callable[[], Exchange[T]], meter: Meter, *, repeatable: bool
    ) -> T:
        """Run an exchange with retries, and return its result.

        Raises VendorUnavailable when the attempts are used up, or at once when the
        vendor may have carried out something that must not be repeated; its
        ``maybe_applied`` covers all attempts. Raises AccountStopped, or
        VendorUnavailable in its place when an earlier attempt may have been carried
        out; so too CannotBeSent.
        """
        # A read-change-write was given up, and its write may still arrive: it would
        # undo whatever is written before that, so wait until it cannot arrive any more.
        if meter.overdue:
            meter.overdue = False
            await self._pacing.calm()
        failures = throttled = 0
        meter.maybe_applied = meter.lost = False
        while True:
            try:
                result = await drive(make, self._sender, meter)
            except AccountStopped as error:
                self._pacing.stop(error)
                _tell_doubt(error, meter)
                raise
            except (ContactSuppressed, CannotBeSent) as error:
                _tell_doubt(error, meter)
                raise
            except VendorThrottled as error:
                throttled += 1
                # The refused try did nothing, but one before it may have been carried
                # out.
                if not repeatable:
                    _tell_doubt(error, meter)
                self._wait_for_limit(error, throttled, meter)
            except VendorUnavailable as error:
                failures += 1
                meter.lost = meter.lost or error.maybe_applied
                meter.maybe_applied = meter.maybe_applied or meter.lost
                if failures >= self._policy.attempts or (
                    meter.maybe_applied and not repeatable
                ):
                    raise VendorUnavailable(
                        str(error),
                        maybe_applied=meter.maybe_applied,
                        status=error.status,
                    ) from None
                await self._pacing.rest(self._backoff(failures))
            else:
                self._refusals = 0
                self._pacing.prove()
                return result

    def scheduled(self) -> None:
        """Note that the vendor carries out something later.

        It is waited for as requests are that may arrive late.
        """
        self._pacing.scheduled()

    def _wait_for_limit(self, error: VendorThrottled, times: int, meter: Meter) -> None:
        now = asyncio.get_running_loop().time()
        # Requests that were out together are refused together: they count as one.
        if now >= self._waits_until:
            self._refusals += 1
        times = max(times, self._refusals)
        halted = self._too_long(error, times)
        if halted is not None:
            self._pacing.stop(halted)
            _tell_doubt(halted, meter)
            raise halted from None
        wait = self._asked(error, times)
        self._waits_until = max(self._waits_until, now + wait)
        self._pacing.pause(wait)

    def _asked(self, error: VendorThrottled, times: int) -> float:
        if error.retry_after is not None:
            least = min(
                _LONGEST_FLOOR, self._policy.max_wait, _FLOOR * 2.0 ** (times - 1)
            )
            return max(least, error.retry_after)
        return min(
            self._policy.most,
            self._policy.max_wait,
            self._policy.base * 2.0**times,
        )

    def _too_long(self, error: VendorThrottled, times: int) -> VendorHalted | None:
        wait = self._asked(error, times)
        if wait > self._policy.max_wait:
            return VendorHalted(
                f"{error}: the vendor asks to wait {_in_words(wait)}, longer than max_wait "
                f"({self._policy.max_wait:.0f} s); the next run goes on",
                setting="max_wait",
            )
        if times > self._policy.throttles:
            return VendorHalted(
                f"{error}: refused {times} times in a row although every wait was kept; does something else use this "
                "account's limit? Lower limits in the destination's file",
                setting="limits",
            )
        return None

    def _backoff(self, failures: int) -> float:
        return self._random.uniform(
            0, min(self._policy.most, self._policy.base * 2**failures)
        )


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _FOR_EVER else "for ever"


def _tell_doubt(error: Exception, meter: Meter) -> None:
    """Raise VendorUnavailable in the error's place where that hides a doubt.

    An attempt before may have been carried out then.
    """
    if meter.maybe_applied:
        raise VendorUnavailable(str(error), maybe_applied=True) from None
