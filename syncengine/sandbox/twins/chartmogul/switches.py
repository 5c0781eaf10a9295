"""Switches of the twin of ChartMogul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncengine.sandbox.validation import STRICT

AttributeKind: TypeAlias = Literal[
    "String", "Integer", "Decimal", "Timestamp", "Boolean"
]
"""The type of a custom attribute (documented)."""


@dataclass(frozen=True, slots=True)
class ChartMogulSwitches:
    """Settings for what the documentation leaves open."""

    __pydantic_config__ = STRICT

    api_keys: tuple[str, ...] = ("sandbox-key",)
    """All of one account."""
    attributes: dict[str, AttributeKind] | None = None
    """The custom attributes that are defined; others are dropped. None: any, of any
    type."""
    wrong_type: Literal["422", "drop"] = "422"
    """Effect of an attribute's value of the wrong type."""
    null_mode: Literal["clear", "ignore"] = "clear"
    """Effect of null on a field; the external id is always cleared, as observed."""
    external_id_unique: bool = False
    """True where a create with the external id of another contact is refused."""
    fixed_reference: Literal["ignore", "422"] = "ignore"
    """An update that names another customer or data source."""
    merged_customer: Literal["null", "kept"] = "null"
    """The customer in the answer of a merge. Null was observed."""
    merged_id: Literal["404", "survivor"] = "404"
    """Answer under the id of a contact that was merged into another one: a 404, or the
    other one."""
    unknown_filter: Literal["empty", "404"] = "empty"
    """Answer to a list filtered by an e-mail that nobody has. Both were observed."""
    email_case: Literal["ignore", "exact"] = "ignore"
    """Comparison of e-mail addresses in lists: whatever their case, or by exact
    spelling."""
