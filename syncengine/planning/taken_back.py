"""Withholding of what was taken back: it is left out of what a row asks for.

An undo puts old values back at the vendor, while the row still asks for the new ones.
So each contact of an undo gets a note (``TakenBack``), and every run plans the contact
by ``without_taken_back``: as if its row left those fields and tags as they are. That
holds for a backfill, a re-sync and a newer version of an adapter, too, since the note
is not compared with the source hash, which all of them change or pass over.

The note counts as long as the row is the same as when it was written; after that the row
is sent as a whole, and the note is dropped. A field or tag of it counts as long as its
own mapping means the same, too: another one that is mended, added or left out changes
nothing about it (``Versions``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Named
from dataclasses import replace

import orjson

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, Fields, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Mapping, SetMapping
from syncengine.model.undo import NO_ROW, TakenBack
from syncengine.model.work import SourceRow
from syncengine.planning.normalise import NotNormal, text

_COLUMN = "column "
_FIELD = "field "
_TAG = "tag "
"""Beginnings of the names in ``TakenBack.basis``; they are stored."""


class Versions:
    """Fingerprints of rows under one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._meaning = orjson.dumps(_meaning(mapping))
        self._fields = {each.field: each for each in mapping.fields}

    def of(self, row: SourceRow) -> int:
        """Return the fingerprint of a row and of the whole mapping's meaning."""
        values = orjson.dumps(row.values, default=_unusable)
        digest = hashlib.blake2b(self._meaning + values, digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    def basis(
        self, row: SourceRow, fields: Iterable[str], tags: Iterable[str]
    ) -> dict[str, str]:
        """Return the fingerprints that tell later what of a row or mapping changed.

        They are those of each column of the row, and of what makes these fields and
        tags.
        """
        # A row that could not be read has no values.
        values = dict(zip(self._mapping.columns, row.values, strict=False))
        found = {
            _COLUMN + column: _fingerprint(value) for column, value in values.items()
        }
        for name in fields:
            found[_FIELD + name] = _fingerprint(self._making_of_field(name, values))
        for tag in tags:
            making = self._making_of_member(self._mapping.tags, tag)
            found[_TAG + tag] = _fingerprint(making)
        return found

    def makings(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield these parts, as ``basis`` names them, with each fingerprint of a row.

        A field has two, since it is made in another way where its column is empty.
        """
        filled: dict[str, Json] = dict.fromkeys(self._mapping.columns, True)
        for name in names:
            if name.startswith(_TAG):
                tag = name.removeprefix(_TAG)
                making = self._making_of_member(self._mapping.tags, tag)
                yield name, _fingerprint(making)
            elif name.startswith(_FIELD):
                field = name.removeprefix(_FIELD)
                yield name, _fingerprint(self._making_of_field(field, {}))
                yield name, _fingerprint(self._making_of_field(field, filled))

    def still_counting(self, note: TakenBack, row: SourceRow | None) -> TakenBack:
        """Return what of a note still counts for a row, as it is to be kept from now on.

        It is empty where the row changed since. Where there is no row, or was none, only
        that may have changed.
        """
        ended = TakenBack(note.undone)
        if row is None or note.version == NO_ROW:
            is_same = row is None and note.version == NO_ROW
            return note if is_same else ended
        version = self.of(row)
        if note.version == version:
            return note
        tags = note.tags_off | note.tags_on
        now = self.basis(row, note.fields, tags)
        if _has_row_changed(note.basis, now):
            return ended

        def is_same_part(name: str) -> bool:
            return note.basis.get(name) == now[name]

        kept_tags = {tag for tag in tags if is_same_part(_TAG + tag)}
        held = TakenBack(
            undone=note.undone,
            version=version,
            fields=frozenset(
                each for each in note.fields if is_same_part(_FIELD + each)
            ),
            tags_off=note.tags_off & kept_tags,
            tags_on=note.tags_on & kept_tags,
            # A contact as a whole is made by the whole mapping.
            whole=False,
        )
        return with_basis(held, now) if held else ended

    def _making_of_field(self, name: str, values: dict[str, Json]) -> Json:
        """Return what makes a field or list of a row, as JSON."""
        mapping = self._mapping
        if name.startswith(LISTS):
            return self._making_of_member(mapping.lists, name.removeprefix(LISTS))
        field = self._fields.get(name)
        if field is None:
            return mapping.on_unmap
        making = _meaning_of_field(field)
        if values.get(field.column) in (None, ""):
            making.append(mapping.on_null)
        return making

    def _making_of_member(self, members: SetMapping | None, name: str) -> Json:
        """Return what makes a tag or list of a row, as JSON."""
        if members is None:
            return self._mapping.on_unmap
        columns = [
            column
            for member, column in members.columns
            if members.prefix + member == name
        ]
        return [members.column, columns, members.prefix]


def with_basis(note: TakenBack, fingerprints: Named[str, str]) -> TakenBack:
    """Return a note with those of the fingerprints that it needs."""
    needed = {_FIELD + name for name in note.fields}
    needed |= {_TAG + tag for tag in note.tags_off | note.tags_on}
    basis = {
        name: value
        for name, value in fingerprints.items()
        if name in needed or name.startswith(_COLUMN)
    }
    return replace(note, basis=basis)


def _has_row_changed(before: Named[str, str], now: Named[str, str]) -> bool:
    """Return whether a row changed, by the columns that were mapped then and are now.

    A column that is mapped by now, or not any more, does not change the row.
    """
    common = [name for name in now if name.startswith(_COLUMN) and name in before]
    # Without any, nobody can say what the row was.
    return not common or any(before[name] != now[name] for name in common)


def _fingerprint(value: Json) -> str:
    dumped = orjson.dumps(value, default=_unusable)
    return hashlib.blake2b(dumped, digest_size=4).hexdigest()


def _meaning(mapping: Mapping) -> Json:
    """Return what a mapping says, as JSON.

    Its parts are named one by one: a setting that a later version adds must not change
    the meaning of the files that do not use it.
    """
    fields = [_meaning_of_field(each) for each in mapping.fields]
    sets = [
        members and [members.column, members.columns, members.prefix]
        for members in (mapping.tags, mapping.lists)
    ]
    return [fields, sets, mapping.match_on, mapping.on_null, mapping.on_unmap]


def _meaning_of_field(field: FieldMapping) -> list[Json]:
    """Return what the mapping of one field says, as JSON."""
    return [
        field.field,
        field.column,
        field.form,
        field.region,
        field.default,
        field.on_invalid,
        field.zone,
    ]


def _unusable(_: object) -> Json:
    """Return what stands for a value that cannot be sent: the reason is only words."""
    return {"unusable": True}


def without_taken_back(
    desired: Desired, known: Known, note: TakenBack, capabilities: Capabilities
) -> Desired:
    """Return the contact as its row asks for it, without what was taken back.

    A field or list that was taken back is left as it is at the vendor. What an
    interrupted undo was about to write is desired: so any run finishes what it began.
    Desired is also what a re-sync distrusts of it: it is compared, or sent again, in the
    form in which the undo had put it back, and stays known.
    """
    needed: frozenset[str] = frozenset()
    if known.external_id is None:
        # A contact that is made anew is recognised by these, and refused without them.
        needed = _needed_by_creates(desired, capabilities)
    withheld = note.fields - needed
    fields = _fields_without(desired.fields, withheld, known)
    mapped = desired.mapped
    if mapped is not None:
        mapped |= withheld
    tags = desired.tags
    if desired.manages_tags:
        tags = (tags - note.tags_off) | note.tags_on
    return replace(
        desired,
        fields=fields,
        tags=tags,
        mapped=mapped,
        keys=tuple(_present_keys(desired, known, withheld)),
    )


def _fields_without(
    desired: Fields, withheld: frozenset[str], known: Known
) -> dict[str, Json]:
    """Return the desired fields, without the withheld ones that nothing is unknown of."""
    fields = dict(desired)
    for name in withheld:
        is_list = name.startswith(LISTS)
        unknown = known.unknown_fields.get(name)
        if is_list and (unknown or known.fields.get(name)):
            # A list that is not desired would be left: so one that was put back is.
            fields[name] = True
        elif name in known.unknown_fields and not is_list:
            fields[name] = unknown
        else:
            fields.pop(name, None)
    return fields


def _needed_by_creates(desired: Desired, capabilities: Capabilities) -> frozenset[str]:
    """Return the fields without which the contact cannot be created."""
    names = [key.field for key in desired.keys]
    for write in (capabilities.create, capabilities.upsert):
        if write is not None:
            names += (*write.must_carry, *write.keyed_by)
    return frozenset(names)


def _present_keys(
    desired: Desired, known: Known, withheld: frozenset[str]
) -> Iterator[MatchKey]:
    """Yield the match keys, with the values that the vendor has where those are kept."""
    pending = known.pending or Pending()
    for key in desired.keys:
        if key.field not in withheld:
            yield key
            continue
        value = pending.fields.get(key.field, known.fields.get(key.field))
        if value in (None, ""):
            continue
        try:
            yield replace(key, value=text(value))
        except NotNormal:
            # A list or an object names nobody.
            continue
