"""A batch as the ``Preparer`` hands it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncengine.model.plan_file import Moved
from syncengine.model.work import Record
from syncengine.planning.attempt.job import Job


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be worked on."""

    jobs: tuple[Job, ...] = ()
    records: tuple[Record, ...] = ()
    """Contacts that need no request."""
    moved: Mapping[str, Moved] = field(default_factory=dict)
    """Contacts of a plan file that are not as it says; of other runs empty."""
