"""Exit codes of the command, in the only place that knows them.

0 in step; 1 something fell short; 2 nothing was sent; 3 another run holds the lease;
129/130/143 stopped by a signal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from syncengine.errors import LeaseHeld, RunRefused
from syncengine.model.copies import AdoptReport, MergeReport, ShowReport, VerifyReport
from syncengine.model.erasure import Receipt
from syncengine.model.plans import PlanReport
from syncengine.model.reports import (
    PruneReport,
    RenameReport,
    RunReport,
    RunStatus,
)
from syncengine.model.watching import WatchReport, WatchState

IN_STEP = 0
FELL_SHORT = 1
NOTHING_SENT = 2
LEASE_HELD = 3

Reported: TypeAlias = (
    AdoptReport
    | MergeReport
    | PlanReport
    | PruneReport
    | Receipt
    | RenameReport
    | RunReport
    | ShowReport
    | VerifyReport
)
"""Reports that have an exit code."""

_WORST_FIRST = (NOTHING_SENT, LEASE_HELD, FELL_SHORT, IN_STEP)
"""Exit codes of several destinations, in this order: a person has to act, another run
is acting, the next run acts."""


def exit_code_of_error(error: Exception) -> int:
    """Return the exit code of an error that ends the command."""
    if isinstance(error, RunRefused):
        return NOTHING_SENT
    if isinstance(error, LeaseHeld):
        return LEASE_HELD
    return FELL_SHORT


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several destinations."""
    given = set(codes)
    for code in _WORST_FIRST:
        if code in given:
            return code
    return IN_STEP


def exit_code(report: Reported) -> int:
    """Return the exit code of one destination's report."""
    if isinstance(report, PruneReport | RenameReport):
        return IN_STEP
    if isinstance(report, PlanReport):
        return NOTHING_SENT if report.error or report.brake else IN_STEP
    if isinstance(report, Receipt):
        return IN_STEP if report.is_closed else FELL_SHORT
    return _code_of(_status_of(report))


def code_of_watched(report: WatchReport) -> int:
    """Return the exit code of the run that was watched; 0 where there was none."""
    if report.state is WatchState.DIED:
        return FELL_SHORT
    return IN_STEP if report.status is None else _code_of(report.status)


def _code_of(status: RunStatus) -> int:
    # A status of a newer release is no success that is known here.
    return _CODES.get(status, FELL_SHORT)


_CODES = {
    RunStatus.DONE: IN_STEP,
    RunStatus.INCOMPLETE: FELL_SHORT,
    RunStatus.HALTED: FELL_SHORT,
    RunStatus.STOPPED: FELL_SHORT,
    RunStatus.REJECTED: FELL_SHORT,
    RunStatus.RUNNING: FELL_SHORT,
    RunStatus.DIED: FELL_SHORT,
    RunStatus.REFUSED: NOTHING_SENT,
    RunStatus.HELD: LEASE_HELD,
    # That a vendor shows nothing is no failure: no other call would show more.
    RunStatus.UNREADABLE: IN_STEP,
}


def _status_of(
    report: AdoptReport | MergeReport | RunReport | ShowReport | VerifyReport,
) -> RunStatus:
    """Return the status; incomplete where a person has to look at what was found."""
    if isinstance(report, ShowReport):
        return report.look_up
    if report.status is not RunStatus.DONE:
        return report.status
    needs_a_look = False
    if isinstance(report, AdoptReport):
        # The contacts that it names could not be linked.
        needs_a_look = bool(report.contacts)
    if isinstance(report, VerifyReport):
        # An error tells of contacts that were named and are not known there.
        needs_a_look = report.error is not None or not report.is_settled
    return RunStatus.INCOMPLETE if needs_a_look else RunStatus.DONE
