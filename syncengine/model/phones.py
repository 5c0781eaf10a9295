"""Read phone numbers as people write them.

This is the only place that does: mappings, match keys, suppressions and look-ups have
to agree on who is who. Google's ``phonenumbers`` knows the numbers of each country;
what is added here is the reading of what stands around a number, and a refusal to
guess.

A value is first *taken apart* (``_take_apart`` gives ``_PhoneParts``): spaces,
brackets, ``tel:``, a trunk zero in parentheses and an extension come off, and it is
decided whether a country code comes first. Then each purpose asks its own question:

===========================  ========================================================
``read_phone``               the one number that is surely meant, for mappings
``phone_readings`` and       every number that may be meant, for suppressions of
``likely_readings``          contacts, where too many do no harm
``surely_named``             the same for a line of a suppression list, which must be
                             sure to mean somebody
``numbers_within``           the parts of a text that may be a number
``surely_same`` and          whether a number at the vendor is ours
``may_be_same``
``*_spellings``              how the vendor may have written a number, for look-ups
===========================  ========================================================

Numbers are passed in two forms: E.164 with a plus (``+491711234567``), called a number,
and *digits*, the same without the plus. *National* digits lack the country code and the
trunk zero (``0171 ...`` at home, ``171 ...`` behind ``+49``). A *region* is the ISO
3166 code of a country, for numbers that are written without a country code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import unquote

import phonenumbers
from phonenumbers import (
    CountryCodeSource,
    PhoneNumber,
    PhoneNumberType,
    ValidationResult,
)

from syncengine.model.http import Json
from syncengine.model.written import NotReadError, unwrapped, visible

_WRITE_IT_OUT = "write it with + and its country code"


class AmbiguousError(NotReadError):
    """A number that may be two different ones."""

    def __init__(self) -> None:
        super().__init__(f"can be read as two different phone numbers: {_WRITE_IT_OUT}")


_SCHEME = re.compile(
    r"(?:tel|telefon|telephone|phone|mobile|mobil|handy|cell|whatsapp|sms|smsto|callto)"
    r"\.?\s*[:.]?\s*(?=[+(\[\d])",
    re.IGNORECASE,
)
"""A URI's scheme or a label before a number, as in ``tel:`` or ``Mobil: ``."""
_EXTENSION = re.compile(
    r"\s*[,-]?\s*(?:extension|ext|x|durchwahl|app|poste|#)\.?\s*[:=]?\s*\d{1,7}",
    re.IGNORECASE,
)
_COUNTRY_IN_PARENTHESES = re.compile(r"\(\s*(\+\s*\d{1,3}|00\d{1,3})\s*\)")
"""A country code in parentheses, as in ``(+49) 171 1234567``."""
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
"""The zero that is dialled at home and not from abroad, as in ``+49 (0)171``."""
_DECIMAL = re.compile(r"\+?(?:\d+\.\d{1,2}|\d+\.0+|\d\.\d+)")
"""A number as a spreadsheet or a float column writes it.

``0171.1000006`` is a phone.
"""
_DAY = re.compile(
    r"\d{4}-\d\d-\d\d|(?:0?[1-9]|[12]\d|3[01])([./])(?:0?[1-9]|1[0-2])\1(?:19|20)\d\d"
)
"""A date, such as ``2024-05-31`` or ``31.5.2024``: it has the digits of a phone."""
_PUNCTUATED = re.compile(r" ?\(? ?[0-9](?:[0-9 ().\-/]*[0-9)])?")
"""Digits and punctuation, a digit first: behind a minus stands a negative number."""
_RUN = re.compile(r"(?:[+(]{1,3} ?)?\d[\d ().\-/]*")
"""Digits with the punctuation of one number or of several in a row."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"[ /]+")
_MOST_WORDS = 8
"""Largest number of groups in one number, such as ``+33 (0) 6 12 34 56 78``."""
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""A number as ``read_phone`` returns it."""
_FEWEST_DIGITS = 7
"""Smallest number of digits that are looked at as a phone number at all."""
_MOST_DIGITS = 15
"""Largest number of digits with the country code (E.164)."""
_FEWEST_ABROAD = 10
"""Smallest number of digits of a number whose country code has no + before it."""
_FEWEST_MOBILE = 9
"""Smallest number of digits of a mobile written without its zero.

In countries whose landlines have any length, fewer digits may be a local number.
"""
_ENDS = ";,."
"""Signs that may stand before or behind a number and mean nothing."""
_LONGEST = 200
"""Largest number of characters of a number with the text around it."""
_NOT_ONE = "is not one phone number"
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


