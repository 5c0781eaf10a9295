"""Plan files: the form in which ``plan --out`` writes a plan, and its reader.

The file is one JSON document with one element a line, so that it is written and read
line by line, however many contacts it has, and ``jq`` reads it as well::

    {"syncengine_plan": 1, "id": ..., "made_at": ..., "state": ..., "contacts": [
    {"destination": "whatsapp_de", "contact_id": "13", "alternatives": [...], ...},
    {"destination": "whatsapp_de", "contact_id": "44", "alternatives": [...], ...}
    ],"destinations":[
    {"destination": "whatsapp_de", "contacts": 2, "identity": {...}, "meaning": {...}}
    ],
    "checksum": "...", "seal": "..."}

The checksum is that of all lines before it, and shows that the file is whole.
The seal is the checksum's digest with the key of the state: no editor can make one. A
reader keeps an index in memory, a few bytes a contact, and reads the contacts again
when they are needed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import orjson

from syncengine.errors import ConfigError, Problem
from syncengine.input_files import open_regular
from syncengine.model.calls import Action
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.plan_file import (
    Alternative,
    Case,
    PlanBasis,
    PlannedCall,
    PlannedContact,
)
from syncengine.output_files import (
    OutputFile,
    OutputKind,
    is_stream,
    refuse_other_file,
)
from syncengine.planning.plan_file import Digests
from syncengine.version import __version__

FORMAT = 1
"""Version of the file format."""
_START = b'{"syncengine_plan":'
_PLAN = OutputKind("a plan file", re.compile(re.escape(_START)))
_CONTACTS = b',"contacts":[\n'
_DESTINATIONS = b'],"destinations":[\n'
_END = b"],\n"
_NOTICE = (
    "This file holds values of contacts: `syncengine forget` cannot reach them. Delete "
    "it once the plan was sent."
)
_NO_NOTICE = "This file holds contact ids and digests of values, no values."


def refuse_no_plan_file(path: Path) -> None:
    """Raise ConfigError where ``--out`` would write over what is no plan file."""
    if is_stream(path):
        raise _problem(path, "cannot take the plan file: the report goes there")
    refuse_other_file(path, _PLAN)


def _problem(path: Path, what: str) -> ConfigError:
    return ConfigError([Problem(str(path), what)])


class PlanWriter:
    """Writes a plan file, whole or not at all, readable by its owner only."""

    def __init__(
        self, path: Path, state_id: str, digests: Digests, *, shows_values: bool
    ) -> None:
        self.digests = digests
        self.shows_values = shows_values
        self.contacts = 0
        """Contacts of the present destination so far."""
        self._checksum = hashlib.sha256()
        self._bases: list[PlanBasis] = []
        self._is_first = True
        self._file = OutputFile(path, _PLAN, owner_only=True)
        head: dict[str, Json] = {
            "syncengine_plan": FORMAT,
            # A run of the plan carries it, so that a second run of it knows the first.
            "id": secrets.token_hex(8),
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "engine": __version__,
            "state": state_id,
            "holds_values": shows_values,
            "notice": _NOTICE if shows_values else _NO_NOTICE,
        }
        self._write(orjson.dumps(head)[:-1] + _CONTACTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, trace)

    @property
    def bases(self) -> Mapping[str, PlanBasis]:
        """Return what the plan says of each destination that was ended."""
        return {basis.destination: basis for basis in self._bases}

    def add(self, contact: PlannedContact) -> None:
        """Add a contact of the present destination. Raises ConfigError."""
        self._element(_json_of(contact))
        self.contacts += 1

    def end_destination(self, basis: PlanBasis) -> None:
        """End the present destination: the next contacts are another one's."""
        self._bases.append(basis)
        self.contacts = 0

    def finish(self) -> None:
        """Write the rest, and give the file its name. Raises ConfigError."""
        self._write(b"\n" + _DESTINATIONS)
        self._is_first = True
        for basis in self._bases:
            self._element(asdict(basis))
        self._write(b"\n" + _END)
        checksum = self._checksum.hexdigest()
        # The checksum finds a damaged file; the seal, which needs the secret of the
        # state, finds one that somebody has changed together with its checksum.
        end: dict[str, Json] = {"checksum": checksum, "seal": self.digests.of(checksum)}
        self._write(orjson.dumps(end)[1:] + b"\n")
        self._file.finish()

    def _element(self, element: Mapping[str, Json]) -> None:
        line = orjson.dumps(element)
        if not self._is_first:
            self._write(b",\n")
        self._write(line)
        self._is_first = False

    def _write(self, content: bytes) -> None:
        self._checksum.update(content)
        self._file.write(content)


