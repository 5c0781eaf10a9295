"""Switches of the twin of charles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from syncengine.sandbox.validation import STRICT


@dataclass(frozen=True, slots=True)
class CharlesSwitches:
    """Settings for what the documentation leaves open.

    The defaults are what the documented examples make likely, or else the assumption
    that is harder on an adapter.
    """

    __pydantic_config__ = STRICT

    key: str = "sandbox-key"
    """The API key."""
    tags_mode: Literal["add", "replace"] = "add"
    """Effect of tags on those that are there. Adding is inferred: in the documented
    answer a person has seven tags after a request with one."""
    custom_properties: tuple[str, ...] | None = None
    """The properties that are defined; None: any."""
    unknown_property: Literal["drop", "reject"] = "drop"
    """Dropping is inferred: the documented answer shows no properties although the
    request had one."""
    known_tags: tuple[str, ...] | None = None
    """The tags that are defined; None: any."""
    unknown_tag: Literal["create", "drop", "reject"] = "create"
    """Undocumented: the batch API, which we do not play, wants tags to exist."""
    null_mode: Literal["ignore", "clear"] = "ignore"
    """Effect of null on a name or a property."""
    match_by_phone: bool = False
    """True where a new key with a known phone joins the person that has it."""
    erasure_delay: float = 0.5
    """Seconds until the erasure job has run. No call asks whether it has."""
    unknown_person: Literal[200, 404] = 404
    """Status of the answer to the erasure of a person that does not exist."""
    erasure_answer: Literal["object", "list"] = "object"
    """Form of ``data`` in the answer to an erasure: an object as documented, or a list
    of one, as the vendor's browser SDK reads it."""
    lists_mode: Literal["merge", "replace"] = "merge"
    """Effect of phones and e-mails on those that are there."""
    properties_mode: Literal["merge", "replace"] = "merge"
    """Effect of properties on those that are there."""
    echo_properties: bool = True
    """True where the answer to an upsert shows the properties. The documented answer
    shows none, which may mean that they are never shown, or that they were dropped."""
    inactive: tuple[str, ...] = ()
    """External references of the people that are shown as inactive."""
    archived: Literal["taken", "422"] = "taken"
    """Answer to writes about a person that is archived."""
    merged_id: Literal["kept", "new"] = "kept"
    """Id of the person that remains of two that are merged."""
    invalid_status: Literal[200, 400, 422] = 422
    """The answer to a body that breaks the rules; 200 has ``errors`` all the same."""
    bad_key_status: Literal[401, 403] = 401
    """Status of the answer to a wrong key."""
    send_retry_after: bool = True
    """True where a 429 has the header ``Retry-After``."""
    send_limit_headers: bool = False
    """True where answers have the headers ``X-RateLimit-*``."""
