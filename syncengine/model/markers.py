"""Marks outside the database by which a restored or lost state is recognised.

A ``Marker`` is kept in a file beside the configuration, a ``StateIdentity`` is read
from the database; ``planning.markers`` compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RunMark:
    """A run, as it can be recognised after a restore."""

    run_id: int
    started_at: str
    ended_at: str | None = None
    """None while it is under way, or where its end was not noted."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A state as it was when it was last used from this folder."""

    state_id: str
    restores: int = 0
    """Number of restores that had been accepted."""
    consents: int = 0
    """Number of changes of the suppressions that had been made."""
    runs: Mapping[str, RunMark] = field(default_factory=dict)
    """The newest run of each destination that was run from here."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Vendor, address and account of these destinations."""


@dataclass(frozen=True, slots=True)
class StateIdentity:
    """A state as it is now."""

    state_id: str
    restores: int
    """Number of restores that were accepted."""
    consents: int
    """Number of changes of the suppressions."""
    newest_run: int
    runs: Mapping[int, RunMark] = field(default_factory=dict)
    """Of the runs that were asked for, those that it has, by their number."""