@dataclass(slots=True)
class _PhoneParts:
    """Parts of a phone number as they are written."""

    digits: str
    """Without a trunk zero in parentheses, and without the 00 before a country code."""
    international: bool
    """True where the country code comes first."""
    trunk_zero: str | None
    """Digits including a zero in parentheses (``+49 (0)171``); None without one."""
    extension: bool


def read_phone(value: Json, region: str | None) -> str | None:
    """Return the number in E.164, None for an empty value.

    ``region`` is the country of numbers that are written without a country code; None
    refuses these. Raises NotReadError for what is not surely one number in full.
    """
    if isinstance(value, str) and E164.fullmatch(value):
        # Most values are in this form already: it needs no taking apart.
        return _e164(_international(value[1:]), region)
    written = _take_apart(value)
    if written is None:
        return None
    if written.extension:
        raise NotReadError(
            "has an extension, which a phone number in E.164 cannot carry"
        )
    if written.international:
        return _e164(_without_trunk_zero(written), region)
    if region is None:
        raise NotReadError(
            "has no country code: write it with +, or give the field a region"
        )
    return _e164(_of_region(written.digits, region), region)


def phone_readings(value: Json, regions: Iterable[str]) -> frozenset[str]:
    """Return every possible reading of a value, as digits with the country code.

    For suppressions, where too many readings do no harm. Raises NotReadError for what
    is not written as one number.
    """
    written = _take_apart(value)
    if written is None:
        return frozenset()
    return _readings(written, regions)


def _readings(written: _PhoneParts, regions: Iterable[str]) -> frozenset[str]:
    """Return the readings of a number, as digits with the country code."""
    readings: list[PhoneNumber | None] = []
    if written.international:
        readings.append(_international(written.digits))
        if written.trunk_zero:
            # In Italy, say, the zero in parentheses may belong to the number.
            readings.append(_international(written.trunk_zero))
    else:
        readings += [_parsed(written.digits, region) for region in regions]
        if not written.digits.startswith("0"):
            # The country code may be there without a plus.
            readings.append(_international(written.digits))
        elif written.digits.startswith("00"):
            # Or behind a 00 that ``_take_apart`` did not take for one.
            readings.append(_international(written.digits[2:]))
    return frozenset(
        _e164_digits(number) for number in readings if number and _is_possible(number)
    )


def likely_readings(value: Json, regions: Iterable[str]) -> frozenset[str]:
    """Return the likely readings of a value that may be no phone number at all.

    Digits without + and zero may be an id or an amount. They count only where they are
    a valid number of a region and longer than most ids. Raises NotReadError for what is
    not written as one number.
    """
    written = _take_apart(value)
    if written is None:
        return frozenset()
    if not written.international and not written.digits.startswith("0"):
        regions = [region for region in regions if _is_likely(written.digits, region)]
    return _readings(written, regions)


def _is_likely(digits: str, region: str) -> bool:
    """Return whether digits without + and zero are likely a number of the region."""
    if len(digits) < _FEWEST_MOBILE:
        return False
    number = _parsed(digits, region)
    return number is not None and phonenumbers.is_valid_number(number)


def numbers_within(text: str) -> Iterator[str]:
    """Yield all parts of a text that may be a number; some of them overlap.

    Where a run of digits has several groups, any groups in a row may be the number: in
    ``2 0171 1234567`` the number begins with the second.
    """
    plain = visible(unquote(text) if "%" in text else text)
    if not plain.isascii():
        plain = "".join(map(_in_ascii, plain))
    # The digits of a UUID would otherwise be read as numbers.
    without_ids = _UUID.sub(" ", plain)
    for run in _RUN.findall(without_ids):
        groups = [
            group
            for group in _BETWEEN_WORDS.split(run)
            if _digits(group) and not _DAY.fullmatch(group)
        ]
        for first in range(len(groups)):
            yield from _from_first_group(groups[first : first + _MOST_WORDS])


