"""Rules of one vendor for a destination's file, as JSON Schema.

It is worked out from the vendor's capabilities. Where these depend on settings, they
are asked for with each value that the setting may have.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import SecretStr

from syncengine.config import schema_texts as texts
from syncengine.config.schema_texts import Schema
from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.vendors.kit.settings import VendorSettings, lists_names
from syncengine.vendors.kit.spec import VendorSpec

_PROBE = "syncengine-probe"
_USUAL = ("phone", "email", "firstName", "lastName", "crm_id", "id", "external_id")
"""Names by which it is checked that a field is mapped where a vendor takes any name."""
_NEVER: Schema = {"not": {}}
_NO_TEXT = "(?!)"


def of_vendor(module: VendorSpec) -> list[Schema]:
    """Return what has to hold of every file that names this vendor."""
    finder = _finder(module)
    values = {
        name: _values(module.settings, name) for name in module.settings.model_fields
    }
    usual = _rules(module, {}, finder)
    depends_on = [
        name
        for name, others in values.items()
        if any(_rules(module, {name: each}, finder) != usual for each in others)
    ]
    rules = list(_everywhere(module))
    for chosen in itertools.product(*(values[name] for name in depends_on)):
        setting = dict(zip(depends_on, chosen, strict=True))
        asked = _rules(module, setting, finder)
        conditions = [
            _is(module.settings, name, value) for name, value in setting.items()
        ]
        rules += (
            [{"if": {"allOf": conditions}, "then": asked}] if conditions else [asked]
        )
    return rules


def _everywhere(module: VendorSpec) -> Iterator[Schema]:
    """Yield what no setting changes."""
    if module.max_in_flight is not None:
        yield {
            "properties": {
                "in_flight": texts.number(whole=True, low=1, high=module.max_in_flight)
            }
        }
    own = list(module.settings.OPT_OUTS)
    named = {"properties": {"opt_outs": {"minProperties": 1}}, "required": ["opt_outs"]}
    lowered = {
        "properties": {"lower_opt_outs": _each_name(texts.matching(own) or _NO_TEXT)}
    }
    yield {"properties": {"settings": {"if": {"not": named}, "then": lowered}}}


def _values(settings: type[VendorSettings], name: str) -> tuple[Any, ...]:
    """Return the values that a setting may have, as far as there are only some.

    A text may be there or not. Values of other settings are never looked at.
    """
    info = settings.model_fields[name]
    if info.annotation is bool:
        return (False, True)
    if info.default is None:
        return (None, _PROBE)
    choices = get_args(info.annotation)
    return choices if choices and all(isinstance(each, str) for each in choices) else ()


def _is(settings: type[VendorSettings], name: str, value: Any) -> Schema:
    """Return the condition that a setting has a value, written or by default."""
    info = settings.model_fields[name]
    if value == _PROBE:
        return _in_settings(
            {"properties": {name: texts.text(empty=False)}, "required": [name]}
        )
    if value is None:
        return _in_settings(
            {"properties": {name: {"anyOf": [texts.nothing(), {"type": "null"}]}}}
        )
    spelled = (
        {"anyOf": [{"const": value}, texts.spelled(value)]}
        if isinstance(value, bool)
        else {"const": value}
    )
    required = [] if info.default == value else [name]
    return _in_settings({"properties": {name: spelled}, "required": required})


def _in_settings(condition: Schema) -> Schema:
    return {"properties": {"settings": condition}}


def _finder(module: VendorSpec) -> str | None:
    """Return the setting that lists the fields by which contacts are found, if any."""
    for name, info in module.settings.model_fields.items():
        if lists_names(info) and _capabilities(module, {name: (_PROBE,)}).find_by == (
            _PROBE,
        ):
            return name
    return None


def _capabilities(module: VendorSpec, setting: Mapping[str, Any]) -> Capabilities:
    given: dict[str, Any] = {
        name: SecretStr(_PROBE) if "Secret" in str(info.annotation) else _PROBE
        for name, info in module.settings.model_fields.items()
        if info.is_required()
    }
    settings = module.settings.model_construct(
        **{**given, "base_url": "https://vendor.invalid", **setting}
    )
    capabilities: Capabilities = module.build(settings).capabilities
    return capabilities


def _rules(
    module: VendorSpec, setting: Mapping[str, Any], finder: str | None
) -> Schema:
    """Return what the vendor asks for with these settings."""
    capabilities = _capabilities(module, setting)
    parts = [
        *_of_sets(capabilities),
        *_of_fields(capabilities),
        *_of_match_fields(capabilities, module, finder),
    ]
    return {"allOf": parts}


def _of_sets(capabilities: Capabilities) -> Iterator[Schema]:
    writes = capabilities.writes
    if not (capabilities.add_tags or any(write.add_tags != 0 for write in writes)):
        yield {"properties": {"tags": _NEVER}}
    if not (capabilities.join_lists or any(write.join_lists != 0 for write in writes)):
        yield {"properties": {"lists": _NEVER}}


def _of_fields(capabilities: Capabilities) -> Iterator[Schema]:
    patterns = tuple(
        dict.fromkeys(
            pattern for write in capabilities.writes for pattern in write.fields
        )
    )
    names = {"pattern": rf"^(?:{texts.matching(patterns)}){texts.END}"}
    yield {"properties": {"fields": {"propertyNames": names}}}
    for found in capabilities.choices:
        yield _default_of(found.field, texts.choice(found))
    for name in capabilities.whole_numbers:
        yield _default_of(name, texts.whole_number())
    firsts: list[Write] = [
        write for write in (capabilities.upsert, capabilities.create) if write
    ]
    if firsts and all(write.must_carry for write in firsts):
        yield {"anyOf": [_maps(*write.must_carry) for write in firsts]}
    yield _in_settings({"properties": {"opt_outs": {"propertyNames": names}}})
    for name in _single(patterns):
        named = {
            "properties": {"opt_outs": {"required": [name]}},
            "required": ["opt_outs"],
        }
        yield {"if": _in_settings(named), "then": _maps(name)}


def _default_of(name: str, schema: Schema) -> Schema:
    return {
        "properties": {
            "fields": {"properties": {name: {"properties": {"default": schema}}}}
        }
    }


def _maps(*names: str) -> Schema:
    return {"properties": {"fields": {"required": list(names)}}}


def _of_match_fields(
    capabilities: Capabilities, module: VendorSpec, finder: str | None
) -> Iterator[Schema]:
    """Yield what is asked of the match fields.

    That a name stands in ``fields`` can be said only of names known beforehand.
    """
    keyed_by = capabilities.upsert.keyed_by if capabilities.upsert else ()
    found_by = capabilities.find_by
    if finder is not None:
        found_by = capabilities.create.fields if capabilities.create else ("*",)
        yield from _findable(module, finder, found_by)
    usable = (
        (capabilities.identity,) if capabilities.identity else (*found_by, *keyed_by)
    )
    yield {"properties": {"match_on": _each_name(texts.matching(usable))}}
    if keyed_by:
        yield {"anyOf": [_matches_on(texts.literal(name)) for name in keyed_by]}
    elif capabilities.identity is None:
        yield _matches_on(r"[\s\S]+")
    for name in _single(usable):
        yield {"if": _matches_on(texts.literal(name)), "then": _maps(name)}
        skipped = {
            "properties": {"on_invalid": {"const": "skip"}},
            "required": ["on_invalid"],
        }
        left_alone = {
            "properties": {
                "fields": {"properties": {name: {"not": {"type": "object", **skipped}}}}
            }
        }
        yield {"if": _matches_on_alone(name), "then": left_alone}


def _findable(
    module: VendorSpec, finder: str, fields: Sequence[str]
) -> Iterator[Schema]:
    """Yield that match fields are among those a setting names."""
    usual = module.settings.model_fields[finder].default
    for pattern in fields:
        fits = texts.matching((pattern,))
        required = [] if any(matches(name, (pattern,)) for name in usual) else [finder]
        among = {"properties": {finder: _some_name(fits)}, "required": required}
        yield {"if": _matches_on(fits), "then": _in_settings(among)}


def _single(patterns: Sequence[str]) -> list[str]:
    """Return the names that fit the patterns: those with one name, or usual ones."""
    names = [pattern for pattern in dict.fromkeys(patterns) if "*" not in pattern]
    return [*names, *(_USUAL if "*" in patterns else ())]


def _matches_on(body: str) -> Schema:
    """Return that a match field fits."""
    return {"properties": {"match_on": _some_name(body)}, "required": ["match_on"]}


def _matches_on_alone(name: str) -> Schema:
    alone = {"anyOf": [{"const": name}, {"const": [name]}]}
    return {"properties": {"match_on": alone}, "required": ["match_on"]}


def _some_name(body: str) -> Schema:
    """Return that one of the names fits; one alone needs no list."""
    return {
        "anyOf": [texts.name(body), {"type": "array", "contains": texts.name(body)}]
    }


def _each_name(body: str) -> Schema:
    """Return that all of the names fit; one alone needs no list."""
    return {
        "if": {"type": "array"},
        "then": {"items": texts.name(body)},
        "else": texts.name(body),
    }
