"""The people about whom nothing may be sent, and how their contacts are recognised.

A *suppression* names a person by a contact id, a phone number or an e-mail address: a
``Subject``. The state keeps only salted hashes of subjects, so two sides have to come
to the same text for the same person, without seeing each other's:

- ``of_contact``, ``of_phone`` and ``of_email`` read the line of a list that somebody
  suppresses. They refuse what is not surely one name.
- ``SubjectFinder`` reads the contacts that a run wants to send. It finds every name
  that *may* be in a contact's values: a phone number in a note, one without country
  code in each of the mapping's regions, an address in a tag. It finds too many in
  doubt, so that nothing is sent about a person who is suppressed.

``forms_of`` bridges what is left: the spellings of one phone number or address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import TypeAlias

from syncengine.model import emails, phones, written
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.mapping import Form, Mapping
from syncengine.model.written import NotReadError

OPTED_OUT = "opted_out"
"""Reason where the source's own opt-out column is true."""
SAME_PERSON = "same_person"
"""Reason where a contact that was never in step has a phone or an address of one that
was suppressed or forgotten by its id."""
LEFT_SOURCE = "left_source"
"""Reason where the source does not select the row any more: its opt-out column cannot
be read then."""


class SubjectKind(StrEnum):
    """Kinds of names in a suppression."""

    CONTACT = "contact"
    PHONE = "phone"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, by a contact id, a phone number or an e-mail address."""

    kind: SubjectKind
    value: str = field(repr=False)
    """The contact id; the phone's digits with its country code, without a plus; the
    address in lower case."""

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

    A number without country code means one in each of ``regions``, which are those of
    all destinations. ``unread`` are the destinations whose files cannot be read, so
    that their regions are not known. Raises NotReadError.
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
    """Return every spelling under which a suppression may have stored a subject.

    The subject itself is among them.
    """
    match subject.kind:
        case SubjectKind.PHONE:
            forms = phones.phone_forms(subject.value)
        case SubjectKind.EMAIL:
            forms = emails.email_forms(subject.value)
        case SubjectKind.CONTACT:
            forms = (subject.value,)
    return tuple(Subject(subject.kind, form) for form in forms)


def regions_of(mapping: Mapping) -> tuple[str, ...]:
    """Return the countries whose national numbers a mapping reads, each once."""
    regions = [field.region for field in mapping.fields if field.region]
    return tuple(dict.fromkeys(regions))


_Single: TypeAlias = str | int | float | Decimal
"""A value that is no list, object, boolean or NULL."""
_PHONE_NAME = re.compile(
    r"phone|mobil|whatsapp|handy|\btel|_tel|cell|celular|m[oó]vil|gsm|fax|\bfon|msisdn",
    re.IGNORECASE,
)
"""Names of fields and columns that hold phone numbers in some form."""
_FEWEST_DIGITS = 7
"""The fewest digits that a phone number has."""
_ENOUGH_DIGITS = re.compile(r"\d(?:\D{0,9}\d){6}")
"""So many digits near each other."""
_SEPARATOR = re.compile(r"[/;,|\n\r\t]|\s[^\W\d]{1,9}\s")
"""What separates two phone numbers: a sign, or a word such as "oder"."""
_DECIMAL = re.compile(r"\+?[0-9]{1,16}(?:\.[0-9]{1,16})?(?:[eE]\+?[0-9]{1,2})?")
"""A number as a spreadsheet or a float column may write it, such as 4.9171e+11."""
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
"""A date or a moment in ISO 8601. No part of it is read as a number."""
_LONGEST_NUMBER = 100
"""Characters of a text that may be one phone number."""
_LONGEST_SEARCHED = 10_000
"""Characters of a text in which phone numbers are looked for."""
_MOST_TRIES = 2_000
"""Number of parts of one contact that are read as phone numbers."""


class SubjectFinder:
    """Finds every subject by which a suppression may name a mapping's contacts.

    A value is read according to the field it is in:

    - a field with ``as: e164``: the mapping has read the number already;
    - another field or column with a name such as "mobile": any number in it, read in
      every possible way;
    - all else, tags and the contact id included: only what is likely to be a number,
      since ids and amounts have digits as well.

    In doubt it finds too many, so that nothing is sent about a person who is
    suppressed.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._regions = regions_of(mapping)
        self._region_of_e164: dict[str, str | None] = {}
        phone_fields: set[str] = set()
        for each in mapping.fields:
            if each.form is Form.E164:
                self._region_of_e164[each.field] = each.region
                phone_fields.add(each.field)
            elif _PHONE_NAME.search(each.column):
                phone_fields.add(each.field)
        self._phone_fields = frozenset(phone_fields)
        self._tag_prefix = mapping.tag_prefix
        self._list_prefix = mapping.list_prefix

    def subjects(
        self,
        contact_id: str,
        values: Iterable[tuple[str, Json]],
        tags: Iterable[str] = (),
    ) -> tuple[Subject, ...]:
        """Return the contact's id, and every phone and address in its values and tags.

        ``values`` are pairs of field and value.
        """
        single_values = self._single_values(contact_id, values, tags)
        unique_values = self._phones_first(dict.fromkeys(single_values))
        found = [Subject(SubjectKind.CONTACT, contact_id)]
        for _, value in unique_values:
            if isinstance(value, str) and _has_at(value):
                found += [
                    Subject(SubjectKind.EMAIL, form) for form in _addresses(value)
                ]
        for digits in self._all_numbers(unique_values):
            for form in phones.phone_forms(digits):
                found.append(Subject(SubjectKind.PHONE, form))
        return tuple(dict.fromkeys(found))

    def _phones_first(
        self, values: Iterable[tuple[str, _Single]]
    ) -> Sequence[tuple[str, _Single]]:
        """Return the values with those of fields for phones first.

        A contact with so many values that not all of them can be tried must not lose
        its own number.
        """
        of_phones: list[tuple[str, _Single]] = []
        others: list[tuple[str, _Single]] = []
        for item in values:
            if self._is_phone(item[0]):
                of_phones.append(item)
            else:
                others.append(item)
        return [*of_phones, *others]

    def _all_numbers(self, values: Iterable[tuple[str, _Single]]) -> Iterator[str]:
        """Yield the numbers in all values, as digits with the country code.

        A contact may have a value of any length, so the number of parts that are tried
        is limited.
        """
        tried = 0
        for name, value in values:
            for numbers in self._numbers(name, value):
                yield from numbers
                tried += 1
                if tried == _MOST_TRIES:
                    return

    def of_person(self, values: Iterable[tuple[str, Json]]) -> tuple[Subject, ...]:
        """Return the phones and addresses by which a person is known under any id.

        These are the values of fields for phones, and values that are an address as a
        whole: not what a text mentions. ``values`` are pairs of field and value.
        """
        own = [
            (name, value) for name, value in values if self.is_of_person(name, value)
        ]
        # The empty contact id stands for no contact, and is taken out again.
        found = self.subjects(contact_id="", values=own)
        return tuple(
            subject for subject in found if subject.kind is not SubjectKind.CONTACT
        )

    def is_of_person(self, name: str, value: Json) -> bool:
        """Return whether a field holds a phone or an address as a whole."""
        if self._is_phone(name):
            return True
        if not isinstance(value, str):
            return False
        is_one_word = re.search(r"\s", value.strip()) is None
        is_address = _has_at(value) and is_one_word
        return is_address or phones.E164.fullmatch(value) is not None

    def _single_values(
        self, contact_id: str, values: Iterable[tuple[str, Json]], tags: Iterable[str]
    ) -> Iterator[tuple[str, _Single]]:
        """Yield the field and the value of everything that may name a person.

        The field is empty for what is in no field: the id, tags and lists.
        """
        yield "", contact_id
        for tag in tags:
            yield "", tag.removeprefix(self._tag_prefix)
        for name, value in values:
            if name.startswith(LISTS):
                yield "", name.removeprefix(LISTS).removeprefix(self._list_prefix)
            if isinstance(value, str):
                # Most are: a generator for each of them would take as long as the rest.
                yield name, value
            else:
                yield from _leaves(name, value)

    def _is_phone(self, name: str) -> bool:
        """Return whether a field is one for phones, by its mapping or its name."""
        return name in self._phone_fields or _sounds_like_phone(name)

    def _numbers(self, name: str, value: _Single) -> Iterator[frozenset[str]]:
        """Yield the numbers that a value may mean, as digits with the country code.

        Each part of the value that is tried has one set, which may be empty.
        """
        text = str(value)
        if len(text) < _FEWEST_DIGITS or not _ENOUGH_DIGITS.search(text):
            return
        if name in self._region_of_e164 and phones.E164.fullmatch(text):
            # The mapping has brought it into this form: it has no other reading.
            yield frozenset((text[1:],))
        elif self._is_phone(name):
            own_region = self._region_of_e164.get(name)
            regions = (own_region,) if own_region else self._regions
            number = _as_whole_number(value)
            yield from _any_number(number, regions, of_any_country=own_region is None)
        elif not _MOMENT.fullmatch(text):
            for part in _parts(value):
                yield _read(phones.likely_readings, part, self._regions)


