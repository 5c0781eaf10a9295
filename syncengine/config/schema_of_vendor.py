"""Rules of one vendor for a destination's file, as JSON Schema.

``config.schema`` asks for them per vendor; they are the counterpart of
``config.rules``, which judges a file once it is read. Nobody writes them by hand: they
follow from the vendor's capabilities, which any adapter declares.

Capabilities may depend on settings: one adapter takes tags only with ``api: v2``, say.
So the adapter is built once with its usual settings, and once for each value of each
setting. Settings that make a difference are *deciding*, and the schema gets a condition
for every combination of their values::

    {"if": settings has api v2, "then": the rules with v2}

JSON Schema in three idioms that return here: ``{"properties": {KEY: S}}`` judges KEY
only where it is written; ``{"required": [KEY]}`` asks that it is written;
``{"not": {}}`` allows nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import SecretStr

from syncengine.config import schema_texts as texts
from syncengine.config.rules import has_lists, has_tags, written_fields
from syncengine.config.schema_texts import Schema
from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.planning.waves import largest_wave
from syncengine.vendors.kit.settings import VendorSettings, lists_names
from syncengine.vendors.kit.spec import VendorSpec

_PROBE = "syncengine-probe"
"""Text of a setting that may be any text."""
_USUAL = ("phone", "email", "firstName", "lastName", "crm_id", "id", "external_id")
"""Names by which it is checked that a field is mapped where a vendor takes any name: a
schema cannot say "whatever is in this list is a key over there"."""
_NEVER: Schema = {"not": {}}
"""Schema that no value fits."""
_NO_TEXT = "(?!)"
"""Expression that no text fits."""


def of_vendor(spec: VendorSpec) -> list[Schema]:
    """Return what has to hold of every file that names this vendor."""
    finder = _finder(spec)
    rules = list(_rules_whatever_is_set(spec))
    deciding = _deciding_settings(spec, finder)
    # One combination without any setting, where none is deciding.
    for values in itertools.product(*deciding.values()):
        chosen = dict(zip(deciding, values, strict=True))
        rules_then = _rules(spec, chosen, finder)
        conditions = [_is(spec.settings, name, value) for name, value in chosen.items()]
        if conditions:
            rules.append({"if": {"allOf": conditions}, "then": rules_then})
        else:
            rules.append(rules_then)
    return rules


def _deciding_settings(
    spec: VendorSpec, finder: str | None
) -> dict[str, tuple[Any, ...]]:
    """Return the settings that the capabilities depend on, with all their values."""
    usual_rules = _rules(spec, {}, finder)
    deciding: dict[str, tuple[Any, ...]] = {}
    for name in spec.settings.model_fields:
        values = _values(spec.settings, name)
        for value in values:
            if _rules(spec, {name: value}, finder) != usual_rules:
                deciding[name] = values
                break
    return deciding


def _rules_whatever_is_set(spec: VendorSpec) -> Iterator[Schema]:
    """Yield what no setting changes."""
    if spec.max_in_flight is not None:
        in_flight = texts.number(whole=True, low=1, high=spec.max_in_flight)
        yield {"properties": {"in_flight": in_flight}}
    # Only an opt-out may be lowered: one that the file names, or one of the vendor's
    # own.
    names_opt_outs = {
        "properties": {"opt_outs": {"minProperties": 1}},
        "required": ["opt_outs"],
    }
    own_opt_outs = texts.matching(list(spec.settings.OPT_OUTS)) or _NO_TEXT
    lowers_own = {"properties": {"lower_opt_outs": _each_name(own_opt_outs)}}
    yield _in_settings({"if": {"not": names_opt_outs}, "then": lowers_own})


def _values(settings: type[VendorSettings], name: str) -> tuple[Any, ...]:
    """Return the values that a setting may have, as far as there are only some.

    An optional text may be there or not. Empty for all other settings: capabilities are
    taken not to depend on them.
    """
    info = settings.model_fields[name]
    if info.annotation is bool:
        return (False, True)
    if info.default is None:
        return (None, _PROBE)
    # The members of a Literal; a list of choices has texts alone.
    choices = get_args(info.annotation)
    if all(isinstance(choice, str) for choice in choices):
        return choices
    return ()


def _is(settings: type[VendorSettings], name: str, value: Any) -> Schema:
    """Return the condition that a setting has a value, written or by default."""
    if value == _PROBE:
        any_text = texts.text(empty=False)
        return _in_settings({"properties": {name: any_text}, "required": [name]})
    if value is None:
        nothing = {"anyOf": [texts.nothing(), {"type": "null"}]}
        return _in_settings({"properties": {name: nothing}})
    written: Schema = {"const": value}
    if isinstance(value, bool):
        written = {"anyOf": [written, texts.spelled(value)]}
    # A key that is not written has its default.
    is_default = settings.model_fields[name].default == value
    required = [] if is_default else [name]
    return _in_settings({"properties": {name: written}, "required": required})


def _in_settings(condition: Schema) -> Schema:
    """Return that a condition holds of the key ``settings``."""
    return {"properties": {"settings": condition}}


def _finder(spec: VendorSpec) -> str | None:
    """Return the setting that lists the fields by which contacts are found, if any.

    It is found by trying: the look-up by a made-up field works only if the setting
    names that field.
    """
    for name, info in spec.settings.model_fields.items():
        if not lists_names(info):
            continue
        if capabilities_with(spec, {name: (_PROBE,)}).find_by == (_PROBE,):
            return name
    return None


def capabilities_with(spec: VendorSpec, setting: Mapping[str, Any]) -> Capabilities:
    """Return the vendor's capabilities with these settings, whatever else is needed."""
    made_up: dict[str, Any] = {}
    for name, info in spec.settings.model_fields.items():
        if info.is_required():
            is_secret = "Secret" in str(info.annotation)
            made_up[name] = SecretStr(_PROBE) if is_secret else _PROBE
    made_up["base_url"] = "https://vendor.invalid"
    # ``model_construct`` does not validate: what is made up would not pass.
    settings = spec.settings.model_construct(**{**made_up, **setting})
    capabilities: Capabilities = spec.build(settings).capabilities
    return capabilities


