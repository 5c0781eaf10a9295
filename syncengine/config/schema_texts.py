"""Texts that a configuration takes, as regular expressions for its JSON Schema.

An editor shows what is wrong while somebody types, so the schema has to accept exactly
what the engine accepts. Two things make that long:

- Any value may be written with variables. ``${NAME}`` stands for any text, and of
  ``${NAME:-default}`` the default has to be right. What is written around variables has
  to be made of the right characters. ``fitting`` adds all this to an expression.
- JSON Schema compares numbers, but not texts that spell a number, such as ``"15m"``. So
  "at least 90" becomes an expression too: more digits, or a greater digit at some place
  (``_at_least``, ``_at_most``).

Public functions return a schema, or an expression where their docstring says so. An
expression is a *body*: it has no ``^`` and ``$``, and may be put into a larger one. The
expressions are read by editors in JavaScript as well as by Python, so they use no more
than both know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from syncengine.model.capabilities import Choice

NAME = "[A-Za-z_][A-Za-z0-9_]*"
"""The name of an environment variable."""
ANY_VARIABLE = rf"\$\{{{NAME}(?::-[^}}]*)?\}}"
"""A variable with or without a default."""
END = r"$(?!\n)"
"""The end of a text; in some dialects ``$`` alone also stands before a last newline."""
WELL_FORMED = rf"^(?:[^$]|\$(?!\{{)|{ANY_VARIABLE}|\$\$\{{)*{END}"
"""No ``${`` that begins no variable, but for the escape ``$${``."""
HAS_VARIABLE = rf"\$\{{{NAME}\}}"
"""A variable whose value the file does not tell."""
_EMPTY = rf"^(?:\$\{{{NAME}:-\}})*{END}"
"""An empty text, or nothing but variables with an empty default."""
_UNITS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
"""Seconds of each unit of a duration."""
_LONGEST = 3650 * 86400
"""Seconds of the longest duration."""
_PLACES = 18
"""Digits behind the point to which a bound is worked out."""
_TRUE_WORDS = ("true", "t", "yes", "y", "on", "1")
_FALSE_WORDS = ("false", "f", "no", "n", "off", "0")
_WORDS = (*_TRUE_WORDS, *_FALSE_WORDS)

Schema = dict[str, Any]
"""A JSON Schema, or a part of one."""


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
    # The look-ahead asks for a variable somewhere; ``{2,}`` leaves single ones out.
    mixed = rf"(?=[\s\S]*\$\{{)(?:{alphabet}|{ANY_VARIABLE}){{2,}}"
    return rf"^(?:{body}|{single}|{mixed}){END}"


def one_of(names: Sequence[str]) -> Schema:
    """Return the schema of one of these texts."""
    # A dash comes last in a class of characters, where it is no range.
    letters = set("".join(names)) - {"-"}
    alphabet = f"[{''.join(sorted(letters))}-]"
    with_variables = fitting(alphabet, "|".join(map(literal, names)))
    # The enum makes editors offer the names.
    return {"anyOf": [{"enum": list(names)}, with_variables]}


def literal(text: str) -> str:
    """Return an expression for this text. Editors refuse needless escapes."""
    return re.sub(r"[\\^$.*+?()\[\]{}|]", r"\\\g<0>", text)


def truth() -> Schema:
    """Return the schema of true or false."""
    words = fitting("[A-Za-z01]", _any_of(_WORDS))
    return {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, words]}


def spelled(value: bool) -> Schema:  # noqa: FBT001 - the value itself
    """Return the schema of the texts and numbers that mean true, or false."""
    words = _TRUE_WORDS if value else _FALSE_WORDS
    pattern = rf"^(?:{_any_of(words)}){END}"
    return {"anyOf": [{"const": int(value)}, {"type": "string", "pattern": pattern}]}


def may_be_true() -> Schema:
    """Return the schema of what is true, or is a variable."""
    by_variable = name(_any_of(_TRUE_WORDS))
    return {"anyOf": [{"const": True}, spelled(value=True), by_variable]}


def number(*, whole: bool, low: int | None = None, high: int | None = None) -> Schema:
    """Return the schema of a number, which a text may spell."""
    plain: Schema = {"type": "integer" if whole else "number"}
    if low is not None:
        plain["minimum"] = low
    if high is not None:
        plain["maximum"] = high
    if whole:
        alphabet = r"[0-9\s]"
        bodies = _bodies_of_whole_number(low, high)
    else:
        alphabet = r"[0-9.\s]"
        bodies = _bodies_of_decimal(low, high)
    return {"anyOf": [plain, _fitting_with_blanks(alphabet, bodies)]}


def _bodies_of_whole_number(low: int | None, high: int | None) -> list[str]:
    """Return expressions of which a whole number fits every one."""
    bodies = ["[0-9]+"]
    if low:
        bodies.append(_at_least(low))
    if high is not None:
        bodies.append(_at_most(high))
    return bodies


def _bodies_of_decimal(low: int | None, high: int | None) -> list[str]:
    """Return expressions of which a decimal number fits every one."""
    fraction = r"(?:\.[0-9]*)?"
    bodies = [rf"(?:[0-9]+{fraction}|\.[0-9]+)"]
    if low:
        bodies.append(rf"{_at_least(low)}{fraction}")
    if high is not None:
        below = rf"{_at_most(high - 1)}{fraction}"
        same = rf"0*{high}(?:\.0*)?"
        bodies.append(rf"(?:{below}|{same}|\.[0-9]+)")
    return bodies


def _fitting_with_blanks(alphabet: str, bodies: Iterable[str]) -> Schema:
    """Return the schema of a text that fits every body, blanks around it allowed."""
    return fitting(alphabet, *(rf"\s*(?:{body})\s*" for body in bodies))


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
        # Some digit is not 0.
        bodies.append(r"[0-9.]*[1-9][0-9.]*\s*[a-z]+")
    return {"anyOf": [plain, _fitting_with_blanks(r"[0-9.msdh\s]", bodies)]}


def _by_unit(bound: Callable[[Fraction], str], seconds: Fraction) -> str:
    """Return an expression for durations, each unit with its own bound.

    ``bound`` makes an expression of a number: an hour is at most 3600 s, or 60 m.
    """
    alternatives: list[str] = []
    for unit, size in _UNITS.items():
        number_of_units = bound(seconds / size)
        alternatives.append(rf"(?:{number_of_units})\s*{unit}")
    return "|".join(alternatives)


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
    alternatives: list[str] = []
    for place, digit in enumerate(digits):
        if digit != "9":
            greater = f"[{int(digit) + 1}-9]"
            alternatives.append(f"{digits[:place]}{greater}[0-9]*")
    alternatives.append(f"{digits}[0-9]*")
    return "|".join(alternatives)


def _at_least(least: int) -> str:
    """Return an expression for whole numbers from this one on.

    Greater is what has more digits, or the same first digits and then a greater one. At
    least 25 is ``0*(?:[1-9][0-9]{2,}|[3-9][0-9]{1}|2[6-9][0-9]{0}|25)``.
    """
    digits = str(least)
    alternatives = [rf"[1-9][0-9]{{{len(digits)},}}"]
    for place, digit in enumerate(digits):
        if digit != "9":
            greater = f"[{int(digit) + 1}-9]"
            number_behind = len(digits) - place - 1
            alternatives.append(rf"{digits[:place]}{greater}[0-9]{{{number_behind}}}")
    alternatives.append(digits)
    return f"0*(?:{'|'.join(alternatives)})"


def _at_most(most: int) -> str:
    """Return an expression for whole numbers up to this one.

    Smaller is what has fewer digits, or the same first digits and then a smaller one.
    """
    digits = str(most)
    alternatives: list[str] = []
    if len(digits) > 1:
        alternatives.append(rf"[0-9]{{1,{len(digits) - 1}}}")
    for place, digit in enumerate(digits):
        if digit != "0":
            smaller = f"[0-{int(digit) - 1}]"
            number_behind = len(digits) - place - 1
            alternatives.append(rf"{digits[:place]}{smaller}[0-9]{{{number_behind}}}")
    alternatives.append(digits)
    return f"0*(?:{'|'.join(alternatives)})"


def in_any_case(word: str) -> str:
    """Return an expression for a word in capitals or small letters."""
    return "".join(_letter_in_any_case(letter) for letter in word)


def _any_of(words: Iterable[str]) -> str:
    """Return an expression for one of these words, in any case."""
    return "|".join(in_any_case(word) for word in words)


def _letter_in_any_case(letter: str) -> str:
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
# A password is one that is written into the file: as a text, or as a variable's
# default. A variable without a default may stand for one.
_FILLED = rf"\$\{{{NAME}:-[^}}]+\}}|[^/?#@&$]|\$(?!\{{)"
"""A variable with a default, or a character: something is written here."""
_NOTHING = rf"(?:\$\{{{NAME}(?::-)?\}})*"
"""Variables without a default, as many as there are."""
_BEFORE_PASSWORD = (
    rf"^\s*(?:\$\{{{NAME}:-)?[A-Za-z]+://"  # a scheme, maybe in a variable's default
    rf"(?:{ANY_VARIABLE}|{_OWN})*:"  # the user
)
_BEHIND_PASSWORD = rf"(?:{ANY_VARIABLE}|[^/?#$]|\$(?!\{{))*@"
_PASSWORD = rf"{_BEFORE_PASSWORD}{_NOTHING}(?:{_FILLED}){_BEHIND_PASSWORD}"
"""A password before the @ of a URL."""
_PASSWORD_PARAMETER = rf"\?(?:[^#]*&)?(?:ssl)?password={_NOTHING}(?:{_FILLED}|[/?@])"
"""A password in the query of a URL, where libpq takes it too."""
_NO_PASSWORD = {"not": {"pattern": rf"{_PASSWORD}|{_PASSWORD_PARAMETER}"}}


def database(*, embedded: bool) -> Schema:
    """Return the schema of a database's URL without a password.

    ``embedded`` may stand for one; else it may be empty.
    """
    instead = "embedded" if embedded else ""
    no_url = rf"(?:{instead}|\$\{{{NAME}:-{instead}\}}){END}"
    begins = rf"^(?:{no_url}|{_SCHEME}|\$\{{{NAME}(?::-{_SCHEME}[^}}]*)?\}})"
    return {"type": "string", "pattern": begins, "allOf": [text(), _NO_PASSWORD]}


# Host and port of a URL, as ``vendors.kit.addresses`` takes them.
_LABEL = r"[^\s/\\?#@:\[\]%.${}]{1,63}"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_PART = "[0-9A-Fa-f]{1,4}"


def _ipv6() -> str:
    """Return an expression for an IPv6 address: eight parts, or ``::`` for some."""
    alternatives = [rf"(?:{_PART}:){{7}}{_PART}"]
    for before in range(1, 7):
        behind = 7 - before
        alternatives.append(rf"(?:{_PART}:){{{before}}}(?::{_PART}){{1,{behind}}}")
    alternatives.append(rf":(?::{_PART}){{1,7}}")
    alternatives.append(rf"(?:{_PART}:){{1,7}}:")
    alternatives.append("::")
    return "|".join(alternatives)


# A port is 1 to 65535; a colon without a port is allowed.
_PORT = rf"(?::(?!0+(?![0-9]))(?:{_at_most(65535)})|:(?![0-9]))?"
_AUTHORITY = rf"(?:{_HOST}|\[(?:{_ipv6()})\]){_PORT}"
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
    this_machine = (
        rf"{in_any_case('localhost')}\.?"
        r"|127(?:\.[0-9]+){0,3}"
        r"|\[::1\]|\[(?:0+:){7}0*1\]"
    )
    begins = rf"^\s*(?:\$\{{{NAME}:-\s*)?{_HTTP}://"
    # A host with a variable in it may be this machine.
    is_here = rf"(?:{this_machine})(?:[:/\s}}]|{END})|[^/]*\$\{{"
    return {"type": "string", "pattern": rf"{begins}(?!{is_here})"}


def proxy() -> Schema:
    """Return the schema of a proxy's URL, which may be empty."""
    url = rf"{_HTTP}://(?:[^/?#@:\s${{}}]+@)?{_AUTHORITY}/?"
    return {**fitting(r"[^\s\\?#$]", rf"(?:{url})?"), "allOf": [_NO_PASSWORD]}


def choice(found: Choice) -> Schema:
    """Return the schema of a value for a field that takes a few values only."""
    words = _any_of(str(value) for value in found.values)
    no_texts = [value for value in found.values if not isinstance(value, str)]
    as_text = fitting(r"[^$]", rf"(?:\s*(?:{words})\s*)?")
    return {"anyOf": [{"enum": [None, *no_texts]}, as_text]}


def whole_number() -> Schema:
    """Return the schema of a value for a field that takes whole numbers only."""
    spelled = fitting(r"[0-9.+\-\s]", r"(?:\s*[+-]?[0-9]{1,18}(?:\.0*)?\s*)?")
    return {"anyOf": [{"type": ["integer", "null"]}, spelled]}


# Years that have a 29 February: those that four divides and a hundred does not, and
# those that four hundred divides.
_LEAP_YEAR = (
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
)
_31_DAYS = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_30_DAYS = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_28_DAYS = "02-(?:0[1-9]|1[0-9]|2[0-8])"
_MONTH_AND_DAY = f"(?:{_31_DAYS}|{_30_DAYS}|{_28_DAYS})"
_DAY = f"(?!0000)(?:[0-9]{{4}}-{_MONTH_AND_DAY}|{_LEAP_YEAR}-02-29)"
"""A date there is; Python has no year 0."""
_HOUR = "(?:[01][0-9]|2[0-3])"
_SIXTY = "[0-5][0-9]"
"""A minute or a second."""
_TIME = rf"[T ]{_HOUR}:{_SIXTY}(?::{_SIXTY}(?:\.[0-9]{{1,6}})?)?"
_OFFSET = rf" ?(?:Z|[+-]{_HOUR}(?::?{_SIXTY}(?::?{_SIXTY})?)?)"


def value_in(form: str) -> Schema:
    """Return the schema of a value that can be brought into a form (``as``)."""
    match form:
        case "number":
            exponent = "(?:[eE][+-]?[0-9]{1,4})?"
            decimal = rf"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){exponent}"
            spelled_number = fitting(r"[0-9.eE+\-\s]", rf"\s*(?:{decimal})?\s*")
            plain = {"type": ["number", "boolean", "null"]}
            return {"anyOf": [plain, spelled_number]}
        case "boolean":
            words = rf"\s*(?:{_any_of(_WORDS)})?\s*"
            spelled_boolean = fitting(r"[A-Za-z01\s]", words)
            plain = {"type": ["boolean", "null"]}
            return {"anyOf": [plain, {"enum": [0, 1]}, spelled_boolean]}
        case "date":
            moment = rf"{_DAY}(?:{_TIME}(?:{_OFFSET})?)?"
            spelled_date = fitting(r"[0-9TZ:.+\-\s]", rf"\s*(?:{moment})?\s*")
            return {"anyOf": [{"type": "null"}, spelled_date]}
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
