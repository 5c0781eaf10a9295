"""From a destination's settings to requests at its account's pace."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from syncengine.app.accounts import LeasedAccount
from syncengine.app.event_log import event_log
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.engine.retry import Retrier, RetryPolicy
from syncengine.engine.task import Task
from syncengine.errors import SyncEngineError
from syncengine.model.distrust import Distrust
from syncengine.model.events import Event, OnEvent
from syncengine.model.http import Request, Response
from syncengine.model.mapping import OnGone
from syncengine.planning.brakes import GONE
from syncengine.planning.distrust import distrust_of
from syncengine.ports import SendCheck, Sender
from syncengine.transport.client import Transport


def task_of(destination: DestinationConfig, request: RunRequest | None = None) -> Task:
    """Return the destination's settings as the engine needs them.

    Without a run's request it is the task of an ordinary run.
    """
    request = request or RunRequest()
    options = destination.options
    assert destination.source.key is not None
    return Task(
        destination=destination.name,
        mapping=destination.mapping,
        source_key=destination.source.key,
        on_removed=options.on_removed,
        find_first=options.find_first,
        recreates=_recreates(options.on_gone, request),
        gone_accepted=GONE in request.accept,
        in_flight=options.in_flight,
        retry_policy=RetryPolicy(attempts=options.attempts, max_wait=options.max_wait),
    )


def _recreates(on_gone: OnGone, request: RunRequest) -> bool:
    """Return whether a run creates contacts again that were deleted at the vendor.

    An undo creates nobody.
    """
    if request.undo is not None:
        return False
    return on_gone is OnGone.RECREATE or request.names_contacts


def distrust_by(destination: DestinationConfig) -> Distrust:
    """Return what a re-sync of the destination does not believe."""
    fields = [field.field for field in destination.mapping.fields]
    return distrust_of(fields, destination.vendor.capabilities)


@asynccontextmanager
async def vendor_access(
    destination: DestinationConfig, account: LeasedAccount
) -> AsyncIterator[Retrier]:
    """Connect to the destination's vendor while the block runs.

    Every request is paced and retried.
    """
    options = destination.options
    async with Transport(
        destination.base_url,
        account.pacing,
        timeout=options.timeout,
        connections=options.in_flight,
        stop=account.stopping.requested,
        proxy=options.proxy,
    ) as transport:
        reporting = _ReportingSender(transport, event_log(destination=destination.name))
        sender = _AccountSender(reporting, account)
        policy = task_of(destination).retry_policy
        yield Retrier(sender, account.pacing, policy, Random())  # noqa: S311 - jitter


class _ReportingSender:
    """Sender that reports how each request went (``ports.Sender``)."""

    def __init__(self, sender: Sender, emit: OnEvent) -> None:
        self._sender = sender
        self._emit = emit

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        began = time.monotonic()
        try:
            response = await self._sender.send(request, allowed)
        except SyncEngineError as error:
            self._emit(
                Event.REQUEST_FAILED,
                route=request.route,
                error=str(error),
                seconds=_since(began),
            )
            raise
        self._emit(
            Event.REQUEST_ANSWERED,
            route=request.route,
            status=response.status,
            seconds=_since(began),
        )
        return response


class _AccountSender:
    """Sender that keeps the account's books (``ports.Sender``).

    It counts the requests that may write, and lets the pacing know what each answer
    says about the limits.
    """

    def __init__(self, sender: Sender, account: LeasedAccount) -> None:
        self._sender = sender
        self._pacing = account.pacing
        self._writes = account.writes

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        # Counted before it is sent: whether it arrived may never be known.
        self._writes.sent += request.writes
        response = await self._sender.send(request, allowed)
        self._pacing.heed(request.method, response.headers, response.status)
        return response


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
