"""What vendor adapters share. Nothing in here knows any one vendor."""

from __future__ import annotations

from syncengine.vendors.kit.answers import (
    BASE_URL,
    Id,
    Reply,
    Shape,
    judge,
    refused,
    refused_look_up,
    shaped,
)
from syncengine.vendors.kit.calls import check, external_id, nothing, segment, sent_values
from syncengine.vendors.kit.looking import looked_up
from syncengine.vendors.kit.settings import ClearWith, Duration, Secret, VendorSettings
from syncengine.vendors.kit.values import digits, same_json, same_mailbox, same_phone, same_text, same_time, text

__all__ = [
    "BASE_URL",
    "ClearWith",
    "Duration",
    "Id",
    "Reply",
    "Secret",
    "Shape",
    "VendorSettings",
    "check",
    "digits",
    "external_id",
    "judge",
    "looked_up",
    "nothing",
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
    "text",
]
