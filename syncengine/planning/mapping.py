"""Turn a source row into the contact it asks for."""

from __future__ import annotations

from syncengine.model.calls import Rejected
from syncengine.model.contact import LISTS, Desired, MatchKey
from syncengine.model.http import Json
from syncengine.model.mapping import Mapping, OnNull, SetMapping
from syncengine.model.work import SourceRow
from syncengine.planning.normalise import NotNormal, normalise, text


def desire(row: SourceRow, mapping: Mapping, identity: str | None) -> Desired | Rejected:
    """What the row asks for, or why it cannot be asked of anybody (a value that is not what its field needs).

    ``identity`` is the vendor's only identity where it has one (``Capabilities.identity``): its value is the first
    match field, or the contact id.
    """
    values = dict(zip(mapping.columns, row.values, strict=True))
    fields: dict[str, Json] = {}
    for field in mapping.fields:
        try:
            value = normalise(values[field.column], field)
        except NotNormal as error:
            return Rejected(
                "invalid_value",
                f'column "{field.column}" for field "{field.field}" {error}: correct the row or the mapping',
                by_vendor=False,
            )
        if value is None:
            value = field.default
        if value is not None or mapping.on_null is OnNull.CLEAR:
            fields[field.field] = value
    keys = [MatchKey(name, text(fields[name])) for name in mapping.match_on if fields.get(name) not in (None, "")]
    if identity is not None:
        keys = [MatchKey(identity, keys[0].value if mapping.match_on and keys else row.contact_id)]
        if mapping.match_on and fields.get(mapping.match_on[0]) in (None, ""):
            keys = []
    fields |= {LISTS + member: True for member in sorted(_members(values, mapping.lists))}
    return Desired(
        row.contact_id,
        fields,
        _members(values, mapping.tags),
        tuple(keys),
        manages_lists=mapping.lists is not None,
    )


def has_opted_out(row: SourceRow, mapping: Mapping) -> bool:
    """Whether the row says that nothing is to be sent about its contact."""
    if mapping.opted_out is None:
        return False
    return dict(zip(mapping.columns, row.values, strict=True))[mapping.opted_out] is True


def _members(values: dict[str, Json], mapping: SetMapping | None) -> frozenset[str]:
    """A managed set's members."""
    if mapping is None:
        return frozenset()
    members = [member for member, column in mapping.columns if values[column] is True]
    if mapping.column:
        held = values[mapping.column]
        members += [str(item) for item in (held if isinstance(held, list) else [held]) if item not in (None, "")]
    return frozenset(mapping.prefix + member for member in members)


def no_match_key(mapping: Mapping) -> Rejected:
    """The refusal of a contact that nobody could recognise."""
    return Rejected(
        "no_match_key",
        f"all match fields ({', '.join(mapping.match_on)}) are empty: fill one in, or add a field to match_on",
        by_vendor=False,
    )
