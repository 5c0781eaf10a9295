"""Switches of the twin of Whautomate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from syncengine.sandbox.validation import STRICT

LOCATION = "5f00aa11bb22cc33dd44ee55"
"""Id of the location that is there from the start."""


@dataclass(frozen=True, slots=True)
class WhautomateSwitches:
    """Settings for what the documentation leaves open."""

    __pydantic_config__ = STRICT

    api_keys: tuple[str, ...] = ("sandbox-key",)
    """All of one account."""
    locations: dict[str, str] = field(default_factory=lambda: {LOCATION: "Berlin"})
    """Ids and titles."""
    location_required: bool = True
    """True where a create must name a location. Observed: clients always do, although
    the documented table lists no such field."""
    location_as: Literal["locationId", "workspaceId"] = "locationId"
    """Name of the location in searches; a workspace is at the top of a contact
    too. The second is documented for a sister product."""
    duplicate_mode: Literal["allow", "409", "return_existing"] = "allow"
    """A create with a phone that is there in the same location."""
    put_mode: Literal["replace", "merge"] = "replace"
    """Effect of an update on what it does not name. Replacing is inferred from a client
    that reads, joins and writes whole contacts; an example of a sister product speaks
    for a merge."""
    custom_mode: Literal["replace", "merge"] = "replace"
    """Effect of an update on the custom fields that it does not name."""
    null_mode: Literal["clear", "ignore"] = "clear"
    """Effect of null on the notes or on a custom field."""
    custom_values: Literal["json", "text"] = "json"
    """Form in which custom fields are stored: in their JSON type, or as text."""
    custom_fields: tuple[str, ...] | None = None
    """The custom fields that are defined, others are dropped; None: any."""
    store_plus: bool = True
    """True where a phone keeps its ``+``."""
    phone_changes: bool = True
    """True where an update may change the phone; else it silently stays."""
    known_tags: tuple[str, ...] = ()
    """Tags that are defined from the start."""
    unknown_tag: Literal["create", "400"] = "create"
    """Effect of a tag that is not defined."""
    tags_told: Literal["all", "changed"] = "all"
    """The tags in the answer of a tag call."""
    delete_again: Literal["404", "200"] = "404"
    """Status of the answer to the deletion of a contact that was deleted before."""
    searches: tuple[str, ...] = ("name", "phoneNumber", "notes")
    """Patterns of the fields that the text search looks through."""
    default_limit: int = 20
    """Rows on a page where the client names no number."""
    most_per_page: int = 100
    """Rows on a page at most, whatever the client asks for."""
    send_retry_after: bool = False
    """Assumed: the gateway in front sends none."""
