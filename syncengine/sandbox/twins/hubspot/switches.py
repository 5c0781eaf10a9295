"""Switches of the twin of HubSpot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from syncengine.sandbox.validation import STRICT

PropertyKind: TypeAlias = Literal[
    "text", "unique", "phone", "number", "bool", "date", "datetime", "select", "boxes"
]
"""What a property holds. ``unique`` is a text that only one contact may have,
``select`` is one of several options, ``boxes`` is any number of them."""
BatchWrite: TypeAlias = Literal["create", "update", "upsert"]
ALL_SCOPES = (
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.lists.read",
    "crm.lists.write",
    "crm.schemas.contacts.read",
    "crm.schemas.contacts.write",
)


def _custom_properties() -> dict[str, PropertyKind]:
    return {
        "crm_id": "unique",
        "tags": "boxes",
        "plan": "text",
        "visits": "number",
        "score": "number",
        "vip": "bool",
        "since": "date",
        "last_seen": "datetime",
        "segment": "select",
    }


@dataclass(frozen=True, slots=True)
class HubSpotSwitches:
    """Settings of the account, and for what the documentation leaves open."""

    __pydantic_config__ = STRICT

    tokens: tuple[str, ...] = ("sandbox-token",)
    """All of one account."""
    scopes: tuple[str, ...] = ALL_SCOPES
    """What the tokens may do."""
    seed: int = 1
    """Start of the generator that shuffles results."""
    results_order: Literal["shuffled", "asked"] = "shuffled"
    """Order of a batch's results. The vendor promises none."""

    # --- definitions of the account ---

    properties: dict[str, PropertyKind] = field(default_factory=_custom_properties)
    """The custom properties that are defined at first. Others are defined over the API
    or at the screen."""
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The options of custom properties that have such. One that is left out takes any
    value as an option."""
    tags_property: str = "tags"
    """The property of kind ``boxes`` that is shown as the tags of a contact: the vendor
    itself has no tags."""
    lists: tuple[str, ...] | None = None
    """The ids of the static lists that exist; None: any."""
    dynamic_lists: tuple[str, ...] = ()
    """The ids of lists whose members the vendor itself chooses."""

    # --- batches ---

    trace_echo: bool = True
    """True where a result names the ``objectWriteTraceId`` of its input. Optional in
    the vendor's schema, and missing in its examples."""
    whole_batches: tuple[BatchWrite, ...] = ()
    """Batches that one bad input fails as a whole although all inputs have trace ids.
    Documented otherwise for creates alone."""
    repeated_id: Literal["400", "last"] = "400"
    """Effect of an id that a batch names twice: it is refused, or the last counts."""
    mixed_keys: Literal["400", "taken"] = "400"
    """Effect of different ``idProperty`` in the inputs of one batch."""
    email_upsert_partial: Literal["blank", "400"] = "blank"
    """Effect of an upsert by e-mail that leaves properties out: they are emptied, or it
    is refused. Documented only as "not supported"."""
    update_by_email: Literal["noop", "400"] = "noop"
    """Effect of an e-mail in place of the record id in a batch of updates. Both were
    observed."""
    upsert_sets_key: bool = True
    """True where an upsert that makes a contact gives it the value that it asked
    for."""
    not_found_ids: bool = True
    """True where a batch of reads names the ids that it did not find."""

    # --- contacts ---

    search_delay: float = 5.0
    """Seconds until a search finds what was written."""
    read_delay: float = 0.0
    """Seconds until reads and upserts by key find a contact that was made."""
    erasure_delay: float = 0.0
    """Seconds until an erased contact is gone. Documented: up to thirty days."""
    merge_ids: Literal["new", "keep"] = "new"
    """Record id after a merge: a new one, or that of the primary contact."""
    merged_id: Literal["survivor", "404"] = "survivor"
    """Effect of the record id of a contact that was merged: it leads to the contact
    that remained, or to none."""
    archive_gone: Literal["204", "404"] = "204"
    """Answer to archiving a contact that does not exist."""
    unique_conflict: Literal["409", "400"] = "409"
    """Status of a write with the unique value of another contact. For an e-mail it is
    409 for certain."""
    write_answers: Literal["written", "all"] = "written"
    """Properties in the answer to a write: those that it wrote, or all."""
    null_mode: Literal["ignore", "clear", "400"] = "ignore"
    """Effect of null on a property; the empty text clears for certain."""
    refused_values: tuple[str, ...] = ()
    """Values that no property takes, as a validation rule of the account has it. The
    vendor enforces such rules from version 2026-09 on."""
    leading_semicolon: Literal["append", "replace"] = "append"
    """Effect of a ``;`` before the options of a property with several: they are added
    to those that the contact has, or replace them. Documented only at the screen."""

    # --- limits ---

    send_limit_headers: bool = True
    """True where answers have the headers ``X-HubSpot-RateLimit-*``."""
    send_daily_headers: bool = True
    """True where the day's limit is among them; never for an OAuth app."""
    send_retry_after: bool = False
    """True where a 429 has the header ``Retry-After``, which is not documented."""
