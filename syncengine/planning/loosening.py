"""Changes of a configuration by which contacts that said no would be sent something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from syncengine.model.consent_rules import ConsentRules
from syncengine.model.sql_tokens import is_same, tokens

_OF_CONSENT = re.compile(
    r"opt_?(?:in|out|ed)|consent|subscri|permi|agree|approv|allow|accept|revok|withdr|objec|gdpr|dsgvo|rgpd|einwillig"
    r"|zustimm|widerr|widerspr|newsletter|marketing|mailing|contactable|reachable|do_?not|dnc|dnd|block|mute|stop|silent",
    re.IGNORECASE,
)
"""Words by which a condition is about consent."""
_OPEN, _CLOSE = ("(", "[", "case"), (")", "]", "end")
_SET_OPERATIONS = frozenset({"union", "intersect", "except"})
_AFTER_WHERE = frozenset(
    {"group", "having", "window", "order", "limit", "offset", "fetch", "for"}
)
_IS_TRUE = frozenset({("is", "true"), ("=", "true")})

_Alternative: TypeAlias = tuple[str, ...]
_Condition: TypeAlias = frozenset[_Alternative]
"""A condition as the alternatives that its ORs join; often there is one only."""


@dataclass(frozen=True, slots=True)
class Loosening:
    """Consent that a changed configuration no longer asks for."""

    loosened: tuple[str, ...] = ()
    """The changes by which consent may be asked for less, in words. Whether anybody is
    concerned today does not matter: somebody may say no tomorrow."""
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
    """What AND joins: each of them has to hold."""
    head: tuple[_Alternative, ...]
    """The rest of a query: what it reads from where, and how it is ordered."""


def find_loosening(now: ConsentRules, before: ConsentRules) -> Loosening:
    """Return how the present rules may be looser than the former ones.

    A condition about consent that is written in another way counts as looser, unless it
    is certain to let through no more contacts.
    """
    told = [*_of_columns(now, before), *_of_vendor(now, before)]
    present = {
        each
        for text in (now.table, now.where, now.query)
        for each in tokens(text or "")
    }
    told += [
        f"the condition on {word} is another one"
        if word in present
        else f"{word} is not asked for any more"
        for word in dropped_words(now, before)
    ]
    return Loosening(tuple(told), _selects_otherwise(now, before))


def dropped_words(now: ConsentRules, before: ConsentRules) -> tuple[str, ...]:
    """Return the words about consent in what is not asked for any more.

    Conditions are what is joined by AND. One is still asked for, wherever it stands now,
    if a present one has the same alternatives, or fewer of them.
    """
    was, is_now = _selection(before), _selection(now)
    dropped = [
        each
        for each in was.conditions
        if not any(other <= each for other in is_now.conditions)
    ]
    words = [
        word for each in dropped for alternative in sorted(each) for word in alternative
    ]
    words += [word for each in was.head if each not in is_now.head for word in each]
    # A column that is asked about may be another one, where the query reads it in a new way.
    asked = {
        word for each in was.conditions for alternative in each for word in alternative
    }
    words += [
        word
        for each in is_now.head
        if each not in was.head
        for word in each
        if word in asked
    ]
    columns = {before.opted_out, now.opted_out}
    return tuple(
        dict.fromkeys(word for word in words if word in columns or _is_of_consent(word))
    )


def _of_columns(now: ConsentRules, before: ConsentRules) -> Iterator[str]:
    if before.opted_out is not None and now.opted_out != before.opted_out:
        yield f"opted_out was {before.opted_out} and is now {now.opted_out or 'not set'}"


def _of_vendor(now: ConsentRules, before: ConsentRules) -> Iterator[str]:
    for name, value in before.opt_outs.items():
        if name not in now.opt_outs:
            yield f"{name} is no opt-out any more that is kept at the vendor"
        elif now.opt_outs[name] != value:
            yield f"another value of {name} means an opt-out at the vendor"


def _selects_otherwise(now: ConsentRules, before: ConsentRules) -> bool:
    pairs = (
        (before.where, now.where),
        (before.table, now.table),
        (before.query, now.query),
    )
    return not all(is_same(was or "", text or "") for was, text in pairs)


def _selection(rules: ConsentRules) -> _Selection:
    conditions, head = _of_query(tokens(rules.query or ""))
    head += [tokens(rules.table)] if rules.table else []
    return _Selection(
        (*_conditions(tokens(rules.where or "")), *conditions), tuple(head)
    )


def _of_query(found: _Alternative) -> tuple[list[_Condition], list[_Alternative]]:
    """Return the conditions of a query's WHERE, and the pieces of all else."""
    outside = [word if depth == 0 else "" for word, depth in _with_depth(found)]
    if not found or "where" not in outside or not _SET_OPERATIONS.isdisjoint(outside):
        return [], _pieces(found)
    start = outside.index("where")
    end = next(
        (n for n, word in enumerate(outside) if n > start and word in _AFTER_WHERE),
        len(found),
    )
    return _conditions(found[start + 1 : end]), [
        *_pieces(found[:start]),
        *_pieces(found[end:]),
    ]


def _pieces(found: _Alternative) -> list[_Alternative]:
    """Split the head of a query into its columns and what they are read from."""
    parts = (
        _split(found, {",", "select", "from"})
        if _SET_OPERATIONS.isdisjoint(found)
        else [found]
    )
    return [part for part in parts if part]


def _conditions(found: _Alternative) -> list[_Condition]:
    """Return what a condition joins by AND, each as its alternatives."""
    found = _without_parentheses(found)
    if not _is_balanced(found):
        return [frozenset({found})]
    alternatives = _split(found, {"or"})
    if len(alternatives) > 1:
        return [frozenset(_plain(each) for each in alternatives)]
    parts = _split(found, {"and"})
    return (
        [frozenset({_plain(found)})]
        if len(parts) == 1
        else [each for part in parts for each in _conditions(part)]
    )


def _split(found: _Alternative, at: AbstractSet[str]) -> list[_Alternative]:
    """Split at each of these words outside parentheses, but at no AND of a BETWEEN."""
    parts: list[list[str]] = [[]]
    is_between = False
    for word, depth in _with_depth(found):
        is_of_between = is_between and depth == 0 and word == "and"
        if depth == 0 and word in at and not is_of_between:
            parts.append([])
            continue
        is_between = (is_between and not is_of_between) or (
            depth == 0 and word == "between"
        )
        parts[-1].append(word)
    return [tuple(part) for part in parts if part]


def _plain(found: _Alternative) -> _Alternative:
    """Return an expression without parentheses, and a column without ``IS TRUE``."""
    found = _without_parentheses(found)
    is_column = len(found) == 3 or (len(found) == 5 and found[1] == ".")
    return found[:-2] if is_column and found[-2:] in _IS_TRUE else found


def _with_depth(found: _Alternative) -> Iterator[tuple[str, int]]:
    """Yield each token with the number of parentheses around it."""
    depth = 0
    for word in found:
        depth += (word in _OPEN) - (word in _CLOSE)
        yield word, depth


def _is_balanced(found: _Alternative) -> bool:
    depths = [depth for _, depth in _with_depth(found)]
    return not depths or (min(depths) >= 0 and depths[-1] == 0)


def _without_parentheses(found: _Alternative) -> _Alternative:
    """Return an expression without the parentheses that stand around all of it."""
    while (
        len(found) > 1
        and found[0] == "("
        and [word for word, depth in _with_depth(found) if depth == 0] == [")"]
    ):
        found = found[1:-1]
    return found


def _is_of_consent(word: str) -> bool:
    return word[0] != "'" and _OF_CONSENT.search(word) is not None
