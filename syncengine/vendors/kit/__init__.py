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
from syncengine.vendors.kit.settings import ClearWith, Duration, Secret, VendorSettings
from syncengine.vendors.kit.values import digits, same_json, same_phone, same_text, text

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
    "nothing",
    "refused",
    "refused_look_up",
    "same_json",
    "same_phone",
    "same_text",
    "segment",
    "sent_values",
    "shaped",
    "text",
]
