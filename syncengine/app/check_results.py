"""Results of ``check``: passed, failed, or a note."""

from __future__ import annotations

from syncengine.model.reports import Check


def passed(area: str, message: str) -> Check:
    """Return a check that passed."""
    return Check(area, True, message)


def failed(area: str, message: str) -> Check:
    """Return a check that failed: a run would send nothing."""
    return Check(area, False, message)


def unfitting(area: str, message: str) -> Check:
    """Return a check that failed although a run would go on, with what fits."""
    return Check(area, False, message, stops_run=False)


def noted(area: str, message: str) -> Check:
    """Return something worth knowing that fails nothing."""
    return Check(area, True, message, note=True)
