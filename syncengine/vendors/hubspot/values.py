"""Values of properties: HubSpot takes and shows each of them as a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from syncengine.vendor import Json, as_text, same_phone, same_text, same_time
from syncengine.vendors.hubspot.settings import EMAIL

SEPARATOR = ";"
"""Between the options of a property with several checkboxes."""
PHONES = ("phone", "mobilephone")
"""The phones that every contact has."""
LIFECYCLE = "lifecyclestage"
_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
"""The stages that every account has, in their order."""
_MILLISECONDS = re.compile(r"-?\d{11,14}", re.ASCII)
"""A moment as milliseconds since 1970, such as dates may be written."""


def written(value: Json) -> str:
    """Return a value as it is written; the empty text clears a property."""
    if isinstance(value, list | tuple):
        return SEPARATOR.join(map(as_text, value))
    return as_text(value)


def options_in(value: Json) -> tuple[str, ...]:
    """Return the options of a property with several checkboxes that are chosen."""
    options = (option.strip() for option in as_text(value).split(SEPARATOR))
    return tuple(option for option in options if option)


def same_value(name: str, ours: Json, theirs: Json, phones: Iterable[str]) -> bool:
    """Return whether a property has our value, in whichever form HubSpot shows it."""
    if name == EMAIL:
        return as_text(ours).lower() == as_text(theirs).lower()
    if name in phones:
        return same_phone(ours, theirs)
    if name == LIFECYCLE:
        return same_text(ours, theirs) or is_further_stage(ours, theirs)
    if isinstance(ours, list | tuple):
        return set(options_in(written(ours))) == set(options_in(theirs))
    if same_text(ours, theirs):
        return True
    return same_time(_as_moment(ours), _as_moment(theirs))


def is_further_stage(ours: Json, theirs: Json) -> bool:
    """Return whether a contact is in a later stage than ours.

    HubSpot moves contacts forward only: somebody has moved this one on, and our stage
    would not be taken.
    """
    wanted, shown = as_text(ours), as_text(theirs)
    if wanted not in _STAGES or shown not in _STAGES:
        return False
    return _STAGES.index(shown) > _STAGES.index(wanted)


def _as_moment(value: Json) -> str:
    """Return milliseconds since 1970 as a moment in ISO 8601; other texts as they are."""
    text = as_text(value)
    if _MILLISECONDS.fullmatch(text) is None:
        return text
    try:
        moment = datetime.fromtimestamp(int(text) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return text
    return moment.isoformat()
