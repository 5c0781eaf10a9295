"""Changes of a configuration by which opted-out contacts would be sent something.

``app.consent_changes`` compares the configuration of a run with the one before it.
Where consent would be asked for less, the run is braked until a person accepts the
change by name.

A condition of SQL is not parsed, but cut into tokens and compared: as a list of
conditions joined by AND, each of which is a set of alternatives joined by OR::

    country = 'DE' and (opted_in or vip)
    -> [{country = 'DE'}, {opted_in, vip}]

A former condition is still asked for where a present one has the same alternatives, or
fewer of them: ``opted_in`` alone is stricter than ``opted_in or vip``. That is enough
to see that a condition is the same, or stricter. Whatever is not understood counts as
looser, so that a person is asked once too often rather than once too rarely.
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
"""Parts of words, in English, German and French, by which a condition is about
consent."""
_OPEN = ("(", "[", "case")
"""Tokens that open a group. ``case`` is one: an AND inside of it belongs to it."""
_CLOSE = (")", "]", "end")
_SET_OPERATIONS = frozenset({"union", "intersect", "except"})
_AFTER_WHERE = frozenset(
    {"group", "having", "window", "order", "limit", "offset", "fetch", "for"}
)
"""First words of the clauses that may follow WHERE in a SELECT."""
_IS_TRUE = frozenset({("is", "true"), ("=", "true")})
"""Two tokens that mean nothing behind a boolean column."""

_Tokens: TypeAlias = tuple[str, ...]
"""Words, signs and literals of SQL, as ``model.sql_tokens`` cuts them: in small
letters, without comments."""
_Condition: TypeAlias = frozenset[_Tokens]
"""The alternatives that OR joins in a condition; often there is only one."""


@dataclass(frozen=True, slots=True)
class Loosening:
    """Consent that a changed configuration no longer asks for."""

    loosened: tuple[str, ...] = ()
    """The changes by which consent may be asked for less, in words for a message.
    Whether anybody is concerned today does not matter: somebody may opt out
    tomorrow."""
    selects_otherwise: bool = False
    """True where the source or its condition changed at all. By itself that is
    harmless; the caller has to ask the database whether it brings back contacts that
    were removed or had opted out."""

    @property
    def is_possible(self) -> bool:
        """Return whether consent may be loosened at all."""
        return bool(self.loosened or self.selects_otherwise)


@dataclass(frozen=True, slots=True)
class _Selection:
    """The statement that selects the contacts, in parts that can be compared."""

    conditions: tuple[_Condition, ...]
    """Conditions joined by AND: each of them has to hold."""
    other_parts: tuple[_Tokens, ...]
    """All else in a query: its columns, the tables it reads, the clauses behind WHERE.
    For a table: its name."""


def find_loosening(now: ConsentRules, before: ConsentRules) -> Loosening:
    """Return how the present rules may be looser than the former ones.

    A condition about consent that is written in another way counts as looser, unless it
    is certain to let through no more contacts.
    """
    loosened = [*_loosened_column(now, before), *_loosened_at_vendor(now, before)]
    present_words: set[str] = set()
    for text in (now.table, now.where, now.query):
        present_words.update(tokens(text or ""))
    for word in dropped_words(now, before):
        if word in present_words:
            loosened.append(f"the condition on {word} changed")
        else:
            loosened.append(f"{word} is no longer asked for")
    return Loosening(tuple(loosened), _selects_otherwise(now, before))


def dropped_words(now: ConsentRules, before: ConsentRules) -> tuple[str, ...]:
    """Return the words about consent in what is not asked for any more, each once.

    Words are columns and functions, such as ``opted_in``.
    """
    former, present = _selection(before), _selection(now)
    words = _words_of_dropped_conditions(former, present)
    for part in former.other_parts:
        if part not in present.other_parts:
            words += part
    # A new part of the query may redefine a column that a condition asks for: in
    # ``SELECT true AS opted_in`` the condition on opted_in means nothing any more.
    asked_for = set(_words_of(former.conditions))
    for part in present.other_parts:
        if part not in former.other_parts:
            words += [word for word in part if word in asked_for]
    opt_out_columns = {before.opted_out, now.opted_out}
    of_consent = [
        word for word in words if word in opt_out_columns or _is_of_consent(word)
    ]
    return tuple(dict.fromkeys(of_consent))


def _words_of_dropped_conditions(former: _Selection, present: _Selection) -> list[str]:
    dropped = [
        condition
        for condition in former.conditions
        if not _is_still_asked(condition, present)
    ]
    return _words_of(dropped)


def _is_still_asked(condition: _Condition, present: _Selection) -> bool:
    """Return whether a present condition lets through no more than this one.

    It may stand anywhere, and have fewer alternatives, but no others.
    """
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
        now_named = (
            "names none" if now.opted_out is None else f'names "{now.opted_out}"'
        )
        yield f'opted_out named the column "{before.opted_out}" and now {now_named}'


def _loosened_at_vendor(now: ConsentRules, before: ConsentRules) -> Iterator[str]:
    for name, value in before.opt_outs.items():
        if name not in now.opt_outs:
            yield f"{name} is no longer an opt-out that is kept at the vendor"
        elif now.opt_outs[name] != value:
            yield f"another value of {name} means an opt-out at the vendor"


def _selects_otherwise(now: ConsentRules, before: ConsentRules) -> bool:
    """Return whether the source or its condition changed, but for its layout."""
    pairs = (
        (before.where, now.where),
        (before.table, now.table),
        (before.query, now.query),
    )
    return not all(is_same(earlier or "", later or "") for earlier, later in pairs)


def _selection(rules: ConsentRules) -> _Selection:
    """Take apart what selects the contacts: a query or a table, and ``where``."""
    of_query = _selection_of_query(tokens(rules.query or ""))
    of_where = _conditions(tokens(rules.where or ""))
    # ``where`` is put around the query, so its conditions hold as well.
    conditions = (*of_where, *of_query.conditions)
    other_parts = of_query.other_parts
    if rules.table:
        other_parts = (*other_parts, tokens(rules.table))
    return _Selection(conditions, other_parts)


def _selection_of_query(query: _Tokens) -> _Selection:
    """Take a SELECT apart: the conditions of its WHERE, and all else."""
    # Words inside parentheses are blanked out: they belong to a sub-query or a
    # function.
    outside = [word if depth == 0 else "" for word, depth in _with_depth(query)]
    has_where = "where" in outside
    has_set_operation = not _SET_OPERATIONS.isdisjoint(outside)
    if not has_where or has_set_operation:
        return _Selection((), tuple(_parts_without_where(query)))
    start = outside.index("where")
    end = start + 1
    while end < len(query) and outside[end] not in _AFTER_WHERE:
        end += 1
    conditions = _conditions(query[start + 1 : end])
    before_where = _parts_without_where(query[:start])
    after_where = _parts_without_where(query[end:])
    return _Selection(tuple(conditions), (*before_where, *after_where))


def _parts_without_where(query: _Tokens) -> list[_Tokens]:
    """Split a query, or a piece of one, into columns and what they are read from."""
    if not query:
        return []
    if not _SET_OPERATIONS.isdisjoint(query):
        # Which part belongs to which SELECT matters: compared as a whole.
        return [query]
    return _split(query, {",", "select", "from"})


def _conditions(expression: _Tokens) -> list[_Condition]:
    """Return what a condition joins by AND, each as its alternatives.

    OR binds less tightly than AND in SQL, so it is split first: ``a and b or c`` is one
    condition with the alternatives ``a and b`` and ``c``. Those are not split further.
    """
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
    """Split at each of these words outside parentheses, but at no AND of a BETWEEN.

    The words themselves and empty parts are left out.
    """
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
    """Return an expression without parentheses, and a column without ``IS TRUE``.

    ``opted_in``, ``(opted_in)`` and ``opted_in IS TRUE`` select the same rows.
    """
    expression = _without_parentheses(expression)
    # Three tokens: column is true. Five: table . column is true.
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
    """Return whether each parenthesis that opens also closes, and the other way."""
    depths = [depth for _, depth in _with_depth(expression)]
    if not depths:
        return True
    return min(depths) >= 0 and depths[-1] == 0


def _without_parentheses(expression: _Tokens) -> _Tokens:
    """Return an expression without the parentheses that stand around all of it."""
    while len(expression) > 1 and expression[0] == "(":
        outside = [word for word, depth in _with_depth(expression) if depth == 0]
        if outside != [")"]:
            # The first parenthesis is closed before the end, as in ``(a) or (b)``.
            break
        expression = expression[1:-1]
    return expression


def _is_of_consent(word: str) -> bool:
    """Return whether a word is about consent; a literal such as ``'stop'`` is not."""
    is_literal = word[0] == "'"
    return not is_literal and _OF_CONSENT.search(word) is not None
