"""The parts of a configuration that decide about whom something may be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """Rules about consent in a destination's files."""

    table: str | None = None
    query: str | None = None
    """The source: a query or a view may select those who agreed."""
    where: str | None = None
    opted_out: str | None = None
    """The column in which a contact opts out."""
    opt_outs: Mapping[str, Json] = field(default_factory=dict)
    """Vendor fields in which a contact may have opted out at the vendor, and that are
    never taken back, with the value that says no."""
