"""Changes of a configuration by which opted-out contacts would be sent something. Pure.

A condition of SQL is compared as tokens: as a list of conditions joined by AND, each of
which is a set of alternatives joined by OR. That is enough to see that a condition is
the same, or stricter. Whatever it does not understand counts as looser, so that a
person is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from syncengine.model.consent_rules import ConsentRules
from syncengine.model.sql_tokens import is_same, tokens

_OF_CONSENT = re.compile(
    r"opt_?(?:in|out|ed)|consent|subscri|permi|agree|approv|allow|accept|revok|withdr"
    r"|objec|gdpr|dsgvo|rgpd|einwillig|zustimm|widerr|widerspr|newsletter|marketing"
    r"|mailing|contactable|reachable|do_?not|dnc|dnd|block|mute|stop|silent",
    re.IGNORECASE,
)
"""Words by which a condition is about consent."""
_OPEN = ("(", "[", "case")
_CLOSE = (")", "]", "end")
_SET_OPERATIONS = frozenset({"union", "intersect", "except"})
_AFTER_WHERE = frozenset(
    {"group", "having", "window", "order", "limit", "offset", "fetch", "for"}
)
_IS_TRUE = frozenset({("is", "true"), ("=", "true")})

_Tokens: TypeAlias = tuple[str, ...]
_Condition: TypeAlias = frozenset[_Tokens]
"""A condition as the alternatives that its ORs join; often there is one only."""


@dataclass(frozen=True, slots=True)
class Loosening:
    """Consent that a changed configuration no longer asks for."""

    loosened: tuple[str, ...] = ()
    """The changes by which consent may be asked for less, in words. Whether anybody is
    concerned today does not matter: somebody may opt out tomorrow."""
    selects_otherwise: bool = False
    """True where the source or its condition changed at all. That is looser if it
    brings back contacts which are known to have left or opted out."""

    @property
    def is_possible(self) -> bool:
        return bool(self.loosened or self.selects_otherwise)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Parts of the statement that selects the contacts."""

    conditions: tuple[_Condition, ...]
    """Conditions joined by AND: each of them has to hold."""
    head: tuple[_Tokens, ...]
    """The rest of a query: what it reads from where, and how it is ordered."""

    @property
    def words_of_conditions(self) -> list[str]:
        return _words_of(self.conditions)


def find_loosening(now: ConsentRules, before: ConsentRules) -> Loosening:
    """Return how the present rules may be looser than the former ones.

    A condition about consent that is written in another way counts as looser, unless it
    is certain to let through no more contacts.
    """
    loosened = [*_loosened_column(now, before), *_loosened_at_vendor(now, before)]
    present: set[str] = set()
    for text in (now.table, now.where, now.query):
        present.update(tokens(text or ""))
    for word in dropped_words(now, before):
        if word in present:
            loosened.append(f"the condition on {word} changed")
        else:
            loosened.append(f"{word} is no longer asked for")
    return Loosening(tuple(loosened), _selects_otherwise(now, before))


def dropped_words(now: ConsentRules, before: ConsentRules) -> tuple[str, ...]:
    """Return the words about consent in what is not asked for any more.

    Conditions are what is joined by AND. One is still asked for, wherever it stands
    now, if a present one has the same alternatives, or fewer of them.
    """
    former, present = _selection(before), _selection(now)
    dropped = [
        condition
        for condition in former.conditions
        if not _is_still_asked(condition, present)
    ]
    words = _words_of(dropped)
    for part in former.head:
        if part not in present.head:
            words += part
    # A column in a condition may be another one, where the query reads it in a new way.
    asked = set(former.words_of_conditions)
    for part in present.head:
        if part not in former.head:
            words += [word for word in part if word in asked]
    columns = {before.opted_out, now.opted_out}
    of_consent = [word for word in words if word in columns or _is_of_consent(word)]
    return tuple(dict.fromkeys(of_consent))


def _is_still_asked(condition: _Condition, present: _Selection) -> bool:
    return any(other <= condition for other in present.conditions)


def _words_of(conditions: Iterable[_Condition]) -> list[str]:
    words: list[str] = []
    for condition in conditions:
        # The alternatives are a set: sorted, so that a message is always the same.
        for alternative in sorted(condition):
            words += alternative
    return words


def _loosened_column(now: ConsentRules, before: ConsentRules) -> Iterator[str]:
    if before.opted_out is not None and now.opted_out != before.opted_out:
        column = now.opted_out or "not set"
        yield f"opted_out was {before.opted_out} and is now {column}"


