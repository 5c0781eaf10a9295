"""Task of a run: one destination's settings. ``app`` makes it from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncengine.engine.retry import RetryPolicy
from syncengine.model.mapping import Mapping, OnRemoved
from syncengine.planning.attempt.rules import Rules
from syncengine.ports import Vendor


@dataclass(frozen=True, slots=True)
class Task:
    """One destination's settings as the engine needs them."""

    destination: str
    mapping: Mapping
    source_key: str
    """Column of the source that holds the contact ids."""
    on_removed: OnRemoved
    """Rule for the vendor contacts of contacts that left the source."""
    find_first: bool = True
    """True where a contact is looked up before it is created."""
    recreates: bool = False
    """True where contacts that were deleted at the vendor are created again."""
    gone_accepted: bool = False
    """True where somebody has accepted that contacts are gone: the account is not
    compared with what is known of it."""
    needs_consent: bool = True
    """True where nothing is sent about suppressed contacts. False only for an erasure.
    """
    in_flight: int = 8
    """Number of requests that may be on their way at once."""
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)

    def rules(self, vendor: Vendor) -> Rules:
        """Return the rules that the attempts of this destination's contacts go by."""
        return Rules(
            destination=self.destination,
            capabilities=vendor.capabilities,
            same=vendor.same,
            on_removed=self.on_removed,
            tag_prefix=self.mapping.tag_prefix,
            find_first=self.find_first,
            tries=self.retry_policy.attempts,
            max_wait=self.retry_policy.max_wait,
        )
