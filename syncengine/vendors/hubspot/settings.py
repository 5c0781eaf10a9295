"""The settings of a destination at HubSpot."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from syncengine.vendor import Duration, Secret, VendorSettings

EMAIL = "email"
MOST_IN_A_BATCH = 100
"""The vendor's maximum of contacts in one request."""


class HubSpotSettings(VendorSettings):
    """``base_url`` is ``https://api.hubapi.com``, wherever the account's data are."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"tags_property"})

    token: Secret
    """The access token of a private app, or a service key."""
    path_version: Literal["v3", "2025-09", "2026-03", "2026-09"] = "v3"
    """Version in the paths. From 2026-09 on, the account's own rules for the values of
    properties are enforced too."""
    unique_properties: tuple[str, ...] = (EMAIL,)
    """Properties to look contacts up by: ``email``, and those that are defined as unique
    in the account, such as ``crm_id``."""
    phone_properties: tuple[str, ...] = ()
    """Properties with phones to search for. HubSpot lets several contacts have one
    phone, and its search shows a new contact late."""
    tags_property: str | None = None
    """The property with several checkboxes that holds the tags, which HubSpot lacks.
    Its options are the tags that there are."""
    tags_by: Literal["rewrite", "append"] = "rewrite"
    """Way to add tags to those of others. ``rewrite``: read, and write all of them.
    ``append``: a leading semicolon, in one request; documented, but not for batches."""
    upserts: bool = False
    """True where new contacts are upserted by the first unique property of your own, and
    not created."""
    delete_as: Literal["archive", "gdpr"] = "archive"
    """``archive``: a person can restore the contact for 90 days. ``gdpr``: it is erased
    for good, one contact a request."""
    erases_within: Duration = 2_592_000.0
    """The longest time until HubSpot has erased a contact; not documented."""
    clear_with: Literal["empty", "nothing"] = "empty"
    """Value that clears a property: the empty text, or none does."""
    batch_size: Annotated[int, Field(ge=1, le=MOST_IN_A_BATCH)] = MOST_IN_A_BATCH
    """Contacts in one request, at most."""
    trace_ids: bool = True
    """True where each contact of a batch has a trace id, so that HubSpot refuses it
    alone. It is documented for creates only."""
    refused_batches: Literal["nothing", "unknown"] = "nothing"
    """What HubSpot has done of a batch of updates or upserts that it refuses as a whole;
    not documented. Of refused creates it has done nothing."""
    read_misses: Literal["named", "absent"] = "named"
    """Sign that a contact is not there, in the answer to a look-up of many: an error that
    names it, or that the answer leaves it out. The form of the error is not documented.
    """

    @field_validator("unique_properties")
    @classmethod
    def _some(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("names no property")
        return names

    @field_validator("upserts")
    @classmethod
    def _by_own_property(cls, upserts: bool, info: ValidationInfo) -> bool:  # noqa: FBT001
        if upserts and not own_unique(info.data.get("unique_properties", ())):
            raise ValueError(
                "needs a unique property of your own in unique_properties: HubSpot does "
                "not take an upsert by e-mail that leaves properties out"
            )
        return upserts


def own_unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the unique properties that the account has defined itself."""
    return tuple(name for name in names if name != EMAIL)