@lru_cache(maxsize=1000)
def _sounds_like_phone(name: str) -> bool:
    """Return whether a field or a key is named as if it held phones.

    Remembered, since the same few names come with every contact.
    """
    return _PHONE_NAME.search(name) is not None


def _has_at(text: str) -> bool:
    """Return whether a text has an @, a wide one, or one of a URL.

    Without any of them it has no address.
    """
    return "@" in text or "\uff20" in text or "%40" in text


def _leaves(name: str, value: Json) -> Iterator[tuple[str, _Single]]:
    """Yield the single values in a value, and the keys of its objects.

    Keys may name people too: an object may be keyed by phone or address. A key such as
    "mobile" makes what is below it a phone, whatever the field is called.
    """
    if isinstance(value, list):
        for each in value:
            yield from _leaves(name, each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield "", key
            name_below = key if _sounds_like_phone(key) else name
            yield from _leaves(name_below, each)
    elif isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        yield name, value


def _parts(value: _Single) -> Iterator[Json]:
    """Yield the value as one number, and every part of it that may be a number."""
    text = str(value)
    if len(text) <= _LONGEST_NUMBER:
        yield _as_whole_number(value)
    for part in phones.numbers_within(text[:_LONGEST_SEARCHED]):
        if part != text:
            yield part


def _any_number(
    value: Json, regions: Sequence[str], *, of_any_country: bool
) -> Iterator[frozenset[str]]:
    """Yield every number in a field for phones, be it one or several.

    ``of_any_country``: a number without country code may be of every country, since the
    mapping names none for this field.
    """
    whole = _read(phones.phone_readings, value, regions)
    yield whole
    if of_any_country:
        yield phones.every_country(value)
    if whole:
        return
    # It is not written as one number: there may be several in it, or text around.
    text = str(value)[:_LONGEST_SEARCHED]
    for region in regions or (None,):
        yield phones.phones_within(text, region)
    parts = [*_SEPARATOR.split(text), *islice(phones.numbers_within(text), _MOST_TRIES)]
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


def _as_whole_number(value: Json) -> Json:
    """Return the integer that a decimal number stands for: 491711234567 of 4.917...e11.

    A float column writes phone numbers like that. Any other value is returned as it is.
    """
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
    addresses = set(emails.emails_within(text))
    with suppress(NotReadError):
        whole = emails.read_email(text)
        if whole:
            addresses.add(whole)
    # Sorted, so that the same contact always has the same subjects in the same order.
    for address in sorted(addresses):
        yield from emails.email_forms(address)