def _rules(spec: VendorSpec, setting: Mapping[str, Any], finder: str | None) -> Schema:
    """Return what the vendor asks for with these settings."""
    capabilities = capabilities_with(spec, setting)
    parts = [
        *_of_sets(capabilities),
        *_of_limits(capabilities),
        *_of_fields(capabilities),
        *_of_match_fields(capabilities, spec, finder),
    ]
    return {"allOf": parts}


def _of_sets(capabilities: Capabilities) -> Iterator[Schema]:
    """Yield that there are no tags or lists where the vendor has none."""
    if not has_tags(capabilities):
        yield {"properties": {"tags": _NEVER}}
    if not has_lists(capabilities):
        yield {"properties": {"lists": _NEVER}}


def _of_limits(capabilities: Capabilities) -> Iterator[Schema]:
    """Yield that a limit of items lets the vendor's largest request through."""
    largest = largest_wave(capabilities)
    if largest > 1:
        enough = {"properties": {"items": texts.number(whole=True, low=largest)}}
        yield {"properties": {"limits": {"items": enough}}}


def _of_fields(capabilities: Capabilities) -> Iterator[Schema]:
    """Yield which fields may be mapped, which must be, and their defaults."""
    patterns = written_fields(capabilities)
    are_fields = {"pattern": rf"^(?:{texts.matching(patterns)}){texts.END}"}
    yield {"properties": {"fields": {"propertyNames": are_fields}}}
    for choice in capabilities.choices:
        yield _default_of(choice.field, texts.choice(choice))
    for name in capabilities.whole_numbers:
        yield _default_of(name, texts.whole_number())
    yield from _of_creation(capabilities)
    yield _in_settings({"properties": {"opt_outs": {"propertyNames": are_fields}}})
    # An opt-out is a field of the mapping.
    for name in _single_names(patterns):
        yield {"if": _in_settings(_names_opt_out(name)), "then": _maps(name)}


