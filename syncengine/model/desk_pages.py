"""Facts from the state that pages of ``serve`` and the metrics show beside runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.model.desk import Failure
from syncengine.model.http import Json
from syncengine.model.run_record import RunFacts
from syncengine.model.work import Standing


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    """A destination, with the run that started last."""

    destination: str
    account: str
    vendor: str
    last_run: RunFacts | None = None
    """None where none has taken place, or all were pruned."""
    succeeded_at: datetime | None = None
    """When a run was last done; None where none of the last ones was."""
    standing: Mapping[Standing, int] | None = None
    """Standing contacts at the end of the last run that counted them."""
    counted_in: int | None = None
    """That run."""
    holder: str | None = None
    """The process that works on its account right now; None: nobody does."""


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """The state of one alert."""

    destination: str
    concern: str
    state: str
    """``ok``, or the kind of alert."""
    since: datetime


@dataclass(frozen=True, slots=True)
class FailurePage:
    """Some contacts that fell short, in the order of code and contact."""

    failures: tuple[Failure, ...] = ()
    after: tuple[str, str] | None = None
    """Code and contact behind which the next page begins; None: there is none."""


@dataclass(frozen=True, slots=True)
class ContactAtDestination:
    """State of one contact at one destination."""

    destination: str
    status: str
    external_id: str | None
    code: str
    standing: Standing | None
    rejections: int
    since_run_id: int | None
    synced_at: datetime | None
    is_unsettled: bool = False
    """True where something was sent, and its outcome is unknown."""
    held_back: tuple[str, ...] = ()
    """Fields and tags that an undo took back, and that no run sends again before its
    row or the mapping changes; names alone."""
    undone_run: int | None = None
    """Run that the undo took back; None where nothing is held back."""
    fields: Mapping[str, Json] = field(default_factory=dict, repr=False)
    """Fields that the vendor is known to hold; empty unless values were asked for."""
    tags: tuple[str, ...] = ()
