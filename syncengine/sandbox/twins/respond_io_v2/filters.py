"""Search and filter of lists at respond.io v2.

The body of a list names conditions, joined by "and" or by "or"::

    {"search": "", "timezone": "Etc/UTC", "filter": {"$or": [
        {"category": "contactField", "field": "phone", "operator": "isEqualTo",
         "value": "49171234567"}]}}

Each becomes a function (``Condition``) that looks at a contact as reads show it.
Categories and operators are observed in the vendor's SDK; we play those that the
adapter could use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from syncengine.model.http import Json
from syncengine.sandbox.twins.respond_io_v2.store import PLAIN, FieldValue, text_of
from syncengine.sandbox.twins.respond_io_v2.wire import invalid

Condition: TypeAlias = Callable[[Json], bool]
"""Returns whether a contact, as reads show it, passes."""
_SEARCHED = ("firstName", "lastName", "phone", "email")
"""The fields that ``search`` looks through."""


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """The search and the filter of a list: see ``filter_of``."""

    search: str
    conditions: tuple[Condition, ...]
    needs_all: bool
    """True where a contact must pass every condition, else one of them."""

    def passes(self, shown: Json) -> bool:
        """Return whether a contact, as reads show it, is on the list."""
        words = " ".join(str(shown[name] or "") for name in _SEARCHED)
        if self.search.lower() not in words.lower():
            return False
        if not self.conditions:
            return True
        hits = (condition(shown) for condition in self.conditions)
        if self.needs_all:
            return all(hits)
        return any(hits)


def filter_of(
    body: Mapping[str, Json], checkboxes: frozenset[str], *, any_case: bool
) -> ContactFilter:
    """Return the search and the filter of a list's body.

    ``checkboxes`` names the custom fields of this type, ``any_case`` lets values differ
    in capitalisation. Raises TwinRefusalError.
    """
    search = body.get("search")
    where = body.get("filter")
    # Observed: the search has to be there, even empty, and so has the time zone.
    incomplete = invalid("search, timezone and filter are required")
    if not isinstance(search, str) or not isinstance(where, dict):
        raise incomplete
    if not body.get("timezone"):
        raise incomplete
    # Empty (every contact passes), or one list of conditions.
    if len(where) > 1 or not where.keys() <= {"$and", "$or"}:
        raise invalid("filter")
    needs_all = "$or" not in where
    joined_by = "$and" if needs_all else "$or"
    conditions = tuple(
        _condition(given, checkboxes, any_case=any_case)
        for given in where.get(joined_by, [])
    )
    return ContactFilter(search, conditions, needs_all)


def equal_values_of(body: Mapping[str, Json]) -> list[FieldValue] | None:
    """Return the fields and values one of which a contact must have to pass a filter.

    With these the contacts can be taken from the index. None where the filter asks for
    anything else. The filter must be valid.
    """
    conditions = body["filter"].get("$or")
    if not conditions:
        return None
    for each in conditions:
        if each["category"] != "contactField" or each["operator"] != "isEqualTo":
            return None
    return [FieldValue(each["field"], each.get("value")) for each in conditions]


def is_plain_phone(value: str) -> bool:
    """Return whether a phone is digits with its country code, behind a + or none."""
    return re.fullmatch(r"\+?[1-9][0-9]{3,17}", value) is not None


def _condition(given: Json, checkboxes: frozenset[str], *, any_case: bool) -> Condition:
    """Return the function for one condition of a filter. Raises TwinRefusalError."""
    match given:
        case {
            "category": "contactField",
            "field": str(name),
            "operator": str(operator),
        }:
            value = given.get("value")
            compares_checkbox = name in checkboxes and operator == "isEqualTo"
            # Observed: the text "true" is 400 here, although reads show just that.
            if compares_checkbox and not isinstance(value, bool):
                raise invalid("a checkbox is compared with a boolean")
            return _compares(
                operator, lambda shown: _value(shown, name), value, any_case=any_case
            )
        case {"category": "lifecycle", "operator": str(operator)}:
            value = given.get("value")
            return _compares(
                operator, lambda shown: shown["lifecycle"], value, any_case=any_case
            )
        case {"category": "contactTag", "operator": str(operator), "value": list(tags)}:
            return _compares_tags(operator, frozenset(tags))
        case _:
            raise invalid("filter")


def _value(shown: Json, name: str) -> Json:
    """Return the value of a plain or custom field of a contact."""
    if name in PLAIN:
        return shown[name]
    for pair in shown["custom_fields"] or ():
        if pair["name"] == name:
            return pair["value"]
    return None


def _compares(
    operator: str, field: Callable[[Json], Json], value: Json, *, any_case: bool
) -> Condition:
    """Return the condition that compares what ``field`` returns with a value."""

    def form(each: Json) -> str:
        # Values are compared as text: reads show custom fields so.
        text = str(text_of(each) or "")
        return text.casefold() if any_case else text

    match operator:
        case "isEqualTo":
            return lambda shown: form(field(shown)) == form(value)
        case "isNotEqualTo":
            return lambda shown: form(field(shown)) != form(value)
        case "exists":
            return lambda shown: field(shown) not in (None, "")
        case "doesNotExist":
            return lambda shown: field(shown) in (None, "")
        case _:
            raise invalid(f"operator {operator}")


def _compares_tags(operator: str, tags: frozenset[str]) -> Condition:
    """Return the condition that compares the tags of a contact with others."""
    match operator:
        case "hasAnyOf":
            return lambda shown: not tags.isdisjoint(shown["tags"])
        case "hasAllOf":
            return lambda shown: tags <= set(shown["tags"])
        case "hasNoneOf":
            return lambda shown: tags.isdisjoint(shown["tags"])
        case _:
            raise invalid(f"operator {operator}")
