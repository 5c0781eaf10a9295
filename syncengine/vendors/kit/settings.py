"""The settings that every vendor has, and the types they are made of.

Pydantic reads them from YAML, where people write ``5m``, leave a value out, or put one
name where a list is meant. ``Written`` takes the second for a mistake and the third for
a list of one; no message repeats a value, which may be a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from syncengine.model.capabilities import OptOut
from syncengine.model.http import Json
from syncengine.vendors.kit.addresses import checked_address

SHORTEST_SECRET = 8
"""Characters. A shorter one may be a part of ordinary words, which hiding it would
spoil."""
NOTES = "x-"
"""Beginning of keys that are not read: YAML anchors may be kept there."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.ASCII)
_LONGEST = 3650 * 86400.0
"""Seconds. Clocks and timers take no more than some centuries."""
_WHOLE = re.compile(r"\s*[0-9]+\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*", re.ASCII)


def _seconds(value: Json) -> float:
    """Return a duration in seconds. Raises ValueError."""
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found is not None:
            value = float(found[1]) * _UNITS[found[2]]
    # True is an int in Python, and nobody means one second by it.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise ValueError("must be a duration such as 500ms, 2s, 1m or 1d")
    if value > _LONGEST:
        raise ValueError("must be 3650d or less")
    return float(value)


def _secret(value: SecretStr) -> SecretStr:
    """Return a secret without surrounding blanks. Raises ValueError."""
    secret = value.get_secret_value().strip()
    if not secret:
        raise ValueError("is empty: is the environment variable set?")
    if not re.fullmatch(r"[!-~]+", secret):
        raise ValueError("must be one word of printable ASCII characters")
    return SecretStr(secret)


Duration: TypeAlias = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"format": "duration"})
]
"""Seconds; written as ``500ms``, ``2s``, ``1m``, ``1h`` or ``1d``, or as a number."""
BaseUrl: TypeAlias = Annotated[
    str, AfterValidator(checked_address), WithJsonSchema({"format": "address"})
]
"""An http or https address in its one spelling, without a slash at its end."""
Secret: TypeAlias = Annotated[
    SecretStr, AfterValidator(_secret), WithJsonSchema({"format": "secret"})
]
"""A key or token that fits into a header. Surrounding blanks, such as the newline at a
file's end, are cut off."""
ClearWith: TypeAlias = Literal["empty", "null", "nothing"]
"""Value that clears a field at the vendor: the empty string, null, or none does."""


_WHOLE_NUMBERS = (int, int | None)
"""Types of whole numbers, which may have a default of None."""


class Written(BaseModel):
    """A mapping in a configuration file, with keys that are known beforehand.

    Unknown keys are errors, except those that begin with ``x-``, which are not read.
    No error message repeats a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    EMPTY: ClassVar[frozenset[str]] = frozenset()
    """Keys that may be written without a value."""

    @model_validator(mode="before")
    @classmethod
    def _without_notes(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return without_notes(value)
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would guess at, and put a single name into its list."""
        name = info.field_name or ""
        about = cls.model_fields[name]
        for annotation in about.metadata:
            # A duration: its own validator has better messages.
            if isinstance(annotation, BeforeValidator):
                return value
        # A key without a value is null in YAML: a variable that was left empty, or a
        # line that was never finished.
        if value is None and name not in cls.EMPTY:
            raise ValueError("has no value")
        if about.annotation in (*_WHOLE_NUMBERS, float):
            is_whole = about.annotation in _WHOLE_NUMBERS
            _refuse_guesses(value, is_whole=is_whole)
        if isinstance(value, str) and lists_names(about):
            return [value]
        return value


def without_notes(mapping: Mapping[str, Json]) -> dict[str, Json]:
    """Return a mapping without the keys that are not read."""
    return {key: value for key, value in mapping.items() if not key.startswith(NOTES)}


def _refuse_guesses(value: object, *, is_whole: bool) -> None:
    """Raise ValueError for what is no number to a person: pydantic takes true for 1."""
    if isinstance(value, bool):
        # Pydantic reports a ValueError as a problem of the field, not a TypeError.
        raise ValueError("must be a number, not true or false")  # noqa: TRY004
    if not isinstance(value, str):
        return
    if is_whole and _WHOLE.fullmatch(value) is None:
        raise ValueError("must be a whole number")
    if not is_whole and _DECIMAL.fullmatch(value) is None:
        raise ValueError("must be a number")


def lists_names(about: FieldInfo) -> bool:
    """Return whether a setting is a list of texts; a single one needs no list.

    Such a setting is a ``tuple[str, ...]``, or one of annotated texts.
    """
    if get_origin(about.annotation) is not tuple:
        return False
    item = get_args(about.annotation)[0]
    # The arguments of ``Annotated[str, ...]`` begin with the type itself.
    is_annotated_text = get_args(item)[:1] == (str,)
    return item is str or is_annotated_text


class VendorSettings(Written):
    """Settings of every vendor."""

    base_url: BaseUrl
    """Address of the vendor's API."""
    settles_within: Duration = 30.0
    """Seconds after which a request that was sent is visible in look-ups, or will never
    be carried out."""
    opt_outs: dict[str, bool | int | str] = {}
    """Fields of yours that hold an opt-out at the vendor, with the value that means it.
    In a contact that exists there, only that value is written to them."""
    lower_opt_outs: tuple[str, ...] = ()
    """Fields of the opt-outs that the source may take back at the vendor."""

    OPT_OUTS: ClassVar[Mapping[str, Json]] = {}
    """The vendor's built-in opt-out fields, each with the value that means opted out.
    """

    @field_validator("lower_opt_outs")
    @classmethod
    def _known(cls, fields: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = {**cls.OPT_OUTS, **info.data.get("opt_outs", {})}
        if set(fields) - known.keys():
            names = ", ".join(known) or "none; name your own under opt_outs"
            raise ValueError(
                f"names a field that is not an opt-out (there are: {names})"
            )
        return fields

    def kept_opt_outs(self) -> tuple[OptOut, ...]:
        """Return the opt-outs that are never taken back."""
        every = {**self.OPT_OUTS, **self.opt_outs}
        kept = []
        for field, opted_out_value in every.items():
            if field not in self.lower_opt_outs:
                kept.append(OptOut(field, opted_out_value))
        return tuple(kept)
