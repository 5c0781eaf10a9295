"""Search of contacts at HubSpot, which shows what they held some seconds ago.

Documented: a search finds a new or changed contact only after a few moments. The index
therefore takes each write in when it is due, and shows its contacts as they were then,
also those that are gone by now.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeAlias

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.hubspot.properties import (
    PHONE_OF,
    HubSpotProperty,
    InvalidValueError,
    comparable,
    local_number,
)
from syncengine.sandbox.twins.hubspot.wire import invalid_request
from syncengine.sandbox.twins.kit.requests import positive_number

# All documented.
_MAX_GROUPS = 5
_MAX_FILTERS_PER_GROUP = 6
_MAX_FILTERS = 18
_MAX_PER_PAGE = 200
_MAX_ROWS = 10_000
_MAX_BODY = 3000  # characters
_SEARCHED = ("email", "firstname", "lastname", "phone", "company")
"""The properties that ``query`` looks through."""
_Definitions: TypeAlias = Mapping[str, HubSpotProperty]
_Values: TypeAlias = Mapping[str, str]


class SearchRow(NamedTuple):
    """A contact as the index knows it."""

    id: str
    values: _Values


class HubSpotSearchIndex:
    """The contacts as searches show them."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, str, _Values | None]] = deque()
        """Writes that searches do not show yet, with the time from which they do."""
        self._rows: dict[str, _Values] = {}
        self._ids: dict[str, defaultdict[str, dict[str, None]]] = {}
        """By property and by the form of its value: ids. A property is here once a
        search has asked for it, so that the others cost nothing."""

    def note(self, due: float, contact_id: str, values: _Values | None) -> None:
        """Show these values from ``due`` on; None: the contact is gone.

        ``values`` must not change any more.
        """
        self._waiting.append((due, contact_id, values))

    def settle(self, now: float, definitions: _Definitions) -> None:
        """Take in what is due."""
        while self._waiting and self._waiting[0][0] <= now:
            _, contact_id, values = self._waiting.popleft()
            self._put(contact_id, values, definitions)

    def rows(self, search: HubSpotSearch, definitions: _Definitions) -> list[SearchRow]:
        """Return the contacts that pass a search, in the order of their creation."""
        found = []
        for contact_id in self._candidates(search, definitions):
            values = self._rows[contact_id]
            if search.passes(values, definitions):
                found.append(SearchRow(contact_id, values))
        found.sort(key=lambda row: int(row.id))
        return found

    def _put(
        self, contact_id: str, values: _Values | None, definitions: _Definitions
    ) -> None:
        before = self._rows.pop(contact_id, {})
        if values is not None:
            self._rows[contact_id] = values
        for name, ids in self._ids.items():
            ids[_form(name, before, definitions)].pop(contact_id, None)
            if values is not None:
                ids[_form(name, values, definitions)][contact_id] = None

    def _candidates(
        self, search: HubSpotSearch, definitions: _Definitions
    ) -> Iterable[str]:
        """Return the ids of contacts that may pass.

        To find them by their values spares a walk over all contacts.
        """
        wanted = [
            next((each for each in group if each.equals is not None), None)
            for group in search.groups
        ]
        if not wanted or None in wanted:
            return list(self._rows)
        found: dict[str, None] = {}
        for each in wanted:
            if each is not None:
                for value in each.equals or ():
                    found.update(self._with_value(each.name, value, definitions))
        return found

    def _with_value(
        self, name: str, value: str, definitions: _Definitions
    ) -> Mapping[str, None]:
        """Return the ids of the contacts whose value has a form."""
        if name not in self._ids:
            ids: defaultdict[str, dict[str, None]] = defaultdict(dict)
            for contact_id, values in self._rows.items():
                ids[_form(name, values, definitions)][contact_id] = None
            self._ids[name] = ids
        return self._ids[name].get(value, {})


def _form(name: str, values: _Values, definitions: _Definitions) -> str:
    """Return a contact's value in the form in which searches compare it."""
    if name in PHONE_OF:
        return local_number(values.get(PHONE_OF[name], ""))
    value = values.get(name, "")
    definition = definitions.get(name)
    if definition is not None and definition.kind == "phone":
        return local_number(value)
    return value.casefold()


# --- what is asked for ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """One condition of a search."""

    name: str
    passes: Callable[[str, str], bool]
    """Returns whether a value passes, given in the form of searches and as it is."""
    equals: tuple[str, ...] | None = None
    """The forms that it asks for, where it asks for equal values."""


@dataclass(frozen=True, slots=True)
class HubSpotSearch:
    """A search; a contact must pass every filter of one of its groups."""

    query: str
    groups: tuple[tuple[SearchFilter, ...], ...]
    properties: tuple[str, ...]
    start: int
    limit: int

    def passes(self, values: _Values, definitions: _Definitions) -> bool:
        """Return whether a contact with these values is found."""
        words = " ".join(values.get(name, "") for name in _SEARCHED)
        if self.query.casefold() not in words.casefold():
            return False
        if not self.groups:
            return True
        return any(
            all(
                each.passes(
                    _form(each.name, values, definitions), values.get(each.name, "")
                )
                for each in group
            )
            for group in self.groups
        )