def _of_creation(capabilities: Capabilities) -> Iterator[Schema]:
    """Yield the fields without which the vendor creates no contact.

    One way to create it is enough, and none may need nothing.
    """
    creating: list[Write] = [
        write for write in (capabilities.upsert, capabilities.create) if write
    ]
    if creating and all(write.must_carry for write in creating):
        yield {"anyOf": [_maps(*write.must_carry) for write in creating]}


def _names_opt_out(name: str) -> Schema:
    """Return, of the settings, that this field is among ``opt_outs``."""
    return {
        "properties": {"opt_outs": {"required": [name]}},
        "required": ["opt_outs"],
    }


def _default_of(name: str, schema: Schema) -> Schema:
    """Return that the default of a field fits a schema."""
    field = {"properties": {"default": schema}}
    return {"properties": {"fields": {"properties": {name: field}}}}


def _maps(*names: str) -> Schema:
    """Return that all these fields are mapped."""
    return {"properties": {"fields": {"required": list(names)}}}


def _of_match_fields(
    capabilities: Capabilities, spec: VendorSpec, finder: str | None
) -> Iterator[Schema]:
    """Yield what is asked of the match fields."""
    upsert_keys = capabilities.upsert_keys
    found_by = capabilities.find_by
    if finder is not None:
        # Any field may be a match field, as long as the setting names it.
        found_by = capabilities.create.fields if capabilities.create else ("*",)
        yield from _findable(spec, finder, found_by)
    usable: tuple[str, ...] = (*found_by, *upsert_keys)
    if capabilities.identity:
        usable = (capabilities.identity,)
    yield {"properties": {"match_on": _each_name(texts.matching(usable))}}
    if upsert_keys:
        yield {"anyOf": [_matches_on(texts.literal(name)) for name in upsert_keys]}
    elif capabilities.identity is None:
        # Without keys of the vendor's own, there has to be some match field.
        yield _matches_on(r"[\s\S]+")
    # That a match field is mapped can be said only of names known beforehand.
    for name in _single_names(usable):
        yield {"if": _matches_on(texts.literal(name)), "then": _maps(name)}
        yield {"if": _matches_on_alone(name), "then": _is_never_skipped(name)}


def _is_never_skipped(name: str) -> Schema:
    """Return that an invalid value of this field must not be left out."""
    skips = {
        "type": "object",
        "properties": {"on_invalid": {"const": "skip"}},
        "required": ["on_invalid"],
    }
    return {"properties": {"fields": {"properties": {name: {"not": skips}}}}}


def _findable(spec: VendorSpec, finder: str, fields: Sequence[str]) -> Iterator[Schema]:
    """Yield that match fields are among those a setting names.

    ``finder`` is that setting, ``fields`` are the patterns of fields that a contact may
    be found by. The setting may be left out where its default will do.
    """
    default_names = spec.settings.model_fields[finder].default
    for pattern in fields:
        fits = texts.matching((pattern,))
        fits_default = any(matches(name, (pattern,)) for name in default_names)
        required = [] if fits_default else [finder]
        among = {"properties": {finder: _some_name(fits)}, "required": required}
        yield {"if": _matches_on(fits), "then": _in_settings(among)}


def _single_names(patterns: Sequence[str]) -> list[str]:
    """Return names that fit the patterns.

    These are the patterns that are a name, and the usual names where any name fits.
    """
    names = [pattern for pattern in dict.fromkeys(patterns) if "*" not in pattern]
    if "*" in patterns:
        names += _USUAL
    return names


def _matches_on(body: str) -> Schema:
    """Return that some match field fits a regular expression."""
    return {"properties": {"match_on": _some_name(body)}, "required": ["match_on"]}


def _matches_on_alone(name: str) -> Schema:
    """Return that this is the only match field."""
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
