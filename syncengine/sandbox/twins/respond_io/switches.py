"""Switches of the twin of respond.io v1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from syncengine.sandbox.validation import STRICT


@dataclass(frozen=True, slots=True)
class RespondIoSwitches:
    """Settings for what the documentation leaves open."""

    __pydantic_config__ = STRICT

    tokens: tuple[str, ...] = ("sandbox-token",)
    """Each is a channel with contacts of its own."""
    viber_tokens: tuple[str, ...] = ()
    """Tokens of Viber channels, besides ``tokens``."""
    viber_alphabet: Literal["standard", "url"] = "standard"
    """Alphabet of the Base64 that paths have for the ids of a Viber channel."""
    viber_calls: Literal["all", "documented"] = "all"
    """Calls that take the id as Base64: all, or update and the removal of tags."""
    dup: Literal["allow", "403"] = "allow"
    """A create with the phone or e-mail of a contact that is there."""
    store_plus: bool = True
    """True where a phone keeps its ``+``."""
    custom_fields: tuple[str, ...] | None = None
    """The custom fields that are defined; None: any."""
    null_mode: Literal["ignore", "clear"] = "ignore"
    """Effect of null on a field."""
    put_mode: Literal["partial", "replace"] = "partial"
    """Effect of an update on the fields that it leaves out: they stay, or become
    empty."""
    look_up: Literal["exact", "ignore_case"] = "exact"
    """Comparison of values in look-ups."""
    no_hit: Literal["empty", "403"] = "empty"
    """Answer to a look-up that finds no contact."""
    known_tags: tuple[str, ...] | None = None
    """The tags that are defined; None: any."""
    idle_tag: Literal["ok", "403"] = "ok"
    """Adding a tag that is there, or removing one that is not."""
    unknown_tag: Literal["create", "403"] = "create"
    """Effect of a tag that somebody undefined."""
    blocked: Literal["taken", "403"] = "taken"
    """Answer to writes about a contact that is blocked."""
    merged_into: Literal["older", "chosen"] = "older"
    """The contact that remains of two that are merged."""
    hides: tuple[str, ...] = ("language", "profilePic")
    """Fields that can be written and are not shown. The default is what the documented
    example of a read lacks."""
    update_told: Literal["own", "other"] = "own"
    """Id in the answer to an update: the contact's own, or another contact's, as in the
    vendor's own example."""
    require_accept: bool = False
    """True where a request that does not accept JSON is redirected to an HTML page."""
    send_retry_after: bool = True
    """True where a 429 has the header ``Retry-After``."""
    send_limit_headers: bool = True
    """True where answers have the headers ``X-RateLimit-*``."""

    def all_tokens(self) -> tuple[str, ...]:
        """Return the tokens of all channels; the first one is the main channel's."""
        return (*self.tokens, *self.viber_tokens)
