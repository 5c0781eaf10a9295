"""Switches of the twin of DM Champ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncengine.sandbox.validation import STRICT

IdPlace: TypeAlias = Literal[
    "data.contactId", "contactId", "contact_id", "contact.id", "id"
]
"""Place of the id in the answer to a create."""


@dataclass(frozen=True, slots=True)
class DmChampSwitches:
    """Settings for what the documentation leaves open, or states in several ways."""

    __pydantic_config__ = STRICT

    api_keys: tuple[str, ...] = ("sandbox-key",)
    """All of one account."""
    user_ids: tuple[str, ...] = ()
    """Values of ``userId`` that are accepted in place of a key."""
    duplicate_mode: Literal["http200_error_code", "http409", "return_existing"] = (
        "http409"
    )
    """The answer to a create whose phone is there; the contact is never written to.
    Two pages of the vendor document two of these, the third was observed."""
    lookup_returns: Literal["full", "id_only"] = "full"
    """Answer to a look-up: with the contact as observed, or its id alone as
    documented."""
    no_hit: Literal["404", "200"] = "404"
    """Status of the answer to a look-up that finds nobody; 200 has ``success:
    false``."""
    id_place: IdPlace = "data.contactId"
    """Place of the id in the answer to a create: one is documented, others were
    observed."""
    accept_phone_alias: bool = False
    """True where a create may call the phone ``phone``, as one documented page does."""
    phones: Literal["exact", "digits"] = "exact"
    """Comparison of phones: by exact spelling, or by digits alone."""
    store_plus: bool = True
    """True where a phone keeps its ``+``."""
    shared_email: Literal["oldest", "newest"] = "oldest"
    """Contact that a look-up shows where several have the address."""
    email_case: Literal["kept", "lower"] = "kept"
    """Form in which addresses are stored: as they were written, or in lower case."""
    tags_as: Literal["texts", "objects"] = "texts"
    """Form of the tags in a look-up. Both were observed."""
    flags_as: Literal["booleans", "texts"] = "booleans"
    """Form of the flags in a look-up."""
    put_mode: Literal["partial", "replace"] = "partial"
    """Effect of an update on the fields that it leaves out: they stay, or get their
    defaults again."""
    empty_mode: Literal["clear", "ignore", "400"] = "ignore"
    """Effect of the empty text in an update."""
    null_mode: Literal["clear", "ignore", "400"] = "400"
    """Effect of null in an update. No field of an update is documented as nullable."""
    custom_fields: Literal["drop", "create", "keep"] = "drop"
    """Writes that keep custom fields: none, creates, or all."""
    lists: tuple[str, ...] | None = None
    """The lists there are; None: any."""
    forbidden_lists: tuple[str, ...] = ()
    """Lists of another account."""
    unknown_list: Literal[404, 500] = 404
    """Status of the answer to a list that does not exist."""
    lists_in_create: bool = True
    """True where a create joins the lists that it names, else it ignores them."""
    idle_list: Literal["ok", "400"] = "ok"
    """Joining a list the contact is on, or leaving one it is not on."""
    mistakes_as: Literal["text", "object"] = "object"
    """The body of a 400: a bare text or an object. Both are documented."""
    tag_phones: Literal["bare", "plus", "both"] = "bare"
    """Spelling of phones that tag calls accept: without ``+``, with it, or either."""
    send_retry_after: bool = True
    """True where a 429 has the header ``Retry-After``."""
