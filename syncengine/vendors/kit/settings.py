"""The settings every vendor has, and the types they are made of."""

from __future__ import annotations

import ipaddress
import math
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_origin
from urllib.parse import SplitResult, quote, urlsplit

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

SHORTEST_SECRET = 8
"""Characters. A shorter one may be a part of ordinary words, which hiding it would spoil."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.ASCII)

_IN_PATHS = "/%!$&'()*+,;=:@~"


_LABEL = r"[^\s/\\?#@:\[\]%.${}]{1,63}"
_PLACE = re.compile(
    rf"(?:\[[0-9A-Fa-f:]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::[0-9]*)?", re.ASCII
)
_LONGEST = 3650 * 86400.0
"""Clocks and timers take no more than some centuries."""


def _seconds(value: Json) -> float:
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        value = float(found[1]) * _UNITS[found[2]]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < math.inf
    ):
        raise ValueError("must be a duration such as 500ms, 2s, 1m or 1d")
    if value > _LONGEST:
        raise ValueError("must be 3650d or less")
    return float(value)


def _base_url(value: str) -> str:
    url = value.strip()
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https")
            and is_place(parts.netloc.rpartition("@")[2])
            and parts.port != 0
        )
        normal = _normal(parts)
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\]", url) or not url.isprintable():
        raise ValueError("must be an address that starts with http:// or https://")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError("must be a plain address: no user, no ?query, no #fragment")
    return normal


def is_place(text: str) -> bool:
    """Return whether a text is a host, with a port or without."""
    return _PLACE.fullmatch(text) is not None


def normal_address(url: str) -> str:
    """Return an address in its one spelling: two spellings would be two accounts.

    An address that cannot be read stays as it is.
    """
    try:
        return _normal(urlsplit(url))
    except ValueError:
        return url


def _normal(parts: SplitResult) -> str:
    host, port = _host(parts.hostname or ""), parts.port
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    place = host if port in (None, usual) else f"{host}:{port}"
    return f"{parts.scheme}://{place}{_path(parts.path)}"


def _host(name: str) -> str:
    """Return a host in small ASCII letters, an IP address in its usual form.

    Raises ValueError for text that cannot be a host.
    """
    if ":" in name:
        return f"[{ipaddress.ip_address(name).compressed}]"
    ascii_name = name.encode("idna").decode().lower().rstrip(".")
    if re.fullmatch(r"[0-9a-fx.]+", ascii_name):
        with suppress(OSError):  # then it is a name that only looks like a number
            return socket.inet_ntoa(socket.inet_aton(ascii_name))
    return ascii_name


def _path(path: str) -> str:
    """Return a path without dot segments and without a slash at its end.

    Only characters that have to be escaped are, in capitals.
    """
    plain = re.sub("%[0-9a-fA-F]{2}", _unescaped, path)
    kept: list[str] = []
    for segment in quote(plain, safe=_IN_PATHS).split("/"):
        if segment == "..":
            # The first part is the empty one before the leading slash, and stays.
            del kept[max(len(kept) - 1, 1) :]
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept).rstrip("/")


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[0][1:], 16))
    return (
        character if re.fullmatch(r"[A-Za-z0-9._~-]", character) else found[0].upper()
    )


def _secret(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value().strip()
    if not secret:
        raise ValueError("is empty: is the environment variable set?")
    if not re.fullmatch(r"[!-~]+", secret):
        raise ValueError("must be one word of printable ASCII characters")
    return SecretStr(secret)


Duration: TypeAlias = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"format": "duration"})
]
"""Seconds; written ``500ms``, ``2s``, ``1m``, ``1h``, ``1d``, or as a number of seconds."""
BaseUrl: TypeAlias = Annotated[
    str, AfterValidator(_base_url), WithJsonSchema({"format": "address"})
]
"""An http or https address in its one spelling, without a slash at its end."""
Secret: TypeAlias = Annotated[
    SecretStr, AfterValidator(_secret), WithJsonSchema({"format": "secret"})
]
"""A key or token that fits into a header; surrounding blanks (a file's last newline) are cut off."""
ClearWith: TypeAlias = Literal["empty", "null", "nothing"]
"""Value that clears a field at the vendor: the empty string, null, or none does."""


NOTES = "x-"
"""How keys begin that are not read: YAML anchors may stand there."""
_WHOLE = re.compile(r"\s*[0-9]+\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*", re.ASCII)


class Written(BaseModel):
    """A mapping that people write, with keys that are known beforehand.

    Unknown keys are errors, but for those that begin with ``x-``, which are not read.
    No error repeats a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # Keys that may stand there without a value.
    EMPTY: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_notes(cls, value: Any) -> Any:
        return without_notes(value) if isinstance(value, dict) else value

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would guess at, and put a single name into its list."""
        name = info.field_name or ""
        about = cls.model_fields[name]
        if any(isinstance(each, BeforeValidator) for each in about.metadata):
            return value  # a duration, which has words of its own
        if value is None and name not in cls.EMPTY:
            raise ValueError("has no value")
        if about.annotation in (int, float):
            _refuse_guesses(value, is_whole=about.annotation is int)
        return [value] if isinstance(value, str) and lists_names(about) else value


def without_notes(mapping: Mapping[str, Json]) -> dict[str, Json]:
    """Return a mapping without the keys that are not read."""
    return {key: value for key, value in mapping.items() if not key.startswith(NOTES)}


def _refuse_guesses(value: object, *, is_whole: bool) -> None:
    """Raise ValueError for what is no number to a person: pydantic takes true for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic's own kind
    if (
        isinstance(value, str)
        and (_WHOLE if is_whole else _DECIMAL).fullmatch(value) is None
    ):
        raise ValueError("must be a whole number" if is_whole else "must be a number")


def lists_names(about: FieldInfo) -> bool:
    """Return whether a list of texts is meant, of which a single one may be written."""
    origin, (first, *_) = (
        get_origin(about.annotation),
        (*get_args(about.annotation), None),
    )
    return origin is tuple and (first is str or get_args(first)[:1] == (str,))


class VendorSettings(Written):
    """Settings of every vendor."""

    base_url: BaseUrl
    """Address of the vendor's API."""
    settles_within: Duration = 30.0
    """Seconds after which a request that was sent is visible in look-ups or will never be carried out."""
    opt_outs: dict[str, bool | int | str] = {}
    """Fields of yours that hold an opt-out at the vendor, with the value that means it.
    In a contact that exists there, only that value is written to them."""
    lower_opt_outs: tuple[str, ...] = ()
    """Fields of the opt-outs that the source may take back at the vendor."""

    # The opt-outs the vendor has by itself, and their values that say no.
    OPT_OUTS: ClassVar[Mapping[str, Json]] = {}

    @field_validator("lower_opt_outs")
    @classmethod
    def _known(cls, fields: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        there = {**cls.OPT_OUTS, **info.data.get("opt_outs", {})}
        if set(fields) - there.keys():
            names = ", ".join(there) or "none; name your own under opt_outs"
            raise ValueError(f"names a field that is no opt-out (there are: {names})")
        return fields

    def kept_opt_outs(self) -> tuple[OptOut, ...]:
        """Return the opt-outs that are never taken back."""
        return tuple(
            OptOut(field, no)
            for field, no in {**self.OPT_OUTS, **self.opt_outs}.items()
            if field not in self.lower_opt_outs
        )
