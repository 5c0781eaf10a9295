"""Rules of all attempts at one destination. They do not change during a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncengine.model.capabilities import Capabilities
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved


@dataclass(frozen=True, slots=True)
class Rules:
    """What an attempt goes by, besides its job."""

    destination: str
    capabilities: Capabilities
    same: Callable[[str, Json, Json], bool]
    """The vendor's own notion of equal values (``Vendor.same``)."""
    on_removed: OnRemoved
    """Rule for the vendor contacts of contacts that left the source."""
    tag_prefix: str = ""
    """What all our tags begin with."""
    find_first: bool = True
    """True where a contact is looked up before it is created."""
    tries: int = 4
    """Number of times that what is unknown is settled, at most."""
    max_wait: float = 120.0
    """Seconds; nothing is waited for longer within an attempt."""

    @property
    def ready_in(self) -> float:
        """Return the seconds after which a write that came too soon is sent again."""
        return min(self.capabilities.settles_within, self.max_wait)