def _from_first_group(groups: list[str]) -> Iterator[str]:
    """Yield the candidates for a number that begin with the first group."""
    for end in range(1, len(groups) + 1):
        number = " ".join(groups[:end]).strip(".-")
        number_of_digits = len(_digits(number))
        if number_of_digits > _MOST_DIGITS + len("00"):
            # With further groups it would only grow.
            return
        if number.count("(") != number.count(")"):
            # One of a pair is in a group that is not part of this candidate.
            number = number.replace("(", "").replace(")", "")
        if number_of_digits >= _FEWEST_DIGITS:
            yield number


def surely_named(value: Json, regions: Iterable[str]) -> frozenset[str]:
    """Return the readings of a line that names somebody.

    All readings are returned, the unlikely ones too, but one of them has to be sure: a
    line that names nobody would be a suppression that suppresses nobody. Raises
    NotReadError where none of them is.
    """
    regions = tuple(regions)
    written = _take_apart(value)
    if written is None:
        raise NotReadError(_NOT_ONE)
    if written.extension:
        raise NotReadError("has an extension: write the number without it")
    readings = phone_readings(value, regions)
    if written.international and readings:
        return readings
    sure = any(_is_sure(written.digits, region) for region in regions)
    if not written.international and not sure:
        _refuse_unlikely(written.digits, regions)
    if not readings:
        raise NotReadError(f"is not a complete phone number: {_WRITE_IT_OUT}")
    return readings


def every_country(value: Json) -> frozenset[str]:
    """Return a national number under the code of every country."""
    try:
        written = _take_apart(value)
    except NotReadError:
        return frozenset()
    if written is None or written.international or len(written.digits) < _FEWEST_DIGITS:
        return frozenset()
    national = written.digits.removeprefix("0")
    # A dictionary: iterating over it gives the country codes.
    country_codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    numbers = {f"{code}{national}" for code in country_codes}
    # The country code may be there without a plus.
    numbers.add(written.digits)
    return frozenset(numbers)


def phones_within(text: str, region: str | None) -> frozenset[str]:
    """Return all numbers that occur in a text which is more than one number."""
    found = phonenumbers.PhoneNumberMatcher(
        visible(text), region, leniency=phonenumbers.Leniency.POSSIBLE
    )
    return frozenset(_e164_digits(match.number) for match in found)


def phone_forms(digits: str) -> tuple[str, ...]:
    """Return the number, then the other form in which WhatsApp may know the person.

    Brazil's mobiles have a ninth digit that older accounts lack, Mexico's had a 1
    behind the country code (until 2019), and Argentina's have a 9 there.
    """
    if digits.startswith("55"):
        return _forms_in_brazil(digits)
    for country_code, mark in (("52", "1"), ("54", "9")):
        if digits.startswith(country_code + mark) and len(digits) == 13:
            return digits, country_code + digits[3:]
        if digits.startswith(country_code) and len(digits) == 12:
            return digits, country_code + mark + digits[2:]
    return (digits,)


def _forms_in_brazil(digits: str) -> tuple[str, ...]:
    """Return a Brazilian number, then its form with or without the ninth digit.

    Behind the country code and two digits of area code, mobiles begin with 6 to 9.
    """
    head, tail = digits[:4], digits[4:]
    if len(tail) == 9 and tail[0] == "9" and tail[1] in "6789":
        return digits, head + tail[1:]
    if len(tail) == 8 and tail[0] in "6789":
        return digits, f"{head}9{tail}"
    return (digits,)


def surely_same(number: str, written: Json, region: str | None) -> bool:
    """Check that a phone, however a person wrote it, is a number in E.164.

    Args:
        number: the number in E.164, with its plus.
        written: the value that the vendor shows.
        region: the country of numbers that are written without a country code.

    The two numbers under which WhatsApp may know one person count as the same.
    """
    if written == number:
        return True
    try:
        phone = _take_apart(written)
    except NotReadError:
        return False
    if phone is None or phone.extension:
        return False
    wanted = phone_forms(number[1:])
    try:
        read = read_phone(written, region)
    except NotReadError:
        # Vendors may store a number without its plus, and nothing else.
        return str(written) in wanted
    return read is not None and read[1:] in wanted


