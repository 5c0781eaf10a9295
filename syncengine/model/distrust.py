"""Mapped fields of a destination, as a re-sync sees them."""

from __future__ import annotations

from dataclasses import dataclass

from syncengine.model.capabilities import OptOut


@dataclass(frozen=True, slots=True)
class Distrust:
    """The mapped fields, by what may have become of their values."""

    fixed: tuple[str, ...] = ()
    """Fields that no later write can change: what was known of them is still true."""
    kept: tuple[str, ...] = ()
    """Fields that keep every value they were sent: none is lost, and there may be
    others."""
    emptied: tuple[str, ...] = ()
    """Fields that can be cleared: they may have a value that is not known."""
    opt_outs: tuple[OptOut, ...] = ()
    """An opt-out that was known stays known, and is never lowered."""
