"""Shared parts of the vendor adapters. None of them knows any one vendor."""

from __future__ import annotations

from syncengine.vendors.kit.allowed import if_allowed
from syncengine.vendors.kit.answers import (
    BASE_URL,
    NOT_THERE,
    Reply,
    Shape,
    from_elsewhere,
    judge,
    refused,
    refused_look_up,
    shaped,
)
from syncengine.vendors.kit.calls import (
    check,
    external_id,
    nothing,
    segment,
    sent_values,
)
from syncengine.vendors.kit.echo import (
    fields_lost,
    fields_not_taken,
    not_as_wanted,
    tags_not_removed,
    tags_not_taken,
)
from syncengine.vendors.kit.gateway import through_gateway
from syncengine.vendors.kit.looking import looked_up
from syncengine.vendors.kit.paging import MOST_PAGES, endless, every_hit, probed
from syncengine.vendors.kit.reading import AnyId, Id, Many, Tags, readable
from syncengine.vendors.kit.settings import ClearWith, Duration, Secret, VendorSettings
from syncengine.vendors.kit.values import (
    digits,
    is_phone_of,
    may_be_phone_of,
    phone_spellings,
    same_json,
    same_mailbox,
    same_phone,
    same_text,
    same_time,
    text,
)

__all__ = [
    "BASE_URL",
    "MOST_PAGES",
    "NOT_THERE",
    "AnyId",
    "ClearWith",
    "Duration",
    "Id",
    "Many",
    "Reply",
    "Secret",
    "Shape",
    "Tags",
    "VendorSettings",
    "check",
    "digits",
    "endless",
    "every_hit",
    "external_id",
    "fields_lost",
    "fields_not_taken",
    "from_elsewhere",
    "if_allowed",
    "is_phone_of",
    "judge",
    "looked_up",
    "may_be_phone_of",
    "not_as_wanted",
    "nothing",
    "phone_spellings",
    "probed",
    "readable",
    "refused",
    "refused_look_up",
    "same_json",
    "same_mailbox",
    "same_phone",
    "same_text",
    "same_time",
    "segment",
    "sent_values",
    "shaped",
    "tags_not_removed",
    "tags_not_taken",
    "text",
    "through_gateway",
]