def _json_of(contact: PlannedContact) -> dict[str, Json]:
    """Return a contact's line; what is empty is left out."""
    line: dict[str, Json] = {
        "destination": contact.destination,
        "contact_id": contact.contact_id,
        "why": list(contact.causes),
        "row": contact.row,
        "known": contact.known,
        "pending": contact.pending,
        "recreates": contact.recreates,
        "alternatives": [_json_of_alternative(each) for each in contact.alternatives],
        "values": dict(contact.values),
    }
    return {name: value for name, value in line.items() if value or name == "row"}


def _json_of_alternative(alternative: Alternative) -> dict[str, Json]:
    element: dict[str, Json] = {"case": alternative.case.value}
    if alternative.case is not Case.FOUND:
        element["calls"] = [_json_of_call(call) for call in alternative.calls]
    elif alternative.removal is not None:
        element["removal"] = alternative.removal.value
    else:
        element["differing"] = list(alternative.differing)
    return element


def _json_of_call(call: PlannedCall) -> dict[str, Json]:
    element: dict[str, Json] = {"action": call.action.value}
    if call.at:
        element["at"] = call.at
    if call.fields:
        element["fields"] = dict(call.fields)
    if call.add_tags:
        element["add_tags"] = list(call.add_tags)
    if call.remove_tags:
        element["remove_tags"] = list(call.remove_tags)
    return element


def _contact_of(line: Json) -> PlannedContact:
    return PlannedContact(
        destination=line["destination"],
        contact_id=line["contact_id"],
        row=line["row"],
        known=line["known"],
        pending=line.get("pending"),
        recreates=line.get("recreates", False),
        causes=tuple(line.get("why", ())),
        alternatives=tuple(
            _alternative_of(each) for each in line.get("alternatives", ())
        ),
    )


def _alternative_of(element: Json) -> Alternative:
    removal = element.get("removal")
    return Alternative(
        case=Case(element["case"]),
        calls=tuple(_call_of(call) for call in element.get("calls", ())),
        differing=tuple(element.get("differing", ())),
        removal=OnRemoved(removal) if removal else None,
    )


def _call_of(element: Json) -> PlannedCall:
    return PlannedCall(
        action=Action(element["action"]),
        at=element.get("at"),
        fields=element.get("fields", {}),
        add_tags=tuple(element.get("add_tags", ())),
        remove_tags=tuple(element.get("remove_tags", ())),
    )


