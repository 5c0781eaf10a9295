"""The mapping of a destination's file, in the form in which it is planned with."""

from __future__ import annotations

from syncengine.config.models import DestinationFile, FieldModel, MembersModel
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, SetMapping
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.planning.normalise import normalise


def contact_mapping(options: DestinationFile) -> ContactMapping:
    """Return the whole mapping.

    Raises NotNormal for a default that cannot be brought into its field's form.
    """
    fields = tuple(
        field_mapping(name, item, default=normalised_default(name, item))
        for name, item in options.fields.items()
    )
    return ContactMapping(
        fields=fields,
        tags=_set_mapping(options.tags),
        lists=_set_mapping(options.lists),
        match_on=options.match_on,
        on_null=options.on_null,
        on_unmap=options.on_unmap,
        opted_out=options.opted_out,
    )


def field_mapping(name: str, item: FieldModel, *, default: Json = None) -> FieldMapping:
    """Return the mapping of one field."""
    return FieldMapping(
        field=name,
        column=item.column,
        form=item.form,
        region=item.region,
        default=default,
        on_invalid=item.on_invalid,
        zone=item.zone,
    )


def normalised_default(name: str, item: FieldModel) -> Json:
    """Return a field's default in the form of the field. Raises NotNormal."""
    return normalise(item.default, field_mapping(name, item))


def _set_mapping(options: MembersModel | None) -> SetMapping | None:
    if options is None:
        return None
    return SetMapping(options.column, tuple(options.columns.items()), options.prefix)