def may_be_same(number: str, written: Json) -> bool:
    """Check that a phone has the digits of a number in E.164.

    It may lack the country code, have an extension, or be one of two numbers.
    """
    text = str(written)
    whole_number = _whole_number(text)
    for form in phone_forms(number[1:]):
        national = national_digits(form)
        if len(national) < _FEWEST_DIGITS:
            # So few digits occur in many a number by chance.
            continue
        if whole_number is None:
            # A number among others, or with text around it: its digits are in there.
            is_same = national in _digits(text)
        else:
            is_same = whole_number.lstrip("0") in (national, form)
        if is_same:
            return True
    return False


def _whole_number(text: str) -> str | None:
    """Return the digits of a text that is one number in full; None for any other."""
    try:
        phone = _take_apart(text)
    except NotReadError:
        return None
    if phone is None or phone.extension:
        return None
    return phone.digits


def plain_spellings(number: str, region: str | None) -> tuple[str, ...]:
    """Return the spellings of a number in E.164 that have digits and a plus alone.

    The one without a country code is among them if the number is one of ``region``. The
    other number by which WhatsApp may know the person has spellings of its own.
    """
    spellings: list[str] = []
    for digits in phone_forms(number[1:]):
        spellings += [f"+{digits}", digits, f"00{digits}"]
        if _is_of(digits, region):
            local = _local(digits)
            if local:
                spellings.append(_digits(local))
    return tuple(dict.fromkeys(spellings))


def usual_spellings(number: str, region: str | None) -> tuple[str, ...]:
    """Return the plain spellings of a number, and those that punctuate it as usual.

    Those without a country code are among them if the number is one of ``region``.
    """
    spellings: list[str] = list(plain_spellings(number, region))
    for digits in phone_forms(number[1:]):
        spellings += _punctuated_abroad(digits)
        if _is_of(digits, region):
            spellings += _punctuated_at_home(digits)
    return tuple(dict.fromkeys(spellings))


def local_spellings(number: str) -> tuple[str, ...]:
    """Return the usual spellings of a number without its country code.

    Each of them may be a number of another country as well.
    """
    spellings: list[str] = []
    for digits in phone_forms(number[1:]):
        spellings += _punctuated_at_home(digits)
    return tuple(dict.fromkeys(spellings))


def further_spellings(number: str) -> tuple[str, ...]:
    """Return a few spellings beside the plain ones.

    They are for vendors that can be asked for one at a time: the number at home, plain,
    with spaces, and without its zero; from abroad with spaces.
    """
    spellings: list[str] = []
    for digits in phone_forms(number[1:]):
        home = _at_home(digits)
        if home:
            plain = _digits(home[0])
            spellings += [plain, *home, plain.lstrip("0")]
        spellings += _from_abroad(digits)
    return tuple(dict.fromkeys(spellings))


def national_digits(digits: str) -> str:
    """Return the digits of a number behind its country code and leading zeros."""
    number = _international(digits)
    if number is None:
        return digits.lstrip("0")
    return phonenumbers.national_significant_number(number).lstrip("0")


def _is_of(digits: str, region: str | None) -> bool:
    """Check that a number with its country code is one of a region's country."""
    if region is None:
        return False
    code = phonenumbers.country_code_for_region(region)
    return code != 0 and digits.startswith(str(code))


def _local(digits: str) -> str | None:
    """Return a number as people of its country write it, such as ``0171 2345678``."""
    number = _international(digits)
    if number is None or not _is_possible(number):
        return None
    written = phonenumbers.format_number(
        number, phonenumbers.PhoneNumberFormat.NATIONAL
    )
    # Ranges that are not in use have no form of their own, and ``phonenumbers`` writes
    # them without the trunk zero that people dial.
    lacks_zero = _digits(written) == national_digits(digits)
    if lacks_zero and _trunk_prefix(number.country_code or 0) == "0":
        return f"0{written}"
    return written


