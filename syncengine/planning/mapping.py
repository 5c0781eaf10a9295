"""Mapping of a source row to a desired contact."""

from __future__ import annotations

from collections.abc import Iterator

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
"""Code of contacts with a value that has not the form of its field."""


def map_row(
    row: SourceRow,
    mapping: Mapping,
    identity: str | None,
    several: tuple[str, ...] = (),
) -> Desired | Rejected:
    """Return the desired contact, or a rejection if a value is invalid for its field.

    ``identity`` is the vendor's only identity where it has one
    (``Capabilities.identity``): its value is the first match field, or the contact id.
    ``several`` are patterns of the fields that hold several values beside each other
    (``Capabilities.accumulates``): of a list each item is one.
    """
    if row.refusal:
        return _invalid(row.refusal)
    values = dict(zip(mapping.columns, row.values, strict=True))
    fields: dict[str, Json] = {}
    invalid: dict[str, Json] = {}
    refusal: Rejected | None = None
    for field in mapping.fields:
        try:
            value = _read(values[field.column], field, several)
        except NotNormal as error:
            if field.on_invalid is OnInvalid.REJECT:
                return _invalid_value(field, error)
            invalid[field.field] = (
                None
                if isinstance(values[field.column], Unusable)
                else values[field.column]
            )
            if field.field in mapping.match_on:
                refusal = refusal or _invalid_value(field, error)
            continue
        if value is not None or mapping.on_null is OnNull.CLEAR:
            fields[field.field] = value
    try:
        _check_length(fields)
        keys = _keys(row, fields, mapping, identity)
        lists = _members(values, mapping.lists)
        tags = _members(values, mapping.tags)
    except _Unfit as error:
        return _invalid(f"{error.what} {error}: correct the row or the mapping")
    if refusal is not None and not keys:
        return refusal  # without that value nobody could recognise the contact
    removes = mapping.on_unmap is OnUnmap.REMOVE
    fields |= {LISTS + member: True for member in sorted(lists)}
    return Desired(
        row.contact_id,
        fields,
        tags,
        tuple(keys),
        manages_lists=mapping.lists is not None or removes,
        manages_tags=mapping.tags is not None or removes,
        mapped=frozenset(field.field for field in mapping.fields) if removes else None,
        invalid=invalid,
        regions=mapping.regions,
    )


def unfit_values(
    row: SourceRow, mapping: Mapping, several: tuple[str, ...] = ()
) -> dict[str, str | None]:
    """Return the fields for which a row has a value, with what is wrong with it."""
    values = (
        dict(zip(mapping.columns, row.values, strict=True)) if not row.refusal else {}
    )
    found: dict[str, str | None] = {}
    for field in mapping.fields:
        raw = values.get(field.column)
        if raw in (None, ""):
            continue
        try:
            _read(raw, field, several)
        except NotNormal as error:
            found[field.field] = str(error)
        else:
            found[field.field] = None
    return found


def _read(raw: Json, field: FieldMapping, several: tuple[str, ...]) -> Json:
    """Return what a column sends to a field. Raises NotNormal."""
    if isinstance(raw, list) and matches(field.field, several):
        return _values(raw, field)
    return _value(raw, field)


def _check_length(fields: dict[str, Json]) -> None:
    """Raise _Unfit where a vendor's echo could not be read.

    One column may have gone to several fields.
    """
    if (
        sum(len(orjson.dumps(value).decode()) for value in fields.values())
        > LONGEST_ROW
    ):
        raise _Unfit(
            "its fields", f"hold more than {LONGEST_ROW:,} characters together"
        )


def _value(raw: Json, field: FieldMapping) -> Json:
    """Return a column's value in the field's form, or its default.

    The default stands in where there is no value. Raises NotNormal.
    """
    value = normalise(raw, field)
    return field.default if value in (None, "") and field.default is not None else value


