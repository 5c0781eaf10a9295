"""Changes of a configuration by which contacts that said no would be sent something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncengine.model.consent_rules import ConsentRules
from syncengine.model.sql_tokens import is_same, tokens

_OF_CONSENT = re.compile(
    r"opt_?(?:in|out|ed)|consent|subscri|permi|agree|approv|allow|accept|revok|withdr|objec|gdpr|dsgvo|rgpd|einwillig"
    r"|zustimm|widerr|widerspr|newsletter|marketing|mailing|contactable|reachable|do_?not|dnc|dnd|block|mute|stop|silent",
    re.IGNORECASE,
)
"""Words by which a condition is about consent."""
_OPEN, _CLOSE = ("(", "["), (")", "]")


@dataclass(frozen=True, slots=True)
class Loosening:
    """What a changed configuration no longer asks for."""

    told: tuple[str, ...] = ()
    """The changes that loosen consent for certain, in words."""
    asks_otherwise: tuple[str, ...] = ()
    """Words about consent in conditions that are written in another way now. They are
    looser if they let through more contacts."""
    selects_otherwise: bool = False
    """True where the source or its condition changed at all. That is looser if it
    brings back contacts which are known to have left or opted out."""

    @property
    def is_possible(self) -> bool:
        return bool(self.told or self.asks_otherwise or self.selects_otherwise)


def loosening(now: ConsentRules, before: ConsentRules) -> Loosening:
    """Return how the present rules may be looser than the former ones."""
    told = [*_of_columns(now, before), *_of_vendor(now, before)]
    dropped = dropped_conditions((before.where, before.query), (now.where, now.query))
    present = {each for text in (now.where, now.query) for each in tokens(text or "")}
    told += [f"{word} is not asked for any more" for word in dropped if word not in present]
    otherwise = tuple(word for word in dropped if word in present)
    return Loosening(tuple(told), otherwise, _selects_otherwise(now, before))


def dropped_conditions(before: Sequence[str | None], now: Sequence[str | None]) -> tuple[str, ...]:
    """Return the words about consent in conditions that are not asked for any more.

    Conditions are what is joined by AND; one that is the same, but for its layout, is
    still asked for, wherever it stands.
    """
    kept = [each for text in now for each in _conditions(text)]
    dropped = [each for text in before for each in _conditions(text) if each not in kept]
    return tuple(dict.fromkeys(word for each in dropped for word in each if _is_of_consent(word)))


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
    pairs = ((before.where, now.where), (before.table, now.table), (before.query, now.query))
    return not all(is_same(was or "", text or "") for was, text in pairs)


def _conditions(sql: str | None) -> list[tuple[str, ...]]:
    """Return what a condition joins by AND; an alternative stays one condition."""
    found = _without_parentheses(tokens(sql or ""))
    parts = _split(found)
    return [found] if any("or" in _outside(part) for part in parts) else [_without_parentheses(part) for part in parts]


def _split(found: Sequence[str]) -> list[tuple[str, ...]]:
    """Split at each AND outside parentheses that belongs to no BETWEEN."""
    parts: list[list[str]] = [[]]
    is_between = False
    for word, depth in _with_depth(found):
        is_and = depth == 0 and word == "and"
        if is_and and not is_between:
            parts.append([])
            continue
        is_between = (is_between and not is_and) or (depth == 0 and word == "between")
        parts[-1].append(word)
    return [tuple(part) for part in parts if part]


def _with_depth(found: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each token with the number of parentheses around it."""
    depth = 0
    for word in found:
        depth += (word in _OPEN) - (word in _CLOSE)
        yield word, depth


def _outside(found: Sequence[str]) -> list[str]:
    """Return the tokens that are in no parentheses, closing ones among them."""
    return [word for word, depth in _with_depth(found) if depth == 0]


def _without_parentheses(found: tuple[str, ...]) -> tuple[str, ...]:
    """Return an expression without the parentheses that stand around all of it."""
    while len(found) > 1 and found[0] == "(" and _outside(found) == [")"]:
        found = found[1:-1]
    return found


def _is_of_consent(word: str) -> bool:
    return word[0] != "'" and _OF_CONSENT.search(word) is not None
