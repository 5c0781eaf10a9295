"""Texts that a configuration takes, as regular expressions for its JSON Schema.

A text may come from the environment: ``${NAME}`` stands for any text there, and of
``${NAME:-default}`` the default has to be right. What is written around variables has
to be made of the right characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from syncengine.model.capabilities import Choice

NAME = "[A-Za-z_][A-Za-z0-9_]*"
ANY_VARIABLE = rf"\$\{{{NAME}(?::-[^}}]*)?\}}"
END = r"$(?!\n)"
"""The end of a text; in some dialects ``$`` alone also stands before a last newline."""
WELL_FORMED = rf"^(?:[^$]|\$(?!\{{)|{ANY_VARIABLE}|\$\$\{{)*{END}"
"""No ``${`` that begins no variable, but for the escape ``$${``."""
HAS_VARIABLE = rf"\$\{{{NAME}\}}"
"""A variable whose value the file does not tell."""
_EMPTY = rf"^(?:\$\{{{NAME}:-\}})*{END}"
_UNITS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_LONGEST = 3650 * 86400
_PLACES = 18
"""Digits behind the point to which a bound is worked out."""
_WORDS = ("true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0")

Schema = dict[str, Any]


def text(*, empty: bool = True) -> Schema:
    """Return the schema of any text."""
    schema: Schema = {"type": "string", "pattern": WELL_FORMED}
    if not empty:
        schema["not"] = {"pattern": _EMPTY}
    return schema


def fitting(alphabet: str, *bodies: str) -> Schema:
    """Return the schema of a text that has to fit every one of the bodies.

    ``alphabet`` is a class of characters: those that may stand around a variable.
    """
    patterns = [_with_variables(body, alphabet) for body in bodies]
    if len(patterns) == 1:
        return {"type": "string", "pattern": patterns[0]}
    return {"type": "string", "allOf": [{"pattern": pattern} for pattern in patterns]}


def _with_variables(body: str, alphabet: str) -> str:
    """Return an expression for a body, or for what variables may make one.

    A text that is one variable needs a default that fits. In one that mixes variables
    and characters, only the characters can be judged.
    """
    single = rf"\$\{{{NAME}(?::-(?:{body}))?\}}"
    mixed = rf"(?=[\s\S]*\$\{{)(?:{alphabet}|{ANY_VARIABLE}){{2,}}"
    return rf"^(?:{body}|{single}|{mixed}){END}"


def one_of(names: Sequence[str]) -> Schema:
    """Return the schema of one of these texts."""
    letters = "".join(sorted({letter for name in names for letter in name} - {"-"}))
    from_outside = fitting(f"[{letters}-]", "|".join(map(literal, names)))
    return {"anyOf": [{"enum": list(names)}, from_outside]}


def literal(text: str) -> str:
    """Return an expression for this text. Editors refuse needless escapes."""
    return re.sub(r"[\\^$.*+?()\[\]{}|]", r"\\\g<0>", text)


def truth() -> Schema:
    """Return the schema of true or false."""
    words = fitting("[A-Za-z01]", "|".join(map(in_any_case, _WORDS)))
    return {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, words]}


def spelled(value: bool) -> Schema:  # noqa: FBT001 - the value itself
    """Return the schema of the texts and numbers that mean true, or false."""
    half = len(_WORDS) // 2
    words = _WORDS[:half] if value else _WORDS[half:]
    pattern = rf"^(?:{'|'.join(map(in_any_case, words))}){END}"
    return {"anyOf": [{"const": int(value)}, {"type": "string", "pattern": pattern}]}


def may_be_true() -> Schema:
    """Return the schema of what is true, or is a variable."""
    return {
        "anyOf": [
            {"const": True},
            spelled(value=True),
            name("|".join(map(in_any_case, _WORDS[: len(_WORDS) // 2]))),
        ]
    }


def number(*, whole: bool, low: int | None = None, high: int | None = None) -> Schema:
    """Return the schema of a number, which a text may spell."""
    plain: Schema = {"type": "integer" if whole else "number"}
    if low is not None:
        plain["minimum"] = low
    if high is not None:
        plain["maximum"] = high
    fraction = "" if whole else r"(?:\.[0-9]*)?"
    bodies = [rf"[0-9]+{fraction}" if whole else rf"(?:[0-9]+{fraction}|\.[0-9]+)"]
    if low:
        bodies.append(rf"{_at_least(low)}{fraction}")
    if high is not None and whole:
        bodies.append(_at_most(high))
    elif high is not None:
        below = rf"{_at_most(high - 1)}{fraction}"
        same = rf"0*{high}(?:\.0*)?"
        bodies.append(rf"(?:{below}|{same}|\.[0-9]+)")
    letters = r"[0-9\s]" if whole else r"[0-9.\s]"
    return {
        "anyOf": [plain, fitting(letters, *(rf"\s*(?:{body})\s*" for body in bodies))]
    }


def duration(*, at_least: int = 0, above_zero: bool = False) -> Schema:
    """Return the schema of a duration: seconds, or a text with a unit."""
    plain: Schema = {"type": "number", "minimum": at_least, "maximum": _LONGEST}
    if above_zero:
        plain = {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST}
    bodies = [
        r"[0-9]+(?:\.[0-9]+)?\s*(?:ms|s|m|h|d)",
        _by_unit(_no_more, Fraction(_LONGEST)),
    ]
    if at_least:
        bodies.append(_by_unit(_no_less, Fraction(at_least)))
    if above_zero:
        bodies.append(r"[0-9.]*[1-9][0-9.]*\s*[a-z]+")
    return {
        "anyOf": [
            plain,
            fitting(r"[0-9.msdh\s]", *(rf"\s*(?:{body})\s*" for body in bodies)),
        ]
    }


def _by_unit(bound: Callable[[Fraction], str], seconds: Fraction) -> str:
    """Return an expression for durations, each unit with its own bound."""
    return "|".join(
        rf"(?:{bound(seconds / size)})\s*{unit}" for unit, size in _UNITS.items()
    )


def _no_more(bound: Fraction) -> str:
    """Return an expression for decimals up to a whole number."""
    most = int(bound)
    return rf"{_at_most(most - 1)}(?:\.[0-9]+)?|0*{most}(?:\.0+)?"


def _no_less(bound: Fraction) -> str:
    """Return an expression for decimals from a number on."""
    whole, rest = divmod(bound, 1)
    beyond = rf"{_at_least(int(whole) + 1)}(?:\.[0-9]+)?"
    same = rf"0*{int(whole)}"
    if not rest:
        return rf"{beyond}|{same}(?:\.[0-9]+)?"
    # Rounded up, so that nothing below the bound fits.
    rounded_up = -(-rest.numerator * 10**_PLACES // rest.denominator)
    digits = f"{rounded_up:0{_PLACES}d}".rstrip("0")
    return rf"{beyond}|{same}\.(?:{_digits_from(digits)})"


def _digits_from(digits: str) -> str:
    """Return an expression for digits behind a point that are these or more.

    Greater is what has the same first digits, then a greater one, then any.
    """
    greater = [
        rf"{digits[:place]}[{int(digit) + 1}-9][0-9]*"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return "|".join([*greater, rf"{digits}[0-9]*"])


def _at_least(least: int) -> str:
    """Return an expression for whole numbers from this one on.

    Greater is what has more digits, or the same first digits and then a greater one.
    """
    digits = str(least)
    longer = rf"[1-9][0-9]{{{len(digits)},}}"
    greater = [
        rf"{digits[:place]}[{int(digit) + 1}-9][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return rf"0*(?:{'|'.join([longer, *greater, digits])})"


def _at_most(most: int) -> str:
    """Return an expression for whole numbers up to this one.

    Smaller is what has fewer digits, or the same first digits and then a smaller one.
    """
    digits = str(most)
    shorter = [rf"[0-9]{{1,{len(digits) - 1}}}"] if len(digits) > 1 else []
    smaller = [
        rf"{digits[:place]}[0-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "0"
    ]
    return rf"0*(?:{'|'.join([*shorter, *smaller, digits])})"


def in_any_case(word: str) -> str:
    """Return an expression for a word in capitals or small letters."""
    return "".join(_letter(letter) for letter in word)


def _letter(letter: str) -> str:
    both = {letter.lower(), letter.upper()}
    if len(both) == 1:
        return literal(letter)
    return f"[{''.join(sorted(both))}]"


def secret() -> Schema:
    """Return the schema of a secret, which the environment holds."""
    return {"type": "string", "pattern": rf"^\s*\$\{{{NAME}\}}\s*{END}"}


def condition() -> Schema:
    """Return the schema of an SQL condition: no statement, and without ``where``."""
    wrong = rf"^\s*{in_any_case('where')}(?:\s|{END})|;\s*{END}"
    return {**text(empty=False), "allOf": [{"not": {"pattern": wrong}}]}


_SCHEME = r"postgres(?:ql)?://"
_OWN = r"[^/?#@:$]|\$(?!\{)"
"""A character that is no part of a variable and ends nothing in a URL."""
# A password is one that is written into the file: as a text, or as a variable's default.
# A variable without a default may stand for one.
_FILLED = rf"\$\{{{NAME}:-[^}}]+\}}|[^/?#@&$]|\$(?!\{{)"
_NOTHING = rf"(?:\$\{{{NAME}(?::-)?\}})*"
_PASSWORD = (
    rf"^\s*(?:\$\{{{NAME}:-)?[A-Za-z]+://(?:{ANY_VARIABLE}|{_OWN})*:{_NOTHING}(?:{_FILLED})"
    rf"(?:{ANY_VARIABLE}|[^/?#$]|\$(?!\{{))*@"
)
_PASSWORD_ASKED = rf"\?(?:[^#]*&)?(?:ssl)?password={_NOTHING}(?:{_FILLED}|[/?@])"
_NO_PASSWORD = {"not": {"pattern": rf"{_PASSWORD}|{_PASSWORD_ASKED}"}}


def database(*, embedded: bool) -> Schema:
    """Return the schema of a database's URL without a password.

    ``embedded`` may stand for one; else it may be empty.
    """
    other = "embedded" if embedded else ""
    alone = rf"(?:{other}|\$\{{{NAME}:-{other}\}}){END}"
    begins = rf"^(?:{alone}|{_SCHEME}|\$\{{{NAME}(?::-{_SCHEME}[^}}]*)?\}})"
    return {"type": "string", "pattern": begins, "allOf": [text(), _NO_PASSWORD]}


_LABEL = r"[^\s/\\?#@:\[\]%.${}]{1,63}"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_PART = "[0-9A-Fa-f]{1,4}"
_IPV6 = "|".join(
    [
        rf"(?:{_PART}:){{7}}{_PART}",
        *(rf"(?:{_PART}:){{{n}}}(?::{_PART}){{1,{7 - n}}}" for n in range(1, 7)),
        rf":(?::{_PART}){{1,7}}",
        rf"(?:{_PART}:){{1,7}}:",
        "::",
    ]
)
_PORT = rf"(?:{_at_most(65535)})"
_AUTHORITY = rf"(?:{_HOST}|\[(?:{_IPV6})\])(?::(?!0+(?![0-9])){_PORT}|:(?![0-9]))?"
_HTTP = in_any_case("http")
_ADDRESS = rf"\s*{_HTTP}[Ss]?://{_AUTHORITY}(?:/[^\s\\?#}}]*)?\s*"


def address() -> Schema:
    """Return the schema of a vendor's address."""
    scheme = rf"{_HTTP}[Ss]?://"
    single = rf"\$\{{{NAME}:-{_ADDRESS}\}}"
    begins = rf"\s*(?:{scheme}(?=[^/\s])|\$\{{{NAME}(?::-{scheme}[^}}]*)?\}})"
    mixed = rf"(?=[\s\S]*\$\{{){begins}(?:{ANY_VARIABLE}|[^\s\\?#$])*\s*"
    return {"type": "string", "pattern": rf"^(?:{_ADDRESS}|{single}|{mixed}){END}"}


def sends_unencrypted() -> Schema:
    """Return the schema of an address that is not encrypted and not this machine's."""
    here = rf"{in_any_case('localhost')}\.?|127(?:\.[0-9]+){{0,3}}|\[::1\]|\[(?:0+:){{7}}0*1\]"
    elsewhere = rf"^\s*(?:\$\{{{NAME}:-\s*)?{_HTTP}://(?!(?:{here})(?:[:/\s}}]|{END})|[^/]*\$\{{)"
    return {"type": "string", "pattern": elsewhere}


def proxy() -> Schema:
    """Return the schema of a proxy's URL, which may be empty."""
    url = rf"{_HTTP}://(?:[^/?#@:\s${{}}]+@)?{_AUTHORITY}/?"
    return {**fitting(r"[^\s\\?#$]", rf"(?:{url})?"), "allOf": [_NO_PASSWORD]}


def choice(found: Choice) -> Schema:
    """Return the schema of a value for a field that takes a few values only."""
    words = "|".join(in_any_case(str(value)) for value in found.values)
    plain = [value for value in found.values if not isinstance(value, str)]
    spelled = fitting(r"[^$]", rf"(?:\s*(?:{words})\s*)?")
    return {"anyOf": [{"enum": [None, *plain]}, spelled]}


def whole_number() -> Schema:
    """Return the schema of a value for a field that takes whole numbers only."""
    spelled = fitting(r"[0-9.+\-\s]", r"(?:\s*[+-]?[0-9]{1,18}(?:\.0*)?\s*)?")
    return {"anyOf": [{"type": ["integer", "null"]}, spelled]}


# Years that have a 29 February: those that four divides and a hundred does not, and
# those that four hundred divides.
_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    r"(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_TIME = rf"[T ]{_HOUR}:{_SIXTY}(?::{_SIXTY}(?:\.[0-9]{{1,6}})?)?"
_OFFSET = rf" ?(?:Z|[+-]{_HOUR}(?::?{_SIXTY}(?::?{_SIXTY})?)?)"


def value_in(form: str) -> Schema:
    """Return the schema of a value that can be brought into a form (``as``)."""
    match form:
        case "number":
            decimal = r"\s*(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?)?\s*"
            return {
                "anyOf": [
                    {"type": ["number", "boolean", "null"]},
                    fitting(r"[0-9.eE+\-\s]", decimal),
                ]
            }
        case "boolean":
            words = rf"\s*(?:{'|'.join(map(in_any_case, _WORDS))})?\s*"
            return {
                "anyOf": [
                    {"type": ["boolean", "null"]},
                    {"enum": [0, 1]},
                    fitting(r"[A-Za-z01\s]", words),
                ]
            }
        case "date":
            written = fitting(
                r"[0-9TZ:.+\-\s]", rf"\s*(?:{_DAY}(?:{_TIME}(?:{_OFFSET})?)?)?\s*"
            )
            return {"anyOf": [{"type": "null"}, written]}
        case "e164":
            return phone(fewest=7)
        case _:
            return {"type": ["string", "number", "boolean", "null"]}


def phone(*, fewest: int) -> Schema:
    """Return the schema of a phone number with this many digits or more, or of none.

    Which numbers a country has is not decided here.
    """
    digits = r"[^0-9${}]*(?:[0-9][^0-9${}]*)"
    spelled = fitting(r"[^$]", rf"\s*(?:{digits}{{{fewest},17}})?")
    return {"anyOf": [{"type": ["integer", "null"]}, spelled]}


def matching(patterns: Iterable[str]) -> str:
    """Return an expression for names that fit patterns with ``*`` for any text."""
    return "|".join(literal(pattern).replace(r"\*", r"[\s\S]*") for pattern in patterns)


def name(body: str) -> Schema:
    """Return the schema of a name that fits, or that a variable may stand for."""
    single = rf"\$\{{{NAME}:-(?:{body})\}}"
    return {
        "type": "string",
        "pattern": rf"^(?:{body}|{single}|[\s\S]*{HAS_VARIABLE}[\s\S]*){END}",
    }


def nothing() -> Schema:
    """Return the schema of an empty text."""
    return {"type": "string", "pattern": _EMPTY}
