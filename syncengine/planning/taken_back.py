"""Withholding of what was taken back: it is left out of what a row asks for.

An undo puts old values back at the vendor, while the row still asks for the new ones.
So each contact of an undo gets a note (``TakenBack``), and every run plans the contact
by ``without_taken_back``: as if its row left those fields and tags as they are. That
holds for a backfill, a re-sync and a newer version of an adapter, too, since the note
is not compared with the source hash, which all of them change or pass over.

The note counts as long as the row and the meaning of the mapping are the same as when
it was written (``Versions``). After that the row is sent as a whole, and the note is
dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import orjson

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, Fields, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.mapping import Mapping
from syncengine.model.undo import TakenBack
from syncengine.model.work import SourceRow
from syncengine.planning.normalise import NotNormal, text


class Versions:
    """Fingerprints of rows under one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._meaning = orjson.dumps(_meaning(mapping))

    def of(self, row: SourceRow) -> int:
        """Return the fingerprint of a row and of the mapping's meaning."""
        values = orjson.dumps(row.values, default=_unusable)
        digest = hashlib.blake2b(self._meaning + values, digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def _meaning(mapping: Mapping) -> Json:
    """Return what a mapping says, as JSON.

    Its parts are named one by one: a setting that a later version adds must not change
    the meaning of the files that do not use it.
    """
    fields = [
        [
            each.field,
            each.column,
            each.form,
            each.region,
            each.default,
            each.on_invalid,
            each.zone,
        ]
        for each in mapping.fields
    ]
    sets = [
        members and [members.column, members.columns, members.prefix]
        for members in (mapping.tags, mapping.lists)
    ]
    return [fields, sets, mapping.match_on, mapping.on_null, mapping.on_unmap]


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
