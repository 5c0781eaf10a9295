"""What a run was asked for on the command line."""

from __future__ import annotations

from dataclasses import dataclass

from syncengine.model.work import RunKind


@dataclass(frozen=True, slots=True)
class Request:
    """A run's options."""

    backfill: bool = False
    limit: int | None = None
    """At most so many contacts."""
    contacts: tuple[str, ...] = ()
    """Only these; empty: all."""
    accept: frozenset[str] = frozenset()
    """Brakes and remembered settings that may pass this once."""
    retry_of: int | None = None
    batch: int | None = None

    @property
    def kind(self) -> RunKind:
        if self.retry_of is not None:
            return RunKind.RETRY
        return RunKind.BACKFILL if self.backfill else RunKind.SYNC
