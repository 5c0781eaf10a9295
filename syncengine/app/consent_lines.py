"""Suppressions and tombstones as a file: the one thing that no vendor can give back.

One JSON object a line: a head with kind, version and salt, then one line for each
suppression, value and erasure, and an end with their numbers, by which a file that was
cut off is recognised::

    {"file": "syncengine consent", "version": 1, "says": ..., "salt": "5f0c..."}
    {"suppression": {"subject_hash": "a1...", "kind": "phone", ...}}
    {"end": {"suppressions": 1, "values": 0, "erasures": 0}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syncengine.errors import ConfigError, Problem
from syncengine.model.consent_file import (
    Consents,
    KeptErasure,
    KeptSuppression,
    KeptValue,
)

_KIND = "syncengine consent"
_VERSION = 1
_SAYS = (
    "Suppressions and tombstones of syncengine, as salted hashes: "
    "`syncengine import --consent` reads them. "
    "Keep it as secret as a password: with the salt, phone numbers can be guessed."
)
_HASH = r"^[0-9a-f]{2,128}$"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Head(_Line):
    file: Literal["syncengine consent"]
    version: int
    says: str
    exported_at: str
    salt: str = Field(pattern=_HASH)


class _Suppression(_Line):
    subject_hash: str = Field(pattern=_HASH)
    kind: Literal["contact", "phone", "email"]
    reason: Literal["suppressed", "forgotten"]
    since: datetime


class _Value(_Line):
    subject_hash: str = Field(pattern=_HASH)
    contact_hash: str = Field(pattern=_HASH)
    kind: Literal["phone", "email"]


class _Erasure(_Line):
    contact_hash: str = Field(pattern=_HASH)
    destination: str
    contact_id: str | None
    status: Literal["open", "done", "scheduled", "impossible"]
    receipt: str
    to_ask: str
    requested_at: datetime
    ended_at: datetime | None


class _End(_Line):
    suppressions: int
    values: int
    erasures: int


_KINDS: Mapping[str, type[_Line]] = {
    "suppression": _Suppression,
    "value": _Value,
    "erasure": _Erasure,
    "end": _End,
}
"""Kinds of lines behind the first."""


def lines_of_file(consents: Consents) -> Iterator[bytes]:
    """Yield the lines of a file; the last one tells that it is whole."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"file": _KIND, "version": _VERSION, "says": _SAYS, "exported_at": now}
    yield _line({**head, "salt": consents.salt.hex()})
    for suppression in consents.suppressions:
        yield _line({"suppression": asdict(suppression)})
    for value in consents.values:
        yield _line({"value": asdict(value)})
    for erasure in consents.erasures:
        yield _line({"erasure": asdict(erasure)})
    yield _line({"end": _numbers(consents)})


def _numbers(consents: Consents) -> dict[str, int]:
    return {
        "suppressions": len(consents.suppressions),
        "values": len(consents.values),
        "erasures": len(consents.erasures),
    }


def _line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def read_file(name: str, content: bytes) -> Consents:
    """Return what a file holds. Raises ConfigError."""
    first, *lines = content.splitlines() or [b""]
    head = _head(name, first)
    found: dict[str, list[_Line]] = {kind: [] for kind in _KINDS}
    for number, line in enumerate(lines, start=2):
        kind, parsed = _parsed_line(name, number, line)
        if found["end"]:
            raise _refused(name, f"line {number} comes after the end")
        found[kind].append(parsed)
    consents = _consents_of(head.salt, found)
    ends = [end.model_dump() for end in found["end"]]
    # The last line numbers what the file holds: one that was cut off has none.
    if ends != [_numbers(consents)]:
        raise _refused(name, "the file is incomplete: a part of it is missing")
    return consents


def _consents_of(salt: str, found: Mapping[str, Sequence[_Line]]) -> Consents:
    """Return what the lines of each kind hold; ``salt`` is that of their hashes."""
    suppressions = [
        KeptSuppression(**each.model_dump()) for each in found["suppression"]
    ]
    values = [KeptValue(**each.model_dump()) for each in found["value"]]
    erasures = [KeptErasure(**each.model_dump()) for each in found["erasure"]]
    return Consents(
        bytes.fromhex(salt), tuple(suppressions), tuple(values), tuple(erasures)
    )


def _parsed_line(name: str, number: int, line: bytes) -> tuple[str, _Line]:
    """Return the kind of a line, and what it holds. Raises ConfigError."""
    try:
        # Exactly one key, which is the kind.
        ((kind, value),) = orjson.loads(line).items()
        # From JSON again: a strict model takes texts for times from JSON only.
        return kind, _KINDS[kind].model_validate_json(orjson.dumps(value))
    except (ValueError, KeyError, AttributeError):
        raise _refused(name, f"line {number} cannot be read") from None


def _head(name: str, line: bytes) -> _Head:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or found.get("file") != _KIND:
        raise _refused(name, "this is not a file of `syncengine export --consent`")
    if found.get("version") != _VERSION:
        raise _refused(
            name,
            f"its version {found.get('version')} is not supported here; use a newer "
            "syncengine",
        )
    try:
        return _Head.model_validate_json(line)
    except ValidationError:
        raise _refused(name, "line 1 cannot be read") from None


def _refused(name: str, what: str) -> ConfigError:
    return ConfigError([Problem(name, f"{what}; nothing was imported")])
