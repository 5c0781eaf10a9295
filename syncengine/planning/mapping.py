"""Mapping of a source row to a desired contact.

``map_row`` is called for each row that a run loads. It brings each column's value into
the form of its field (``planning.normalise``), collects tags and lists, and picks out
the match keys. A value that is not in its form rejects the contact, or is skipped where
the field says so (``on_invalid``).

Three exceptions pass through here: ``NotReadError`` of the phone and address readers
becomes ``NotNormal`` ("this value is not in its form"), and ``_Unfit`` adds which
column or field it was. Outside they are a ``Rejected``. No message repeats a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import orjson

from syncengine.model.bounds import LONGEST_NAME, LONGEST_ROW
from syncengine.model.calls import Rejected
from syncengine.model.capabilities import matches
from syncengine.model.contact import LISTS, Desired, MatchKey
from syncengine.model.contact_ids import LONGEST_KEY
from syncengine.model.http import Json
from syncengine.model.mapping import (
    FieldMapping,
    Mapping,
    OnInvalid,
    OnNull,
    OnUnmap,
    SetMapping,
)
from syncengine.model.texts import is_storable
from syncengine.model.work import SourceRow, Unusable
from syncengine.planning.normalise import NotNormal, normalise, text

INVALID_VALUE = "invalid_value"
"""Code of contacts with a value that does not have the form of its field."""


class _Unfit(NotNormal):
    """A value cannot be used for its field or column, which ``what`` names."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what


@dataclass(frozen=True, slots=True)
class _FieldValues:
    """Values of a row's fields."""

    fields: dict[str, Json]
    invalid: dict[str, Json]
    """Values of the fields that are skipped, since they are not in their form."""
    invalid_key: Rejected | None
    """The rejection for the first skipped field that is a match field."""


def map_row(
    row: SourceRow,
    mapping: Mapping,
    identity: str | None,
    several: tuple[str, ...] = (),
) -> Desired | Rejected:
    """Return the desired contact, or a rejection if a value is invalid for its field.

    Args:
        row: a row of the source, its values in the order of ``mapping.columns``.
        mapping: the destination's mapping.
        identity: the field that is the vendor's only identity, where it has one
            (``Capabilities.identity``). Its value is the first match field, or the
            contact id where no field is one.
        several: patterns of the fields that hold several values beside each other
            (``Capabilities.accumulates``). Of a list each item is one.
    """
    if row.refusal:
        return _rejected(row.refusal)
    values = _values_by_column(row, mapping)
    read = _read_fields(values, mapping, several)
    if isinstance(read, Rejected):
        return read
    fields = read.fields
    try:
        _check_length(fields)
        keys = _match_keys(row, fields, mapping, identity)
        lists = _members(values, mapping.lists)
        tags = _members(values, mapping.tags)
    except _Unfit as error:
        return _rejected(f"{error.what} {error}: correct the row or the mapping")
    if read.invalid_key is not None and not keys:
        # Without that value nobody could recognise the contact, so it does not suffice
        # to skip the field.
        return read.invalid_key
    for member in sorted(lists):
        fields[LISTS + member] = True
    desired = Desired(
        contact_id=row.contact_id,
        fields=fields,
        tags=tags,
        keys=tuple(keys),
        invalid=read.invalid,
        manages_lists=mapping.lists is not None,
        manages_tags=mapping.tags is not None,
        regions=mapping.regions,
    )
    if mapping.on_unmap is OnUnmap.REMOVE:
        return _clearing_unmapped(desired, mapping)
    return desired


def _clearing_unmapped(desired: Desired, mapping: Mapping) -> Desired:
    """Return the contact with our values in all that is not mapped to be removed."""
    return replace(
        desired,
        manages_lists=True,
        manages_tags=True,
        mapped=frozenset(field.field for field in mapping.fields),
    )


def unfit_values(
    row: SourceRow, mapping: Mapping, several: tuple[str, ...] = ()
) -> dict[str, str | None]:
    """Return the fields for which a row has a value, with the reason why it is unfit.

    The reason is None where the value can be used.
    """
    if row.refusal:
        return {}
    values = _values_by_column(row, mapping)
    reasons: dict[str, str | None] = {}
    for field in mapping.fields:
        raw = values[field.column]
        if raw in (None, ""):
            continue
        try:
            _read_field(raw, field, several)
        except NotNormal as error:
            reasons[field.field] = str(error)
        else:
            reasons[field.field] = None
    return reasons


def has_opted_out(row: SourceRow, mapping: Mapping) -> bool:
    """Return whether the row has opted its contact out.

    Only true in the column counts; NULL is no opt-out.
    """
    if mapping.opted_out is None:
        return False
    return _values_by_column(row, mapping)[mapping.opted_out] is True


def no_match_key(mapping: Mapping) -> Rejected:
    """Return the rejection of a contact without any match key."""
    return Rejected(
        "no_match_key",
        f"all match fields ({', '.join(mapping.match_on)}) are empty: "
        "fill one in, or add a field to match_on",
        by_vendor=False,
    )


def _rejected(message: str) -> Rejected:
    return Rejected(INVALID_VALUE, message, by_vendor=False)


def _invalid_value(field: FieldMapping, error: NotNormal) -> Rejected:
    return _rejected(
        f'column "{field.column}" for field "{field.field}" {error}: '
        "correct the row or the mapping"
    )