@dataclass(slots=True)
class _Index:
    """Places of the contacts of one destination in the file.

    Arrays, not lists: half a million contacts take 20 MB, and 60 MB while they are
    sorted.
    """

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    """Hashes of the contact ids."""
    lines: array[int] = field(default_factory=lambda: array("Q"))
    """Hashes of the lines, by which a line that was changed since is found out."""
    flags: bytearray = field(default_factory=bytearray)
    """One byte a contact: ``_REMOVAL`` and the other flags below."""
    sorted_keys: array[int] = field(default_factory=lambda: array("Q"))
    order: array[int] = field(default_factory=lambda: array("Q"))
    """Places in these arrays, in the order of ``sorted_keys``."""

    def add(self, offset: int, line: bytes, element: Json) -> None:
        """Add a contact by its line; ``element`` is what the line says."""
        self.offsets.append(offset)
        self.keys.append(_hash(element["contact_id"].encode()))
        self.lines.append(_hash(line))
        flags = _REMOVAL if element["row"] is None else 0
        if element.get("recreates"):
            flags |= _RECREATES
        self.flags.append(flags)

    def finish(self) -> None:
        keys = self.keys
        self.order = array("Q", sorted(range(len(keys)), key=keys.__getitem__))
        self.sorted_keys = array("Q", (keys[place] for place in self.order))
        # A contact that is there twice is sent once: two attempts at a time could be
        # two creates.
        for at in range(1, len(self.order)):
            if self.sorted_keys[at] == self.sorted_keys[at - 1]:
                self.flags[self.order[at]] |= _TWICE

    def places(self, contact_id: str) -> Iterator[int]:
        """Yield the places where the contact may be."""
        key = _hash(contact_id.encode())
        at = bisect_left(self.sorted_keys, key)
        while at < len(self.sorted_keys) and self.sorted_keys[at] == key:
            yield self.order[at]
            at += 1


# The flags of a contact, one bit each: it left the source; it is created again; a
# former run has brought it to its end; a former run may have sent a part; the file has
# it twice.
_REMOVAL, _RECREATES, _DONE, _REST, _TWICE = 1, 2, 4, 8, 16


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


class PlanPart:
    """The contacts of one destination in a plan file (``engine.approval``)."""

    def __init__(
        self, file: IO[bytes], basis: PlanBasis, index: _Index, digests: Digests
    ) -> None:
        self.basis = basis
        self.digests = digests
        self._file = file
        self._index = index

    def __len__(self) -> int:
        return len(self._index.offsets)

    def of(self, contact_id: str) -> PlannedContact | None:
        """Return what is stated of a contact; None where that is unreadable."""
        for place in self._index.places(contact_id):
            element = self._element_at(place)
            # Two ids may have one hash.
            if element is not None and element["contact_id"] == contact_id:
                return _contact_of(element)
        return None

    def ids(self, *, recreated: bool = False) -> Iterator[tuple[str, bool]]:
        """Yield the contacts that are left to send, and whether each was removed.

        ``recreated``: only those that are created again, which are left out otherwise.
        """
        for place, flags in enumerate(self._index.flags):
            if flags & (_DONE | _TWICE) or bool(flags & _RECREATES) != recreated:
                continue
            element = self._element_at(place)
            if element is not None:
                yield element["contact_id"], bool(flags & _REMOVAL)

    def has(self, contact_id: str) -> bool:
        """Return whether the plan is about a contact, almost certainly.

        By a hash of 64 bits, so that nothing is read.
        """
        return any(True for _ in self._index.places(contact_id))

    def note_done(self, contact_id: str) -> None:
        """Note that a former run of the plan has brought a contact to its end."""
        self._flag(contact_id, _DONE)

    def note_rest(self, contact_id: str) -> None:
        """Note that a former run of the plan may have sent a part."""
        self._flag(contact_id, _REST)

    def is_rest(self, contact_id: str) -> bool:
        places = self._index.places(contact_id)
        return any(self._index.flags[place] & _REST for place in places)

    def _flag(self, contact_id: str, flag: int) -> None:
        for place in self._index.places(contact_id):
            self._index.flags[place] |= flag

    def _element_at(self, place: int) -> Json | None:
        """Return a contact's line; None where it is not the one that was checked."""
        self._file.seek(self._index.offsets[place])
        line = self._file.readline()
        # The file may be written to while the run is under way, long after the check.
        if _hash(line) != self._index.lines[place]:
            return None
        return orjson.loads(_element_of(line))


def _element_of(line: bytes) -> bytes:
    return line.rstrip(b"\n").removesuffix(b",")