def search_of(
    body: Mapping[str, Json], size: int, definitions: _Definitions
) -> HubSpotSearch:
    """Return the search of a body of so many characters. Raises TwinRefusalError."""
    if size > _MAX_BODY:
        raise invalid_request("The request body is longer than 3000 characters")
    given = body.get("filterGroups") or []
    if not isinstance(given, list) or len(given) > _MAX_GROUPS:
        raise invalid_request("filterGroups: too many, or not a list")
    groups = tuple(_group_of(group, definitions) for group in given)
    if sum(map(len, groups)) > _MAX_FILTERS:
        raise invalid_request("filterGroups: too many filters")
    limit = body.get("limit", 10)
    if not isinstance(limit, int) or not 1 <= limit <= _MAX_PER_PAGE:
        raise invalid_request(f"limit must be between 1 and {_MAX_PER_PAGE}")
    start = _start_of(body.get("after") or "0")
    if start + limit > _MAX_ROWS:
        raise invalid_request(f"after: there are only {_MAX_ROWS} results of a search")
    properties = tuple(body.get("properties") or ())
    return HubSpotSearch(body.get("query") or "", groups, properties, start, limit)


def _start_of(after: Json) -> int:
    """Return the number of the row at which a page begins."""
    start = 0 if str(after) == "0" else positive_number(str(after))
    if start is None:
        raise invalid_request("after must be a whole number")
    return start


def _group_of(group: Json, definitions: _Definitions) -> tuple[SearchFilter, ...]:
    match group:
        case {"filters": list(filters)} if 1 <= len(filters) <= _MAX_FILTERS_PER_GROUP:
            return tuple(_filter_of(each, definitions) for each in filters)
        case _:
            raise invalid_request("filterGroups: 1 to 6 filters in each")


def _filter_of(given: Json, definitions: _Definitions) -> SearchFilter:
    """Return one filter. Raises TwinRefusalError."""
    match given:
        case {"propertyName": str(name), "operator": str(operator)}:
            pass
        case _:
            raise invalid_request("filters: propertyName, operator")
    if name not in definitions:
        raise invalid_request(f"There is no property {name}")
    if operator in ("EQ", "NEQ", "IN", "NOT_IN"):
        return _equality(definitions[name], operator, given)
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        wants_value = operator == "HAS_PROPERTY"
        return SearchFilter(name, lambda form, _: (form != "") is wants_value)
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        pattern = _text(given.get("value")).casefold()
        wants_token = operator == "CONTAINS_TOKEN"
        return SearchFilter(
            name, lambda form, _: _has_token(form, pattern) is wants_token
        )
    return _comparison(definitions[name], operator, given)


def _equality(
    definition: HubSpotProperty, operator: str, given: Mapping[str, Json]
) -> SearchFilter:
    """Return a filter for equal values, or for others."""
    if operator in ("EQ", "NEQ"):
        forms: tuple[str, ...] = (_asked(definition, _text(given.get("value"))),)
    else:
        values = given.get("values")
        if not isinstance(values, list) or not values:
            raise invalid_request("filters: values")
        # Documented: only values in lower case are found, so they are not folded here.
        forms = tuple(
            _asked(definition, each) if definition.kind == "phone" else each
            for each in map(_text, values)
        )
    if operator in ("EQ", "IN"):
        return SearchFilter(definition.name, lambda form, _: form in forms, forms)
    return SearchFilter(definition.name, lambda form, _: form not in forms)


def _asked(definition: HubSpotProperty, value: str) -> str:
    """Return the value of a filter in the form of searches.

    Documented: a country code is not left out here, and then nobody is found.
    """
    if definition.kind == "phone" or definition.name in PHONE_OF:
        return digits(value).lstrip("0")
    return value.casefold()


def _comparison(
    definition: HubSpotProperty, operator: str, given: Mapping[str, Json]
) -> SearchFilter:
    """Return a filter for lesser or greater values. Raises TwinRefusalError."""
    try:
        low = comparable(definition.kind, _text(given.get("value")))
        high = comparable(
            definition.kind, _text(given.get("highValue") or given["value"])
        )
    except InvalidValueError as error:
        raise invalid_request(f"filters: {error}") from None
    comparisons: dict[str, Callable[[float], bool]] = {
        "LT": lambda number: number < low,
        "LTE": lambda number: number <= low,
        "GT": lambda number: number > low,
        "GTE": lambda number: number >= low,
        "BETWEEN": lambda number: low <= number <= high,
    }
    if operator not in comparisons:
        raise invalid_request(f"filters: operator {operator}")
    compare = comparisons[operator]
    return SearchFilter(
        definition.name,
        lambda _, value: value != "" and compare(comparable(definition.kind, value)),
    )


def _has_token(form: str, pattern: str) -> bool:
    """Return whether a word of a value fits a pattern, in which * stands for any."""
    words: Sequence[str] = re.findall(r"[^\s@.,;]+", form)
    return any(fnmatchcase(word, pattern) for word in (form, *words))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise invalid_request("filters: value")
    return value
