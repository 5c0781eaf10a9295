"""Properties of contacts at HubSpot: their definitions, and the values that they take.

Every value is a text; what a text may be follows from the kind of the property. The
empty text is no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from syncengine.model.http import Json
from syncengine.sandbox.twins.hubspot.switches import PropertyKind
from syncengine.sandbox.twins.kit.answers import iso_time

EMAIL = "email"
STAGE = "lifecyclestage"
MORE_EMAILS = "hs_additional_emails"
MERGED_IDS = "hs_merged_object_ids"
OPTED_OUT = "hs_email_optout"
SYSTEM = ("createdate", "hs_object_id", "lastmodifieddate")
"""Properties that the vendor gives each contact, and shows with every read."""
SHOWN_ALWAYS = ("email", "firstname", "lastname", *SYSTEM)
"""Properties of a read that asks for none by name (documented)."""
PHONE_OF = {
    "hs_searchable_calculated_phone_number": "phone",
    "hs_searchable_calculated_mobile_number": "mobilephone",
}
"""Properties that the vendor works out of a phone, for searches."""
STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
"""The options of ``lifecyclestage``, in the order in which a contact goes through
them."""
_TYPES: Mapping[PropertyKind, tuple[str, str]] = {
    "text": ("string", "text"),
    "phone": ("string", "phonenumber"),
    "number": ("number", "number"),
    "bool": ("bool", "booleancheckbox"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
    "select": ("enumeration", "select"),
    "boxes": ("enumeration", "checkbox"),
}
"""The vendor's ``type`` and ``fieldType`` of each kind."""
_KINDS: Mapping[tuple[str, str], PropertyKind] = {
    **{both: kind for kind, both in _TYPES.items()},
    ("string", "textarea"): "text",
    ("enumeration", "radio"): "select",
    ("enumeration", "booleancheckbox"): "bool",
}
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+")
_MILLISECONDS = re.compile(r"-?[0-9]+")
_DAY_MS = 86_400_000
_COUNTRY_CODE = re.compile(
    "[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}"
)
"""The country codes of one and two digits; all others have three."""


class InvalidValueError(ValueError):
    """A value that a property does not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """The vendor's word for the mistake, such as ``INVALID_OPTION``."""


@dataclass(frozen=True, slots=True)
class HubSpotProperty:
    """The definition of one property."""

    name: str
    kind: PropertyKind = "text"
    unique: bool = False
    """True where no two contacts have the same value."""
    options: tuple[str, ...] | None = ()
    """Values that a property of kind ``select`` or ``boxes`` takes; None: any."""
    read_only: bool = False
    custom: bool = False

    def stored(self, value: str) -> str:
        """Return a value as it is kept. Raises InvalidValueError."""
        match self.kind:
            case "text" | "unique" | "phone":
                return self._text(value)
            case "number":
                return _number(value)
            case "date":
                return _date(value)
            case "datetime":
                return iso_time(_milliseconds(value) / 1000)
            case "bool" | "select":
                return self._option(value)
            case "boxes":
                return ";".join(self._option(each) for each in options_in(value))

    def shown(self, used: Iterable[str]) -> dict[str, Json]:
        """Return the definition as the API shows it.

        ``used`` are the options that contacts have, where any is taken.
        """
        kind, field_type = _TYPES[self.kind]
        options = self.options
        if options is None:
            options = tuple(used)
        if self.kind == "bool":
            options = ("true", "false")
        return {
            "name": self.name,
            "label": self.name.replace("_", " ").capitalize(),
            "type": kind,
            "fieldType": field_type,
            "description": "",
            "groupName": "contactinformation",
            "options": [
                {"label": each, "value": each, "displayOrder": place, "hidden": False}
                for place, each in enumerate(options)
            ],
            "hasUniqueValue": self.unique,
            "hubspotDefined": not self.custom,
            "calculated": self.name in PHONE_OF,
            "hidden": False,
            "archived": False,
            "formField": not self.read_only,
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyValue": self.read_only,
            },
        }

    def _text(self, value: str) -> str:
        if self.name != EMAIL:
            return value
        if not _ADDRESS.fullmatch(value):
            # The message repeats the address (found in public logs).
            message = f"Email address {value} is invalid"
            raise InvalidValueError("INVALID_EMAIL", message)
        return value.lower()

    def _option(self, value: str) -> str:
        """Return a value that is one of the options; the case matters."""
        options = ("true", "false") if self.kind == "bool" else self.options
        if options is not None and value not in options:
            message = f"{value} was not one of the allowed options: [{options}]"
            raise InvalidValueError("INVALID_OPTION", message)
        return value


