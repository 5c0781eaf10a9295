"""The report of ``check``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.counted import counted
from syncengine.cli.rendering.layout import print_line
from syncengine.model.reports import Check


def print_checks(checks: Sequence[Check]) -> None:
    """Print every check in one line, and what to do next."""
    for check in checks:
        print_line(f"{_mark(check):4} {check.area}: {check.message}")
    failed = sum(not check.ok for check in checks)
    if failed == 0:
        print_line("Ready: `syncengine plan` shows what a run would send.")
        return
    checks_failed = counted(failed, "check", "checks")
    print_line(
        f"{checks_failed} failed (BAD above): {_what_a_run_does(checks)}. "
        "Correct what is named, then run `syncengine check` again."
    )


def _what_a_run_does(checks: Sequence[Check]) -> str:
    """Return what a run would do all the same, where checks failed."""
    stopping = [check.stops_run for check in checks if not check.ok]
    if all(stopping):
        return "a run would send nothing there"
    goes_on = (
        "a run would go on, and the vendor would refuse contacts, or drop values, that "
        "do not fit"
    )
    if any(stopping):
        return f"where mapped fields do not fit, {goes_on}; elsewhere it would send nothing"
    return goes_on


def _mark(check: Check) -> str:
    if check.note:
        return "note"
    return "ok" if check.ok else "BAD"