def _values_by_column(row: SourceRow, mapping: Mapping) -> dict[str, Json]:
    """Return the row's values by column; one may be ``Unusable``."""
    return dict(zip(mapping.columns, row.values, strict=True))


def _read_fields(
    values: dict[str, Json], mapping: Mapping, several: tuple[str, ...]
) -> _FieldValues | Rejected:
    """Return the fields' values, or the rejection for one that must be valid."""
    fields: dict[str, Json] = {}
    invalid: dict[str, Json] = {}
    invalid_key: Rejected | None = None
    for field in mapping.fields:
        raw = values[field.column]
        try:
            value = _read_field(raw, field, several)
        except NotNormal as error:
            rejection = _invalid_value(field, error)
            if field.on_invalid is OnInvalid.REJECT:
                return rejection
            invalid[field.field] = None if isinstance(raw, Unusable) else raw
            if field.field in mapping.match_on and invalid_key is None:
                invalid_key = rejection
            continue
        if value is not None or mapping.on_null is OnNull.CLEAR:
            fields[field.field] = value
    return _FieldValues(fields, invalid, invalid_key)


def _read_field(raw: Json, field: FieldMapping, several: tuple[str, ...]) -> Json:
    """Return the value that a column sends to a field. Raises NotNormal."""
    if isinstance(raw, list) and matches(field.field, several):
        return _read_list(raw, field)
    return _read_value(raw, field)


def _read_value(raw: Json, field: FieldMapping) -> Json:
    """Return a column's value in the field's form, or its default where it is empty.

    Raises NotNormal.
    """
    value = normalise(raw, field)
    if value in (None, "") and field.default is not None:
        return field.default
    return value


def _read_list(raw: list[Json], field: FieldMapping) -> Json:
    """Return the items of a list in the field's form. Raises NotNormal."""
    if any(isinstance(item, list | dict) for item in raw):
        raise NotNormal("holds a list in which not every item is a single value")
    items = [normalise(item, field) for item in raw]
    filled = [item for item in items if item not in (None, "")]
    if not filled:
        return field.default
    return filled


def _check_length(fields: dict[str, Json]) -> None:
    """Raise _Unfit where the fields are so long that a vendor's echo cannot be read.

    The columns of a row are limited as well, but one column may go to several fields.
    """
    characters = sum(len(orjson.dumps(value).decode()) for value in fields.values())
    if characters > LONGEST_ROW:
        raise _Unfit(
            "its fields", f"hold more than {LONGEST_ROW:,} characters together"
        )


def _match_keys(
    row: SourceRow, fields: dict[str, Json], mapping: Mapping, identity: str | None
) -> list[MatchKey]:
    """Return the keys by which the vendor is to recognise the contact.

    Raises _Unfit.
    """
    keys: list[MatchKey] = []
    for name in mapping.match_on:
        value = fields.get(name)
        if value not in (None, ""):
            keys.append(_match_key(name, value, mapping.regions.get(name)))
    if identity is None:
        return keys
    # The vendor knows contacts by this one field, whatever field fills it here.
    if not mapping.match_on:
        return [MatchKey(identity, row.contact_id)]
    is_first_filled = bool(keys) and keys[0].field == mapping.match_on[0]
    if not is_first_filled:
        return []
    return [MatchKey(identity, keys[0].value)]


def _match_key(field: str, value: Json, region: str | None) -> MatchKey:
    """Return the key of a match field. Raises _Unfit."""
    what = f'field "{field}", a match key,'
    try:
        key = MatchKey(field, text(value), region)
    except NotNormal as error:
        raise _Unfit(what, str(error)) from None
    if len(key.value) > LONGEST_KEY:
        raise _Unfit(what, f"is longer than {LONGEST_KEY} characters")
    return key


def _members(values: dict[str, Json], mapping: SetMapping | None) -> frozenset[str]:
    """Return the members of the contact's tags or lists, prefix included.

    They come from boolean columns, one for each member, or from an array column. Raises
    _Unfit.
    """
    if mapping is None:
        return frozenset()
    members = [
        member for member, column in mapping.columns if _read_flag(column, values)
    ]
    if mapping.column:
        members += _read_array(mapping.column, values)
    names = [mapping.prefix + member for member in members]
    for name in names:
        _check_name(name)
    return frozenset(names)


def _check_name(name: str) -> None:
    """Raise _Unfit where an answer with this tag or list cannot be read back."""
    if not is_storable(name):
        raise _Unfit(
            "a tag or list",
            "holds a character that no text may hold (NUL, or half of a character)",
        )
    if len(name) > LONGEST_NAME:
        raise _Unfit("a tag or list", f"is longer than {LONGEST_NAME:,} characters")


def _read_flag(column: str, values: dict[str, Json]) -> bool:
    """Return whether a boolean column is true; NULL is not. Raises _Unfit."""
    value = values[column]
    if isinstance(value, Unusable):
        raise _Unfit(f'column "{column}"', value.why)
    return value is True


def _read_array(column: str, values: dict[str, Json]) -> Iterator[str]:
    """Yield the members in an array, without those that are NULL or empty.

    Raises _Unfit.
    """
    value = values[column]
    what = f'column "{column}"'
    if isinstance(value, Unusable):
        raise _Unfit(what, value.why)
    if value is None:
        return
    if not isinstance(value, list):
        raise _Unfit(what, "holds no list")
    for item in value:
        if isinstance(item, bool | list | dict):
            raise _Unfit(
                what, "holds a list in which not every item is a text or a number"
            )
        if item not in (None, ""):
            yield text(item)
