"""The properties of an account, and what of a mapping does not fit them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated

from syncengine.vendor import (
    NULL_AS_LIST,
    ContactMapping,
    FieldMapping,
    Form,
    ListOf,
    MappingProblem,
    ReplyModel,
    as_text,
)
from syncengine.vendors.hubspot.settings import HubSpotSettings, own_unique

_ENUMERATION = "enumeration"
_CHECKBOXES = "checkbox"
_TYPES = {
    Form.BOOLEAN: frozenset({"bool", "string", _ENUMERATION}),
    Form.NUMBER: frozenset({"number", "string", _ENUMERATION}),
    Form.DATE: frozenset({"date", "datetime", "string"}),
    Form.E164: frozenset({"string", "phone_number"}),
    Form.LOWER: frozenset({"string", _ENUMERATION}),
    Form.TEXT: frozenset({"string", "phone_number", _ENUMERATION}),
}
"""Types of properties that take a value in a form of the configuration."""
_MOST_NAMED = 12
"""Options that a message names at most."""


class _HubSpotOption(ReplyModel):
    value: str


class _HubSpotModification(ReplyModel):
    readOnlyValue: bool = False  # noqa: N815 - the vendor's spelling


class PropertyDefinition(ReplyModel):
    """The definition of a property."""

    name: str
    type: str = "string"
    fieldType: str = ""  # noqa: N815 - the vendor's spelling
    options: Annotated[ListOf[_HubSpotOption], NULL_AS_LIST] = ()
    hasUniqueValue: bool = False  # noqa: N815 - the vendor's spelling
    calculated: bool | None = False
    modificationMetadata: _HubSpotModification | None = None  # noqa: N815

    @property
    def is_read_only(self) -> bool:
        """Return whether HubSpot refuses to have it written."""
        changes = self.modificationMetadata
        return bool(self.calculated) or (changes is not None and changes.readOnlyValue)

    @property
    def values(self) -> tuple[str, ...]:
        """Return the values that it takes; none where it takes any."""
        if self.type != _ENUMERATION:
            return ()
        return tuple(option.value for option in self.options)


class PropertyDefinitions(ReplyModel):
    """All properties that the account has for contacts."""

    results: ListOf[PropertyDefinition]

    def by_name(self) -> Mapping[str, PropertyDefinition]:
        return {each.name: each for each in self.results}


def problems_of(
    mapping: ContactMapping, settings: HubSpotSettings, defined: PropertyDefinitions
) -> Iterator[MappingProblem]:
    """Yield everything in a destination's file that does not fit the account."""
    properties = defined.by_name()
    for field in mapping.fields:
        yield from _field_problems(field, settings, properties)
    for name in own_unique(settings.unique_properties):
        yield from _unique_problems(name, properties)
    for name in settings.phone_properties:
        if name not in properties:
            yield _undefined("settings.phone_properties", name, properties)
    if settings.tags_property is not None:
        yield from _tags_problems(settings.tags_property, mapping, properties)


def _field_problems(
    field: FieldMapping,
    settings: HubSpotSettings,
    properties: Mapping[str, PropertyDefinition],
) -> Iterator[MappingProblem]:
    key = f"fields.{field.field}"
    if field.field == settings.tags_property:
        what = "holds the tags (settings.tags_property): map it as tags, or as a field"
        yield MappingProblem(key, what)
    found = properties.get(field.field)
    if found is None:
        yield _undefined(key, field.field, properties)
        return
    if found.is_read_only:
        what = f'the property "{found.name}" is read-only in HubSpot: leave it out'
        yield MappingProblem(key, what)
        return
    if field.form is not None and found.type not in _TYPES[field.form]:
        what = (
            f'the property "{found.name}" is of the type {found.type}, which does not '
            f"take as: {field.form}; choose another form, or another property"
        )
        yield MappingProblem(f"{key}.as", what)
    if field.default is not None:
        yield from _option_problems(f"{key}.default", found, as_text(field.default))
    opted_out = settings.opt_outs.get(field.field)
    if opted_out is not None:
        place = f"settings.opt_outs.{field.field}"
        yield from _option_problems(place, found, as_text(opted_out))


def _option_problems(
    key: str, found: PropertyDefinition, value: str
) -> Iterator[MappingProblem]:
    """Yield that a fixed value is none of the options of its property."""
    if found.values and value not in found.values:
        named = ", ".join(found.values[:_MOST_NAMED])
        what = f'the property "{found.name}" takes only its options: {named}'
        yield MappingProblem(key, what)


def _unique_problems(
    name: str, properties: Mapping[str, PropertyDefinition]
) -> Iterator[MappingProblem]:
    key = "settings.unique_properties"
    found = properties.get(name)
    if found is None:
        yield _undefined(key, name, properties)
    elif not found.hasUniqueValue:
        what = (
            f'the property "{name}" is not defined as unique in HubSpot, which cannot be '
            "changed later: create another one that requires unique values"
        )
        yield MappingProblem(key, what)


def _tags_problems(
    name: str, mapping: ContactMapping, properties: Mapping[str, PropertyDefinition]
) -> Iterator[MappingProblem]:
    key = "settings.tags_property"
    found = properties.get(name)
    if found is None:
        yield _undefined(key, name, properties)
        return
    if (found.type, found.fieldType) != (_ENUMERATION, _CHECKBOXES):
        what = f'the property "{name}" has to be one with several checkboxes'
        yield MappingProblem(key, what)
        return
    if mapping.tags is None:
        return
    tags = [f"{mapping.tags.prefix}{member}" for member, _ in mapping.tags.columns]
    lacking = [tag for tag in tags if tag not in found.values]
    if lacking:
        what = f'the property "{name}" lacks the options: {", ".join(lacking)}'
        yield MappingProblem("tags.columns", what)


def _undefined(
    key: str, name: str, properties: Mapping[str, PropertyDefinition]
) -> MappingProblem:
    near = get_close_matches(name, properties, n=1)
    advice = f'; did you mean "{near[0]}"?' if near else ""
    what = (
        f'HubSpot has no property "{name}" for contacts: create it there, or correct '
        f"the name{advice}"
    )
    return MappingProblem(key, what)
