"""Columns that somebody names by hand: what speaks against them, before all is asked.

``check`` would find the same later, by the same rules.
"""

from __future__ import annotations

from phonenumbers import SUPPORTED_REGIONS

from syncengine.config.problems import near
from syncengine.model.capabilities import matches
from syncengine.model.columns import SampledSource, SourceColumn
from syncengine.model.proposals import ProposedField, VendorFields
from syncengine.planning.proposal import with_usual_form
from syncengine.storage.source.column_types import (
    Column,
    Purpose,
    Several,
    Use,
    is_key,
    unfit,
)

_SHOWN = 30
"""Number of columns listed in a message."""


def table_complaint(source: SampledSource) -> str | None:
    """Return why contacts cannot be read from a table; None where they can."""
    if any(column.readable for column in source.columns):
        return None
    return f"{source.label} may not be read by this role: grant it SELECT"


def column_complaint(
    source: SampledSource, name: str, purpose: Purpose = None
) -> str | None:
    """Return why a column cannot serve a purpose; None where it can."""
    column = source.column(name)
    if column is None:
        return _unknown(source, name)
    if not column.readable:
        return f'column "{name}" may not be selected by this role: grant it SELECT'
    why = unfit(_typed(column), purpose)
    return None if why is None else f'column "{name}" {why}'


def key_complaint(source: SampledSource, name: str) -> str | None:
    """Return why a column cannot be the key; None where it can."""
    column = source.column(name)
    if column is None or not column.readable:
        return column_complaint(source, name)
    if not is_key(_typed(column)):
        return (
            f'column "{name}" has type {column.type_name}, whose text cannot tell '
            "contacts apart for sure; name one of whole numbers, text or uuid"
        )
    return None


def tags_complaint(source: SampledSource, name: str) -> str | None:
    """Return why a column cannot hold tags; None where it can."""
    return column_complaint(source, name, Use.MEMBERS)


def opt_out_complaint(source: SampledSource, name: str) -> str | None:
    """Return why a column cannot be the opt-out; None where it can."""
    return column_complaint(source, name, Use.FLAG)


def field_complaint(
    source: SampledSource, vendor: VendorFields, wished: ProposedField
) -> str | None:
    """Return why a field cannot be read from the column; None where it can."""
    form = with_usual_form(wished, source).form
    purpose: Purpose = form
    if form is not None and matches(wished.field, vendor.several):
        purpose = Several(form)
    return column_complaint(source, wished.column, purpose)


def match_complaint(
    names: tuple[str, ...], mapped: set[str], vendor: VendorFields
) -> str | None:
    """Return why contacts cannot be found by these fields; None where they can."""
    for name in names:
        if name not in mapped:
            listed = ", ".join(sorted(mapped))
            return f'"{name}" is not mapped (these are: {listed}){near(name, mapped)}'
        if not matches(name, vendor.match_keys):
            keys = ", ".join(vendor.match_keys).replace("*", "NAME")
            what = f"{vendor.name} does not find contacts by {name}, but by {keys}"
            if vendor.more_keys:
                what += f"; others have to be named in settings.{vendor.more_keys}"
            return what
    return None if names else "name one field at least"


def region_complaint(region: str) -> str | None:
    """Return why a text is no country; None where it is one."""
    if region in SUPPORTED_REGIONS:
        return None
    return (
        f'"{region}" is no country: write its two capital letters by ISO 3166, such '
        "as DE, GB or US"
    )


def _unknown(source: SampledSource, name: str) -> str:
    names = [column.name for column in source.columns]
    listed = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        listed += f" and {len(names) - _SHOWN} more"
    return (
        f'column "{name}" is not in {source.label} (it has: {listed})'
        f"{near(name, names)}"
    )


def _typed(column: SourceColumn) -> Column:
    """Return a column as the rules about types know it."""
    return Column(column.name, column.type_name, column.kind, column.is_array, "")
