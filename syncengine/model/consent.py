"""The people about whom nothing may be sent, and how their contacts are recognised."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import chain, islice
from typing import TypeAlias

from syncengine.model import emails, phones, written
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.mapping import Form, Mapping
from syncengine.model.written import NotReadError


class SubjectKind(StrEnum):
    """Kinds of names in a suppression."""

    CONTACT = "contact"
    PHONE = "phone"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, by a contact id, a phone (all its digits) or an e-mail address."""

    kind: SubjectKind
    value: str = field(repr=False)

    @property
    def text(self) -> str:
        """The text that is hashed."""
        return f"{self.kind.value}:{self.value}"


def of_contact(line: str) -> tuple[Subject, ...]:
    """Return the contact ids that a line of a list means. Raises NotReadError."""
    if any(unicodedata.category(character) == "Cc" for character in line.strip()):
        raise NotReadError("holds a control character, so it is not a contact id")
    return tuple(
        Subject(SubjectKind.CONTACT, each) for each in written.id_spellings(line)
    )


def of_phone(
    line: str, regions: Iterable[str], unread: Collection[str] = ()
) -> tuple[Subject, ...]:
    """Return the phone numbers that a line of a list means.

    A national number means one in each of the regions; ``unread`` are destinations
    whose regions are not known. Raises NotReadError.
    """
    if unread and not phones.has_country_code(line):
        names = ", ".join(sorted(unread))
        raise NotReadError(
            f"has no country code, and the region of {names} cannot be read: "
            "mend the file first"
        )
    found = phones.surely_named(line, regions)
    return tuple(Subject(SubjectKind.PHONE, digits) for digits in sorted(found))


def of_email(line: str) -> tuple[Subject, ...]:
    """Return the e-mail addresses that a line of a list means. Raises NotReadError."""
    address = emails.read_email(line)
    if address is None:
        raise NotReadError("is empty")
    return (Subject(SubjectKind.EMAIL, emails.email_forms(address)[0]),)


def forms_of(subject: Subject) -> tuple[Subject, ...]:
    """Return every spelling under which a suppression may have stored a subject."""
    match subject.kind:
        case SubjectKind.PHONE:
            forms = phones.phone_forms(subject.value)
        case SubjectKind.EMAIL:
            forms = emails.email_forms(subject.value)
        case SubjectKind.CONTACT:
            forms = (subject.value,)
    return tuple(Subject(subject.kind, form) for form in forms)


def regions_of(mapping: Mapping) -> tuple[str, ...]:
    """Return the countries whose national numbers a mapping reads."""
    return tuple(
        dict.fromkeys(field.region for field in mapping.fields if field.region)
    )


_Single: TypeAlias = str | int | float | Decimal
_PHONE_NAME = re.compile(
    r"phone|mobil|whatsapp|handy|\btel|_tel|cell|celular|m[oó]vil|gsm|fax|\bfon|msisdn",
    re.IGNORECASE,
)
"""Names of fields and columns that hold phone numbers in some form."""
_ENOUGH_DIGITS = re.compile(r"\d(?:\D{0,9}\d){6}")
_AT = ("@", "\uff20", "%40")
_SEPARATOR = re.compile(r"[/;,|\n\r\t]|\s[^\W\d]{1,9}\s")
_DECIMAL = re.compile(r"\+?[0-9]{1,16}(?:\.[0-9]{1,16})?(?:[eE]\+?[0-9]{1,2})?")
_LONGEST_NUMBER = 100
"""Characters of a text that may be one phone number."""
_LONGEST_SEARCHED = 10_000
"""Characters of a text in which phone numbers are looked for."""
_MOST_TRIES = 2_000
"""Number of parts of one contact that are read as phone numbers."""