def _values(raw: list[Json], field: FieldMapping) -> Json:
    """Return the items of a list in the field's form. Raises NotNormal."""
    if any(isinstance(each, list | dict) for each in raw):
        raise NotNormal("holds a list in which not every item is a single value")
    items = [normalise(each, field) for each in raw]
    return [each for each in items if each not in (None, "")] or field.default


def _invalid_value(field: FieldMapping, error: NotNormal) -> Rejected:
    return _invalid(
        f'column "{field.column}" for field "{field.field}" {error}: correct the row or the mapping'
    )


def _keys(
    row: SourceRow, fields: dict[str, Json], mapping: Mapping, identity: str | None
) -> list[MatchKey]:
    """Return what the vendor is to recognise the contact by. Raises _Unfit."""
    names = [name for name in mapping.match_on if fields.get(name) not in (None, "")]
    keys = [_key(name, fields[name], mapping.regions.get(name)) for name in names]
    if identity is None:
        return keys
    if mapping.match_on and fields.get(mapping.match_on[0]) in (None, ""):
        return []
    return [
        MatchKey(
            identity, keys[0].value if mapping.match_on and keys else row.contact_id
        )
    ]


def _key(field: str, value: Json, region: str | None) -> MatchKey:
    what = f'field "{field}", a match key,'
    try:
        key = MatchKey(field, text(value), region)
    except NotNormal as error:
        raise _Unfit(what, str(error)) from None
    if len(key.value) > LONGEST_KEY:
        raise _Unfit(what, f"is longer than {LONGEST_KEY} characters")
    return key


def has_opted_out(row: SourceRow, mapping: Mapping) -> bool:
    """Return whether the row has opted its contact out."""
    if mapping.opted_out is None:
        return False
    return (
        dict(zip(mapping.columns, row.values, strict=True))[mapping.opted_out] is True
    )


class _Unfit(NotNormal):
    """A value is not valid for its field or column, which ``what`` names."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what


def _members(values: dict[str, Json], mapping: SetMapping | None) -> frozenset[str]:
    """Return a managed set's members. Raises _Unfit."""
    if mapping is None:
        return frozenset()
    members = [
        member for member, column in mapping.columns if _flag(column, values[column])
    ]
    if mapping.column:
        members += _listed(mapping.column, values[mapping.column])
    return frozenset(_name(mapping.prefix + member) for member in members)


def _name(member: str) -> str:
    """Return the name, if the vendor's answer can be read back with it.

    Raises _Unfit.
    """
    if not is_storable(member):
        raise _Unfit(
            "a tag or list",
            "holds a character that no text may hold (NUL, or half of a character)",
        )
    if len(member) > LONGEST_NAME:
        raise _Unfit("a tag or list", f"is longer than {LONGEST_NAME:,} characters")
    return member


def _flag(column: str, value: Json) -> bool:
    if isinstance(value, Unusable):
        raise _Unfit(f'column "{column}"', value.why)
    return value is True


def _listed(column: str, value: Json) -> Iterator[str]:
    """Return the members in an array, without those that are NULL or empty."""
    if isinstance(value, Unusable):
        raise _Unfit(f'column "{column}"', value.why)
    if value is None:
        return
    if not isinstance(value, list):
        raise _Unfit(f'column "{column}"', "holds no list")
    for item in value:
        if isinstance(item, bool | list | dict):
            raise _Unfit(
                f'column "{column}"',
                "holds a list in which not every item is a text or a number",
            )
        if item not in (None, ""):
            yield text(item)


def _invalid(message: str) -> Rejected:
    return Rejected(INVALID_VALUE, message, by_vendor=False)


def no_match_key(mapping: Mapping) -> Rejected:
    """Return the rejection of a contact without any match key."""
    return Rejected(
        "no_match_key",
        f"all match fields ({', '.join(mapping.match_on)}) are empty: fill one in, or add a field to match_on",
        by_vendor=False,
    )