def _loosened_at_vendor(now: ConsentRules, before: ConsentRules) -> Iterator[str]:
    for name, value in before.opt_outs.items():
        if name not in now.opt_outs:
            yield f"{name} is no longer an opt-out that is kept at the vendor"
        elif now.opt_outs[name] != value:
            yield f"another value of {name} means an opt-out at the vendor"


def _selects_otherwise(now: ConsentRules, before: ConsentRules) -> bool:
    pairs = (
        (before.where, now.where),
        (before.table, now.table),
        (before.query, now.query),
    )
    return any(not is_same(former or "", present or "") for former, present in pairs)


def _selection(rules: ConsentRules) -> _Selection:
    conditions, head = _parts_of_query(tokens(rules.query or ""))
    conditions = [*_conditions(tokens(rules.where or "")), *conditions]
    if rules.table:
        head.append(tokens(rules.table))
    return _Selection(tuple(conditions), tuple(head))


def _parts_of_query(query: _Tokens) -> tuple[list[_Condition], list[_Tokens]]:
    """Return the conditions of a query's WHERE, and the pieces of all else."""
    outside = [word if depth == 0 else "" for word, depth in _with_depth(query)]
    has_where = "where" in outside
    has_set_operation = not _SET_OPERATIONS.isdisjoint(outside)
    if not has_where or has_set_operation:
        return [], _pieces(query)
    start = outside.index("where")
    end = start + 1
    while end < len(query) and outside[end] not in _AFTER_WHERE:
        end += 1
    head = [*_pieces(query[:start]), *_pieces(query[end:])]
    return _conditions(query[start + 1 : end]), head


def _pieces(head: _Tokens) -> list[_Tokens]:
    """Split the head of a query into its columns and what they are read from."""
    if not head:
        return []
    if not _SET_OPERATIONS.isdisjoint(head):
        return [head]
    return _split(head, {",", "select", "from"})


def _conditions(expression: _Tokens) -> list[_Condition]:
    """Return what a condition joins by AND, each as its alternatives."""
    expression = _without_parentheses(expression)
    if not _is_balanced(expression):
        # Not understood: it is equal to itself only.
        return [frozenset({expression})]
    alternatives = _split(expression, {"or"})
    if len(alternatives) > 1:
        return [frozenset(_plain(each) for each in alternatives)]
    parts = _split(expression, {"and"})
    if len(parts) == 1:
        return [frozenset({_plain(expression)})]
    conditions: list[_Condition] = []
    for part in parts:
        conditions += _conditions(part)
    return conditions


def _split(expression: _Tokens, at: AbstractSet[str]) -> list[_Tokens]:
    """Split at each of these words outside parentheses, but at no AND of a BETWEEN."""
    parts: list[list[str]] = [[]]
    is_after_between = False
    for word, depth in _with_depth(expression):
        is_outside = depth == 0
        is_and_of_between = is_after_between and is_outside and word == "and"
        if is_outside and word in at and not is_and_of_between:
            parts.append([])
            continue
        if is_and_of_between:
            is_after_between = False
        elif is_outside and word == "between":
            is_after_between = True
        parts[-1].append(word)
    return [tuple(part) for part in parts if part]


def _plain(expression: _Tokens) -> _Tokens:
    """Return an expression without parentheses, and a column without ``IS TRUE``."""
    expression = _without_parentheses(expression)
    has_table = len(expression) == 5 and expression[1] == "."
    is_column = len(expression) == 3 or has_table
    if is_column and expression[-2:] in _IS_TRUE:
        return expression[:-2]
    return expression


def _with_depth(expression: _Tokens) -> Iterator[tuple[str, int]]:
    """Yield each token with the number of parentheses around it.

    An opening parenthesis is inside itself, a closing one is not.
    """
    depth = 0
    for word in expression:
        if word in _OPEN:
            depth += 1
        elif word in _CLOSE:
            depth -= 1
        yield word, depth


def _is_balanced(expression: _Tokens) -> bool:
    depths = [depth for _, depth in _with_depth(expression)]
    if not depths:
        return True
    return min(depths) >= 0 and depths[-1] == 0


def _without_parentheses(expression: _Tokens) -> _Tokens:
    """Return an expression without the parentheses that stand around all of it."""
    while len(expression) > 1 and expression[0] == "(":
        outside = [word for word, depth in _with_depth(expression) if depth == 0]
        if outside != [")"]:
            # The first parenthesis is closed before the end.
            break
        expression = expression[1:-1]
    return expression


def _is_of_consent(word: str) -> bool:
    is_text = word[0] == "'"
    return not is_text and _OF_CONSENT.search(word) is not None