class SubjectFinder:
    """Every subject by which a suppression may name a mapping's contacts.

    In doubt it finds too many, so that nothing is sent about a person who is
    suppressed.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._regions = regions_of(mapping)
        self._region = {
            each.field: each.region for each in mapping.fields if each.form is Form.E164
        }
        named = (
            each.field for each in mapping.fields if _PHONE_NAME.search(each.column)
        )
        self._phones = frozenset((*self._region, *named))
        self._tag_prefix = mapping.tags.prefix if mapping.tags else ""
        self._list_prefix = mapping.lists.prefix if mapping.lists else ""

    def subjects(
        self,
        contact_id: str,
        values: Iterable[tuple[str, Json]],
        tags: Iterable[str] = (),
    ) -> tuple[Subject, ...]:
        """Return the contact's id, and every phone and address in its values and tags.

        ``values`` are pairs of field and value.
        """
        single = list(dict.fromkeys(self._single_values(contact_id, values, tags)))
        found = [Subject(SubjectKind.CONTACT, contact_id)]
        # Fields for phones come first: a contact with so many values that not all of
        # them can be tried must not lose its own number. Sorting is stable.
        single.sort(key=lambda each: not self._is_phone(each[0]))
        for _, value in single:
            if isinstance(value, str):
                found += [
                    Subject(SubjectKind.EMAIL, form) for form in _addresses(value)
                ]
        for digits in self._all_numbers(single):
            for form in phones.phone_forms(digits):
                found.append(Subject(SubjectKind.PHONE, form))
        return tuple(dict.fromkeys(found))

    def _all_numbers(self, single: Iterable[tuple[str, _Single]]) -> Iterator[str]:
        """Yield the numbers in all values, as far as they are tried."""
        tries = chain.from_iterable(
            self._numbers(name, value) for name, value in single
        )
        for numbers in islice(tries, _MOST_TRIES):
            yield from numbers

    def of_person(self, values: Iterable[tuple[str, Json]]) -> tuple[Subject, ...]:
        """Return the phones and addresses by which a person is known under any id.

        These are the values of fields for phones, and values that are an address as a
        whole: not what a text mentions. ``values`` are pairs of field and value.
        """
        own = [
            (name, value) for name, value in values if self.is_of_person(name, value)
        ]
        found = self.subjects("", own)
        return tuple(
            subject for subject in found if subject.kind is not SubjectKind.CONTACT
        )

    def is_of_person(self, name: str, value: Json) -> bool:
        """Return whether a field holds a phone or an address as a whole."""
        if self._is_phone(name):
            return True
        if not isinstance(value, str):
            return False
        has_sign = any(sign in value for sign in _AT)
        is_address = has_sign and not re.search(r"\s", value.strip())
        return is_address or phones.E164.fullmatch(value) is not None

    def _single_values(
        self, contact_id: str, values: Iterable[tuple[str, Json]], tags: Iterable[str]
    ) -> Iterator[tuple[str, _Single]]:
        """Yield every value that may name a person, with the field it is in."""
        yield "", contact_id
        for tag in tags:
            yield "", tag.removeprefix(self._tag_prefix)
        for name, value in values:
            if name.startswith(LISTS):
                yield "", name.removeprefix(LISTS).removeprefix(self._list_prefix)
            yield from _leaves(name, value)

    def _is_phone(self, name: str) -> bool:
        return name in self._phones or _PHONE_NAME.search(name) is not None

    def _numbers(self, name: str, value: _Single) -> Iterator[frozenset[str]]:
        """Yield the numbers that a value may mean, as digits with the country code.

        Each part of the value has one set.
        """
        text = str(value)
        if not _ENOUGH_DIGITS.search(text):
            return
        own = self._region.get(name)
        if name in self._region and phones.E164.fullmatch(text):
            # The mapping has brought it into this form: it has no other reading.
            yield frozenset((text[1:],))
        elif self._is_phone(name):
            regions = (own,) if own else self._regions
            yield from _any_number(_whole(value), regions, of_any_country=own is None)
        else:
            for part in _parts(value):
                yield _read(phones.likely_readings, part, self._regions)


def _leaves(name: str, value: Json) -> Iterator[tuple[str, _Single]]:
    """Yield the single values in a value, and the keys of its objects.

    Keys are names too: an object may be keyed by phone or address.
    """
    if isinstance(value, list):
        for each in value:
            yield from _leaves(name, each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield "", key
            yield from _leaves(key if _PHONE_NAME.search(key) else name, each)
    elif isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        yield name, value


def _parts(value: _Single) -> Iterator[Json]:
    """Yield the value as one number, and every part of it that may be a number."""
    text = str(value)
    if len(text) <= _LONGEST_NUMBER:
        yield _whole(value)
    for part in phones.numbers_within(text[:_LONGEST_SEARCHED]):
        if part != text:
            yield part


def _any_number(
    value: Json, regions: Sequence[str], *, of_any_country: bool
) -> Iterator[frozenset[str]]:
    """Yield every number in a field for phones, be it one or several."""
    whole = _read(phones.phone_readings, value, regions)
    yield whole
    parts: list[Json] = [value]
    if not whole:
        text = str(value)[:_LONGEST_SEARCHED]
        parts += _SEPARATOR.split(text)
        parts += islice(phones.numbers_within(text), _MOST_TRIES)
        for region in regions or (None,):
            yield phones.phones_within(text, region)
    for part in dict.fromkeys(parts):
        yield _read(phones.phone_readings, part, regions)
        if of_any_country:
            yield phones.every_country(part)


def _read(
    readings: Callable[[Json, Sequence[str]], frozenset[str]],
    value: Json,
    regions: Sequence[str],
) -> frozenset[str]:
    """Return the value's readings; none where it is not written as one number."""
    try:
        return readings(value, regions)
    except NotReadError:
        return frozenset()


def _whole(value: Json) -> Json:
    """Return a whole number that was written as a decimal one as what it was."""
    text = str(value)
    if "." not in text and "e" not in text.lower():
        return value
    if not _DECIMAL.fullmatch(text):
        return value
    number = Decimal(text)
    if number != number.to_integral_value():
        return value
    return int(number)


def _addresses(text: str) -> Iterator[str]:
    """Yield every address in a text, in all its spellings."""
    if not any(sign in text for sign in _AT):
        return
    addresses = set(emails.emails_within(text))
    with suppress(NotReadError):
        whole = emails.read_email(text)
        if whole:
            addresses.add(whole)
    # Sorted, so that the same contact always has the same subjects in the same order.
    for address in sorted(addresses):
        yield from emails.email_forms(address)