def options_in(value: str) -> list[str]:
    """Return the options that a value of kind ``boxes`` joins, each once."""
    return [each for each in dict.fromkeys(value.split(";")) if each]


def local_number(phone: str) -> str:
    """Return a phone as searches know it: its area code and its local number.

    Documented: without the country code.
    """
    digits = "".join(filter(str.isdecimal, phone))
    if not phone.startswith("+"):
        return digits.lstrip("0")
    return _COUNTRY_CODE.sub("", digits, count=1)


def kind_of(type_: Json, field_type: Json) -> PropertyKind | None:
    """Return the kind of a property by the vendor's two words, or None."""
    return _KINDS.get((type_, field_type))


def standard_properties() -> Iterator[HubSpotProperty]:
    """Yield the properties that every account has, as far as contacts here need."""
    texts = (
        "email firstname lastname salutation company jobtitle website address city "
        "state zip country date_of_birth hs_language"
    )
    for name in texts.split():
        yield HubSpotProperty(name)
    for name in PHONE_OF.values():
        yield HubSpotProperty(name, "phone")
    yield HubSpotProperty(STAGE, "select", options=STAGES)
    yield HubSpotProperty("hs_object_id", "number", unique=True, read_only=True)
    for name in ("createdate", "lastmodifieddate"):
        yield HubSpotProperty(name, "datetime", read_only=True)
    for name in ("hs_marketable_status", OPTED_OUT):
        yield HubSpotProperty(name, "bool", read_only=True)
    for name in (MORE_EMAILS, MERGED_IDS):
        yield HubSpotProperty(name, "boxes", options=None, read_only=True)
    for name in PHONE_OF:
        yield HubSpotProperty(name, read_only=True)


def custom_property(
    name: str, kind: PropertyKind, options: tuple[str, ...] | None
) -> HubSpotProperty:
    """Return a custom property of a kind."""
    if kind == "unique":
        return HubSpotProperty(name, unique=True, custom=True)
    if kind not in ("select", "boxes"):
        options = ()
    return HubSpotProperty(name, kind, options=options, custom=True)


def _number(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    # ``float`` takes more than the vendor: "nan", "1_000" and spaces around.
    if not math.isfinite(number) or not re.fullmatch(r"[-+.0-9eE]+", value):
        raise InvalidValueError("INVALID_NUMBER", f"{value} was not a valid number.")
    return value


def _date(value: str) -> str:
    """Return a date, which is written as such or in milliseconds of its midnight."""
    invalid = InvalidValueError("INVALID_DATE", f"{value} is not a valid date.")
    if _MILLISECONDS.fullmatch(value):
        if int(value) % _DAY_MS:
            raise invalid
        return iso_time(int(value) / 1000)[:10]
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise invalid from None


def _milliseconds(value: str) -> int:
    """Return a moment, in ISO 8601 or in milliseconds, as milliseconds since 1970."""
    if _MILLISECONDS.fullmatch(value):
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        message = f"{value} is not a valid datetime."
        raise InvalidValueError("INVALID_DATE", message) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def comparable(kind: PropertyKind, value: str) -> float:
    """Return a number by which values of a kind are compared.

    Raises InvalidValueError for a value that has no order.
    """
    match kind:
        case "number":
            return float(_number(value))
        case "date" | "datetime":
            return float(_milliseconds(value))
        case _:
            raise InvalidValueError("INVALID_NUMBER", f"{value} has no order.")