class PlanFile:
    """A plan file that was read, and found to be whole."""

    def __init__(self, path: Path) -> None:
        """Read the file once. Raises ConfigError where it cannot be used."""
        self.path = path
        self.plan_id = ""
        self.made_at = ""
        self._state_id = ""
        self._checksum = ""
        self._seal = ""
        self._digests: Digests | None = None
        self._indexes: dict[str, _Index] = {}
        self._bases: dict[str, PlanBasis] = {}
        # Contacts are read again from their places, which a pipe does not have.
        self._file = open_regular(path)
        try:
            self._read()
        except (ValueError, KeyError, TypeError, AttributeError):
            self._file.close()
            raise self._damaged() from None
        except ConfigError:
            self._file.close()
            raise

    @property
    def destinations(self) -> tuple[str, ...]:
        """Return the names of the destinations that the plan is about."""
        return tuple(self._bases)

    @property
    def named(self) -> bool:
        """Return whether the plan is about contacts that were named."""
        return any(basis.named for basis in self._bases.values())

    def close(self) -> None:
        self._file.close()

    def refuse_other_state(self, state_id: str, digests: Digests) -> None:
        """Raise ConfigError for a plan of another state, or with a false seal."""
        if state_id != self._state_id:
            raise _problem(
                self.path,
                "is the plan of another state: what it rests on cannot be compared "
                "here. Make a new one (`syncengine plan --out`)",
            )
        # In constant time, so that no seal is found out by trying.
        if not hmac.compare_digest(self._seal, digests.of(self._checksum)):
            raise self._damaged()
        self._digests = digests

    def part(self, destination: str) -> PlanPart:
        """Return the part about one destination, once the state is compared."""
        assert self._digests is not None, "the plan of another state is not read"
        basis = self._bases[destination]
        index = self._indexes.get(destination, _Index())
        return PlanPart(self._file, basis, index, self._digests)

    def _read(self) -> None:
        """Read all lines. Raises ValueError, KeyError and the like for others."""
        checksum = hashlib.sha256()
        head = self._file.readline()
        if not head.startswith(_START):
            raise _problem(self.path, "is no plan file (`syncengine plan --out`)")
        opening = orjson.loads(head.removesuffix(_CONTACTS) + b"}")
        if opening["syncengine_plan"] != FORMAT:
            raise _problem(
                self.path,
                f"has format {opening['syncengine_plan']}; this version reads format "
                f"{FORMAT}: make a new plan (`syncengine plan --out`)",
            )
        self.plan_id, self.made_at = opening["id"], opening["made_at"]
        self._state_id = opening["state"]
        checksum.update(head)
        self._read_contacts(checksum)
        self._read_destinations(checksum)
        end = orjson.loads(b"{" + self._file.readline())
        self._checksum, self._seal = end["checksum"], end["seal"]
        if self._file.readline() or checksum.hexdigest() != self._checksum:
            raise self._damaged()
        for index in self._indexes.values():
            index.finish()

    def _read_contacts(self, checksum: hashlib._Hash) -> None:
        offset = self._file.tell()
        for line in iter(self._file.readline, b""):
            checksum.update(line)
            if line == _DESTINATIONS:
                return
            if line.strip():
                element = orjson.loads(_element_of(line))
                index = self._indexes.setdefault(element["destination"], _Index())
                index.add(offset, line, element)
            offset += len(line)

    def _read_destinations(self, checksum: hashlib._Hash) -> None:
        for line in iter(self._file.readline, b""):
            checksum.update(line)
            if line == _END:
                return
            if line.strip():
                basis = PlanBasis(**orjson.loads(_element_of(line)))
                self._bases[basis.destination] = basis

    def _damaged(self) -> ConfigError:
        return _problem(
            self.path,
            "is damaged, or was edited: its checksum is not that of its content, so "
            "nothing of it is sent. Make a new plan (`syncengine plan --out`)",
        )
