"""Switches of the twin of respond.io v2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncengine.sandbox.validation import STRICT

CustomFieldKind: TypeAlias = Literal[
    "text", "number", "checkbox", "email", "url", "date", "time"
]
"""The type of a custom field."""


@dataclass(frozen=True, slots=True)
class RespondIoV2Switches:
    """Settings for what the documentation leaves open."""

    __pydantic_config__ = STRICT

    tokens: tuple[str, ...] = ("sandbox-token",)
    """All of one workspace."""
    queue_delay: float = 0.0
    """Seconds that a new contact waits in the queue: reading it is 404 until then,
    writing to it 449. Observed: minutes."""
    upsert_empty_body: bool = False
    """True where the answer to an upsert holds no id. Both were observed."""
    upsert_match: Literal["identifier", "any"] = "identifier"
    """Keys that an upsert matches by: the one in its path alone, or each phone and
    e-mail that it carries."""
    first_name_in_updates: Literal["required", "optional"] = "required"
    """First name of an update; the documentation states both. A create needs one."""
    custom_fields: dict[str, CustomFieldKind] | None = None
    """The custom fields that are defined, with their types; None: any, of any type."""
    custom_shown: Literal["text", "typed"] = "text"
    """Form of custom fields in reads. Observed: a checkbox is shown as text."""
    null_mode: Literal["clear", "ignore"] = "clear"
    """Effect of null on a field."""
    empty_mode: Literal["400", "clear"] = "400"
    """Effect of the empty text on a plain field; a custom field that may be any keeps
    it."""
    shows_plus: bool = True
    """True where a phone is shown with its ``+``."""
    email_case: Literal["keep", "lower"] = "keep"
    """Form in which addresses are stored: as they were written, or in lower case."""
    filter_case: Literal["exact", "ignore"] = "exact"
    """Comparison of values in filters: by exact spelling, or whatever their case."""
    phone_filters: Literal["any", "e164"] = "any"
    """Values that a filter takes for the phone: any text, or digits behind a ``+`` or
    none; others are 400."""
    lifecycles: tuple[str, ...] | None = None
    """The stages that are defined; None: any."""
    known_tags: tuple[str, ...] | None = None
    """The tags that are defined; None: any."""
    unknown_tag: Literal["create", "400"] = "create"
    """Effect of a tag that somebody undefined."""
    blocked: Literal["taken", "403"] = "taken"
    """Answer to writes about a contact that is blocked."""
    tags_as: Literal["array", "object", "both"] = "array"
    """Form that the body of a tag call must have: a bare array, ``{"tags": [...]}``, or
    either. Observed: official clients disagree."""
    channels: int = 1
    """Number of channels of each contact that has a phone."""
    channels_per_page: int = 10
    """Number of channels on a page, whatever the client asks for."""
    merge_tags: Literal["both", "older"] = "both"
    """Tags of a merged contact: those of both contacts, or of the older one."""
    send_retry_after: bool = True
    """True where a 429 has the header ``Retry-After``."""
    send_limit_headers: bool = True
    """True where answers have the headers ``X-RateLimit-*``."""
