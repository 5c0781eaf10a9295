"""Progress of one destination's run, also for the report of a run that breaks off."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from syncengine.engine.pacing import Pacing
from syncengine.engine.tally import Tally
from syncengine.model.reports import RunReport, RunStatus
from syncengine.model.run_forecast import MadeByRun, RunForecast


class RunOutlook:
    """The forecast of one run, and a clock for what it is scored by."""

    def __init__(self, forecast: RunForecast) -> None:
        """Begin to measure: the run sends from now on."""
        self._forecast = forecast
        self._began = time.monotonic()
        self._ended: float | None = None

    @property
    def requests(self) -> int:
        """Return the number of requests that are expected."""
        return self._forecast.requests.usual

    def end(self) -> None:
        """Note that nothing more is sent."""
        self._ended = time.monotonic()

    def scored(
        self, calls: int, requests: int, round_trip: float | None
    ) -> RunForecast:
        """Return the forecast beside what the run did.

        ``round_trip`` is the number of seconds that it waited for an answer.
        """
        ended = self._ended or time.monotonic()
        seconds = ended - self._began
        return self._forecast.scored(
            MadeByRun(
                calls=calls, requests=requests, seconds=seconds, round_trip=round_trip
            )
        )


@dataclass(slots=True)
class RunProgress:
    """Counts of a run so far.

    It is kept by the caller of the run: when the database is lost, nothing but this
    shows which run it was, and what it sent.
    """

    destination: str
    pacing: Pacing
    tally: Tally
    began: float = field(default_factory=time.monotonic)
    run_id: int | None = None
    total: int | None = None
    """Number of the run's contacts, once they are known."""
    outlook: RunOutlook | None = None
    """Forecast of the run; None until it is known, or where it never is."""
    _requests_before: int = field(init=False)
    _throttled_before: int = field(init=False)

    def __post_init__(self) -> None:
        # The account's other destinations have sent something before.
        self._requests_before = self.pacing.requests
        self._throttled_before = self.pacing.throttled

    @property
    def requests(self) -> int:
        """Return the number of requests that the run has sent."""
        return self.pacing.requests - self._requests_before

    def break_off(self) -> None:
        """Count the contacts without an outcome as deferred."""
        if self.total is not None:
            open_contacts = self.total - self.tally.contacts.total()
            self.tally.defer(max(0, open_contacts))

    def report(self, status: RunStatus, error: str | None) -> RunReport:
        """Return the report of what was counted."""
        forecast: RunForecast | None = None
        if self.outlook is not None:
            forecast = self.outlook.scored(
                self.tally.calls, self.requests, self.pacing.ledger.mean_round_trip
            )
        return RunReport(
            destination=self.destination,
            run_id=self.run_id,
            status=status,
            contacts=self.tally.public_contacts(),
            actions=dict(sorted(self.tally.actions.items())),
            calls=self.tally.calls,
            requests=self.requests,
            probes=self.tally.probes,
            throttled=self.pacing.throttled - self._throttled_before,
            seconds=time.monotonic() - self.began,
            error=error,
            forecast=forecast,
        )