def _at_home(digits: str) -> list[str]:
    """Return a number without its country code, in the groups that are usual for it.

    The first one is the form of its country, such as ``01517 771000``; many write the
    first three digits behind the zero as a group instead.
    """
    local = _local(digits)
    if local is None:
        return []
    national = national_digits(digits)
    # The trunk zero, or nothing where the country has none.
    zero = _digits(local).removesuffix(national)
    in_two_groups = f"{zero}{national[:3]} {national[3:]}"
    return list(dict.fromkeys((local, in_two_groups)))


def _from_abroad(digits: str) -> list[str]:
    """Return a number with its country code, in the groups that are usual for it."""
    number = _international(digits)
    if number is None or not _is_possible(number):
        return []
    written = phonenumbers.format_number(
        number, phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    national = phonenumbers.national_significant_number(number)
    in_two_groups = f"+{number.country_code} {national[:3]} {national[3:]}"
    return list(dict.fromkeys((written, in_two_groups)))


def _punctuated_at_home(digits: str) -> list[str]:
    """Return the usual spellings of a number without its country code."""
    spellings: list[str] = []
    for written in _at_home(digits):
        spellings += [_digits(written), *_punctuated(written)]
    if spellings:
        # A spreadsheet takes the leading zero away.
        spellings.append(spellings[0].lstrip("0"))
    return spellings


def _punctuated_abroad(digits: str) -> list[str]:
    """Return the usual spellings of a number with its country code."""
    spellings: list[str] = []
    for written in _from_abroad(digits):
        spellings += _punctuated(written)
    local = _local(digits)
    national = national_digits(digits)
    country_code = digits.removesuffix(national)
    has_trunk_zero = local is not None and _digits(local) == f"0{national}"
    # Where the zero belongs to the number, as in Italy, nobody puts it in parentheses.
    # Then the rest before the national digits is the country code and a zero.
    if has_trunk_zero and not country_code.endswith("0"):
        for zero in ("(0)", " (0)", " (0) "):
            spellings.append(f"+{country_code}{zero}{national}")
    return spellings


def _punctuated(written: str) -> list[str]:
    """Return a number with spaces, dashes, or a slash behind its first part.

    Behind that part, all digits are one group or those before the last four are. Of
    ``0171 234 5678`` the spellings are ``0171-234-5678``, ``0171 2345678``,
    ``0171 234 5678`` and ``0171/2345678``.
    """
    head, _, tail = written.partition(" ")
    if written.startswith("+"):
        # The first part is the country code with the area code.
        area_code, _, tail = tail.partition(" ")
        head = f"{head} {area_code}"
    tail_digits = _digits(tail)
    if not tail_digits:
        return [written]
    spellings = [written, written.replace(" ", "-"), f"{head} {tail_digits}"]
    if len(tail_digits) > 4:
        spellings.append(f"{head} {tail_digits[:-4]} {tail_digits[-4:]}")
    else:
        spellings.append(written)
    if head.startswith("0"):
        spellings.append(f"{head}/{tail_digits}")
    # A number cut apart inside parentheses has one of them only.
    return [each for each in spellings if each.count("(") == each.count(")")]


def phone_digits(value: str) -> str:
    """Return the digits of a number with its country code, however it is punctuated.

    A value that cannot be read gives the digits in it, whatever they mean.
    """
    if E164.fullmatch(value):
        return value[1:]
    try:
        written = _take_apart(value)
    except NotReadError:
        written = None
    if written is None:
        return "".join(character for character in value if character in "0123456789")
    if not written.international:
        return written.digits
    number = _international(written.digits)
    if number is None or not _is_possible(number):
        return written.digits
    return _e164_digits(number)


def _take_apart(value: Json) -> _PhoneParts | None:
    """Take a value apart; None when it is empty.

    The order matters: each step relies on those before it having taken something away.
    Raises NotReadError for what is not written as one phone number.
    """
    text = _plain_text(value)
    if not text:
        return None
    # A ``tel:`` URI has parameters: ``tel:+49-30-1234;ext=56``.
    text, *parameters = text.split(";")
    text, extension = _with_parameters(text, parameters)
    found = _EXTENSION.search(text)
    if found is not None:
        if found.end() != len(text):
            # Something follows the extension: a second number, maybe.
            raise NotReadError(_NOT_ONE)
        text = text[: found.start()]
        extension = True
    text = text.replace("[", "(").replace("]", ")")
    text = _COUNTRY_IN_PARENTHESES.sub(r"\1 ", text, count=1).strip()
    _refuse_other_than_phone(text)
    return _numbered(
        text.removeprefix("+"),
        international=text.startswith("+"),
        extension=extension,
    )


def _plain_text(value: Json) -> str:
    """Return a value in ASCII without what people and spreadsheets put around it.

    Raises NotReadError.
    """
    text = _phone_text(value)
    if len(text) > _LONGEST:
        raise NotReadError(_NOT_ONE)
    if "%" in text:
        text = unquote(text)
    text = unwrapped(visible(text), _ENDS)
    if not text.isascii():
        text = "".join(map(_in_ascii, text))
    scheme = _SCHEME.match(text)
    if scheme is not None:
        text = unwrapped(text[scheme.end() :], _ENDS)
    return text


def _refuse_other_than_phone(text: str) -> None:
    """Refuse what is not written as one phone number. Raises NotReadError."""
    body = text.removeprefix("+")
    if not _PUNCTUATED.fullmatch(body) or body.count("(") != body.count(")"):
        raise NotReadError(_NOT_ONE)
    if _DAY.fullmatch(text):
        raise NotReadError("is a date, not a phone number")
    if _DECIMAL.fullmatch(text):
        raise NotReadError("is a number with a decimal point, not a phone number")
    _refuse_several(body)


def _in_ascii(character: str) -> str:
    """Return a decimal digit of any script as ASCII; other characters unchanged."""
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    return character


def _numbered(body: str, *, international: bool, extension: bool) -> _PhoneParts:
    """Take apart a number whose punctuation is valid, without the plus before it.

    Raises NotReadError where it has no digits.
    """
    digits = _digits(body)
    trunk_zero: str | None = None
    if not international and _has_dialled_code(digits):
        # 0049 is +49: the first two zeros are taken away.
        international = True
        digits = digits[2:]
        body = body.replace("0", "", 2)
    if international and _TRUNK_ZERO.search(body):
        # Both readings are kept: which one is meant depends on the country.
        trunk_zero = digits
        digits = _digits(_TRUNK_ZERO.sub("", body, count=1))
    if not digits:
        raise NotReadError(_NOT_ONE)
    return _PhoneParts(
        digits, international=international, trunk_zero=trunk_zero, extension=extension
    )


def _has_dialled_code(digits: str) -> bool:
    """Return whether digits begin with 00 and a country code, in place of the plus."""
    if not digits.startswith("00") or len(digits) <= _FEWEST_DIGITS + len("00"):
        return False
    number = _international(digits[2:])
    return number is not None and _is_possible(number)


def _phone_text(value: Json) -> str:
    """Return the text of a value that may be a phone number. Raises NotReadError."""
    if isinstance(value, str):
        return value
    # A bool is an int to Python.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return format(value.to_integral_value(), "f")
    if isinstance(value, float):
        # Its last digits may be lost already.
        raise NotReadError(
            "is a number with a decimal point or an exponent, not a phone"
        )
    raise NotReadError(_NOT_ONE)


def _with_parameters(text: str, parameters: Iterable[str]) -> tuple[str, bool]:
    """Read the parameters of a ``tel:`` URI (RFC 3966).

    Returns the number with its context (a country code that is given apart from it),
    and whether a parameter is an extension. Raises NotReadError.
    """
    extension = False
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            raise NotReadError(_NOT_ONE)
        if name in ("ext", "isub"):
            extension = True
        elif name == "phone-context" and not text.startswith("+"):
            if not re.fullmatch(r"\+\d+", value.strip()):
                raise NotReadError(
                    "is a local number whose context is not a country code"
                )
            text = value.strip() + " " + text
    return text, extension


def _refuse_several(body: str) -> None:
    """Refuse two numbers, such as ``030 123 / 0171 456`` and ``030 12345/46``.

    One slash is allowed, behind an area code: ``030/1234567``. Raises NotReadError.
    """
    left, slash, right = body.partition("/")
    if not slash or not _digits(left):
        return
    right_digits = _digits(right)
    is_extension = len(right_digits) < 3
    is_second_number = right_digits.startswith("0")
    if is_extension or is_second_number or "/" in right:
        raise NotReadError(_NOT_ONE)


def _without_trunk_zero(written: _PhoneParts) -> PhoneNumber | None:
    """Return the number meant by ``+49 (0)171``; in Italy the zero may belong to it.

    None where it is no number. Raises AmbiguousError where both readings are numbers.
    """
    without_zero = _international(written.digits)
    if written.trunk_zero is None:
        return without_zero
    with_zero = _international(written.trunk_zero)
    if without_zero is None or with_zero is None or without_zero == with_zero:
        return without_zero or with_zero
    valid = [
        number
        for number in (without_zero, with_zero)
        if phonenumbers.is_valid_number(number)
    ]
    if len(valid) == 1:
        return valid[0]
    # Where a zero is dialled at home only, it is no part of the number.
    if _trunk_prefix(without_zero.country_code or 0) == "0":
        return without_zero
    raise AmbiguousError


def _of_region(digits: str, region: str) -> PhoneNumber | None:
    """Return the number that a person in the region means by these digits.

    With a zero in front, or a prefix for calls abroad, that is clear. Without one the
    digits may be

    - *national*: a number of the region that lost its zero, to a spreadsheet say,
    - *abroad*: a number of any country, with its country code but without the plus,
    - local: a number without its area code, which is not enough to call it.

    None where the digits are no number at all. Raises AmbiguousError where national and
    abroad are two different numbers and neither is likelier, NotReadError where they
    may be a local number.
    """
    national = _parsed(digits, region)
    if national is None or digits.startswith("0"):
        return national
    if national.country_code_source == CountryCodeSource.FROM_NUMBER_WITH_IDD:
        return national
    abroad = _abroad(digits)
    if abroad is None:
        return _refuse_local(national, region)
    if _same(abroad, national) or not _is_possible(national):
        return abroad
    if _is_full(national, region):
        return _chosen(national, abroad)
    return _not_local(national, abroad, region)


def _not_local(national: PhoneNumber, abroad: PhoneNumber, region: str) -> PhoneNumber:
    """Return the reading of digits with a country code unless they may be local.

    ``national`` is possible but lacks an area code. Raises AmbiguousError.
    """
    # The digits may be a local number, or begin with a country code. That the code is
    # the region's own makes the second likely, as in 49171... in Germany.
    own_code = phonenumbers.country_code_for_region(region)
    has_own_code = abroad.country_code == own_code
    is_mobile = phonenumbers.number_type(abroad) in _MOBILE
    is_only_reading = not phonenumbers.is_valid_number(national)
    if has_own_code and (is_mobile or is_only_reading):
        return abroad
    raise AmbiguousError


def _refuse_local(national: PhoneNumber, region: str) -> PhoneNumber:
    """Return a national number unless it may be one without its area code.

    Raises NotReadError. An impossible number is returned as well: it is refused later,
    with the reason.
    """
    if _is_full(national, region) or not _is_possible(national):
        return national
    raise NotReadError(
        f"is not a complete phone number of region {region}: {_WRITE_IT_OUT}"
    )


def _chosen(national: PhoneNumber, abroad: PhoneNumber) -> PhoneNumber:
    """Choose between two readings of digits without + or zero.

    Raises AmbiguousError where nobody can tell.
    """
    if phonenumbers.number_type(national) in _MOBILE:
        return national
    # A landline by one reading: the other one is likelier where it is a mobile.
    if phonenumbers.number_type(abroad) not in _MOBILE:
        return national
    raise AmbiguousError


def _abroad(digits: str) -> PhoneNumber | None:
    """Return the number of the country whose code the digits begin with.

    None where they may as well be a local number: those have nine digits at most.
    """
    if len(digits) < _FEWEST_ABROAD:
        return None
    number = _international(digits)
    if number is None or not _is_possible(number):
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return number


def _is_full(number: PhoneNumber, region: str) -> bool:
    """Check that digits without a zero are a number of the region, area code included.

    Local numbers may look like other people's full ones where landlines have any
    length.
    """
    if not _is_possible(number):
        return False
    country_code = phonenumbers.country_code_for_region(region)
    has_trunk_zero = _trunk_prefix(country_code) == "0"
    has_one_length = _has_one_length(region)
    if has_one_length and not has_trunk_zero:
        # As in the USA: the length alone tells a full number from a local one.
        return True
    if not phonenumbers.is_valid_number(number):
        return False
    if has_one_length or not has_trunk_zero:
        return True
    # As in Germany: landlines have any length, so only mobiles can be told.
    is_mobile = phonenumbers.number_type(number) in _MOBILE
    national = phonenumbers.national_significant_number(number)
    return is_mobile and len(national) >= _FEWEST_MOBILE


def _has_one_length(region: str) -> bool:
    """Check that all landlines of a region have the same number of digits."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.fixed_line is None:
        return False
    lengths = metadata.fixed_line.possible_length
    if not lengths and metadata.general_desc:
        # Where landlines are as long as all other numbers, only these are listed.
        lengths = metadata.general_desc.possible_length
    return len(lengths) == 1


def has_country_code(value: Json) -> bool:
    """Check that a number carries its country code. Raises NotReadError."""
    written = _take_apart(value)
    return written is not None and written.international


def _is_sure(digits: str, region: str) -> bool:
    """Check that the digits are one number of the region, or two known ones."""
    try:
        number = _of_region(digits, region)
    except AmbiguousError:
        return True
    except NotReadError:
        return False
    return number is not None and _is_possible(number)


def _refuse_unlikely(digits: str, regions: tuple[str, ...]) -> None:
    """Refuse digits that are no number of the country whose code they begin with."""
    if not digits.startswith("0") and _abroad(digits) is not None:
        return
    if regions:
        raise NotReadError(f"is not a complete phone number: {_WRITE_IT_OUT}")
    raise NotReadError(
        f"has no country code, and no destination has a region: {_WRITE_IT_OUT}"
    )


def _same(one: PhoneNumber, other: PhoneNumber) -> bool:
    return _e164_digits(one) == _e164_digits(other)


def _international(digits: str) -> PhoneNumber | None:
    """Return the number of digits with a country code; None where they are none."""
    # Mexico's mobiles had a 1 behind the country code until 2019.
    if digits.startswith("521") and len(digits) == 13:
        digits = "52" + digits[3:]
    return _parsed(f"+{digits}", None)


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    """Return the number that ``phonenumbers`` reads; None where it reads none.

    ``keep_raw_input`` has it note whether the number began with a prefix for calls
    abroad.
    """
    try:
        number = phonenumbers.parse(text, region, keep_raw_input=region is not None)
    except phonenumbers.NumberParseException:
        return None
    return number


def _is_possible(number: PhoneNumber) -> bool:
    """Check the length: local numbers and more than 15 digits are not possible."""
    if len(_e164_digits(number)) > _MOST_DIGITS:
        return False
    # Not ``is_possible_number``, which takes local numbers for possible.
    result = phonenumbers.is_possible_number_with_reason(number)
    return result == ValidationResult.IS_POSSIBLE


def _e164(number: PhoneNumber | None, region: str | None) -> str:
    """Return a number in E.164. Raises NotReadError where it is not possible.

    ``region`` is named in the message.
    """
    of_region = f" of region {region}" if region else ""
    if number is None:
        raise NotReadError(f"is not a phone number{of_region}")
    if not _is_possible(number):
        why = "too short, too long, or without its area code"
        raise NotReadError(f"is not a possible phone number{of_region} ({why})")
    return "+" + _e164_digits(number)


def _e164_digits(number: PhoneNumber) -> str:
    """Return a number's digits with the country code, without the plus."""
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164.removeprefix("+")


def _trunk_prefix(country_code: int) -> str | None:
    """Return what is dialled before a number at home, mostly 0; None for nothing."""
    region = phonenumbers.region_code_for_country_code(country_code)
    return phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
