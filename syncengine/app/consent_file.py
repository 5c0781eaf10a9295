"""Suppressions and tombstones as a file: the one thing that no vendor can give back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syncengine.app.databases import opened
from syncengine.app.markers import lacking_consents, note_consents
from syncengine.config import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.consent_file import (
    ConsentReport,
    Consents,
    KeptErasure,
    KeptSuppression,
)
from syncengine.storage import consent_file

_KIND = "syncengine consent"
_VERSION = 1
_SAYS = (
    "Suppressions and tombstones of syncengine, as salted hashes: `syncengine import --consent` "
    "reads them. Keep it as secret as a password: with the salt, phone numbers can be guessed."
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
    erasures: int


async def export_consent(config: Config) -> tuple[bytes, ConsentReport]:
    """Return the file, and what is in it."""
    async with opened(config, ()) as databases:
        consents = await consent_file.read_consents(databases.state)
    numbers = len(consents.suppressions), len(consents.erasures)
    return b"".join(_lines(consents)), ConsentReport("exported", *numbers)


async def import_consent(config: Config, name: str, content: bytes) -> ConsentReport:
    """Merge a file into the state; nothing that is there is lifted.

    Raises ConfigError for a file that is not whole, or of another kind or salt.
    """
    consents = _read(name, content)
    async with opened(config, ()) as databases:
        lacking = await lacking_consents(config, databases)
        new = await consent_file.merge_consents(databases.state, consents)
        await note_consents(config, databases, lacking)
        forgotten = await consent_file.forgotten_here(databases.state)
    numbers = len(consents.suppressions), len(consents.erasures)
    return ConsentReport("imported", *numbers, new=new, forgotten_here=forgotten)


def _lines(consents: Consents) -> Iterator[bytes]:
    """Yield the lines of a file; the last one tells that it is whole."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"file": _KIND, "version": _VERSION, "says": _SAYS, "exported_at": now}
    yield _line({**head, "salt": consents.salt.hex()})
    for suppression in consents.suppressions:
        yield _line({"suppression": asdict(suppression)})
    for erasure in consents.erasures:
        yield _line({"erasure": asdict(erasure)})
    end = {"suppressions": len(consents.suppressions), "erasures": len(consents.erasures)}
    yield _line({"end": end})


def _line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _read(name: str, content: bytes) -> Consents:
    """Return what a file holds. Raises ConfigError."""
    lines = content.splitlines()
    head = _head(name, lines[0] if lines else b"")
    suppressions: list[KeptSuppression] = []
    erasures: list[KeptErasure] = []
    end: _End | None = None
    for number, line in enumerate(lines[1:], 2):
        try:
            match orjson.loads(line):
                case {"suppression": found, **rest} if not rest:
                    read = _Suppression.model_validate_json(orjson.dumps(found))
                    suppressions.append(KeptSuppression(**read.model_dump()))
                case {"erasure": found, **rest} if not rest:
                    kept = _Erasure.model_validate_json(orjson.dumps(found))
                    erasures.append(KeptErasure(**kept.model_dump()))
                case {"end": found, **rest} if not rest and number == len(lines):
                    end = _End.model_validate_json(orjson.dumps(found))
                case _:
                    raise _refused(name, f"line {number} is none of such a file")
        except (ValidationError, orjson.JSONDecodeError):
            raise _refused(name, f"line {number} cannot be read") from None
    if end is None or (end.suppressions, end.erasures) != (len(suppressions), len(erasures)):
        raise _refused(name, "the file is not whole: its end is missing")
    return Consents(bytes.fromhex(head.salt), tuple(suppressions), tuple(erasures))


def _head(name: str, line: bytes) -> _Head:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or found.get("file") != _KIND:
        raise _refused(name, "this is no file of `syncengine export --consent`")
    if found.get("version") != _VERSION:
        raise _refused(name, f"version {found.get('version')} is not known here: use a newer syncengine")
    try:
        return _Head.model_validate_json(line)
    except ValidationError:
        raise _refused(name, "line 1 cannot be read") from None


def _refused(name: str, what: str) -> ConfigError:
    return ConfigError([Problem(name, f"{what}; nothing was imported")])
