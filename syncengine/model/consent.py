"""Whom nothing may be sent about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from syncengine.model import phone_email
from syncengine.model.http import Json
from syncengine.model.mapping import Form, Mapping
from syncengine.model.phone_email import NotReadError


class SubjectKind(StrEnum):
    """What a suppression names somebody by."""

    CONTACT = "contact"
    PHONE = "phone"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody, by a contact id, a phone (all its digits) or an e-mail address."""

    kind: SubjectKind
    value: str = field(repr=False)

    @property
    def text(self) -> str:
        """What is hashed."""
        return f"{self.kind.value}:{self.value}"


def of_contact(line: str) -> tuple[Subject, ...]:
    """Return what a line of a list of contact ids names. Raises NotReadError."""
    if any(unicodedata.category(character) == "Cc" for character in line.strip()):
        raise NotReadError("holds a control character, and is no contact id")
    return tuple(Subject(SubjectKind.CONTACT, each) for each in phone_email.id_spellings(line))


def of_phone(line: str, regions: Iterable[str], unread: Collection[str] = ()) -> tuple[Subject, ...]:
    """Return what a line of a list of phone numbers names.

    A national number means one in each of the regions; ``unread`` are destinations whose
    regions nobody knows. Raises NotReadError.
    """
    if unread and not phone_email.has_country_code(line):
        names = ", ".join(sorted(unread))
        why = f"has no country code, and the region of {names} cannot be read"
        raise NotReadError(f"{why}: mend the file first")
    found = phone_email.surely_named(line, regions)
    return tuple(Subject(SubjectKind.PHONE, digits) for digits in sorted(found))


def of_email(line: str) -> tuple[Subject, ...]:
    """Return what a line of a list of e-mail addresses names. Raises NotReadError."""
    address = phone_email.read_email(line)
    if address is None:
        raise NotReadError("is empty")
    return (Subject(SubjectKind.EMAIL, phone_email.email_forms(address)[0]),)


def forms_of(subject: Subject) -> tuple[Subject, ...]:
    """Return every spelling by which a suppression may have kept a subject."""
    forms: tuple[str, ...] = (subject.value,)
    if subject.kind is SubjectKind.PHONE:
        forms = phone_email.phone_forms(subject.value)
    elif subject.kind is SubjectKind.EMAIL:
        forms = phone_email.email_forms(subject.value)
    return tuple(Subject(subject.kind, form) for form in forms)


def regions_of(mapping: Mapping) -> tuple[str, ...]:
    """Return the countries whose national numbers a mapping reads."""
    return tuple(dict.fromkeys(field.region for field in mapping.fields if field.region))


_PHONE_NAME = re.compile(
    r"phone|mobil|whatsapp|handy|\btel|_tel|cell|celular|m[oó]vil|gsm|fax|\bfon|msisdn", re.IGNORECASE
)
"""Names of fields and columns that hold phone numbers in whatever form."""
_ENOUGH_DIGITS = re.compile(r"\d(?:\D{0,9}\d){6}")
_LEADING_ZERO = re.compile(r"\W*0")
_SEPARATOR = re.compile(r"[/;,|\n\r\t]|\s[^\W\d]{1,9}\s")
_DECIMAL = re.compile(r"\+?[0-9]{1,16}(?:\.[0-9]{1,16})?(?:[eE]\+?[0-9]{1,2})?")
_LONGEST = 100
"""Characters of a text that may be one phone number."""
_MOST = 10_000
"""Characters in which several phone numbers are looked for."""


class Naming:
    """All that a suppression may name a mapping's contacts by; rather too much."""

    def __init__(self, mapping: Mapping) -> None:
        self._regions = regions_of(mapping)
        self._region = {each.field: each.region for each in mapping.fields if each.form is Form.E164}
        named = (each.field for each in mapping.fields if _PHONE_NAME.search(each.column))
        self._phones = frozenset((*self._region, *named))

    def subjects(self, contact_id: str, values: Iterable[tuple[str, Json]]) -> tuple[Subject, ...]:
        """Return the contact's id, and what of its values is a phone or an address.

        ``values`` are pairs of field and value.
        """
        found = (subject for name, value in values for subject in self._of_value(name, value))
        return tuple(dict.fromkeys((Subject(SubjectKind.CONTACT, contact_id), *found)))

    def _of_value(self, name: str, value: Json) -> Iterator[Subject]:
        if value is None or isinstance(value, bool):
            return
        if isinstance(value, list | dict):
            for each in value.values() if isinstance(value, dict) else value:
                yield from self._of_value(name, each)
            return
        if isinstance(value, str) and "@" in value:
            yield from (Subject(SubjectKind.EMAIL, form) for form in _addresses(value))
        if isinstance(value, str | int | float | Decimal) and _ENOUGH_DIGITS.search(str(value)):
            for digits in self._numbers(name, value):
                yield from (Subject(SubjectKind.PHONE, form) for form in phone_email.phone_forms(digits))

    def _numbers(self, name: str, value: Json) -> frozenset[str]:
        """The numbers a value may mean, as digits with the country code."""
        text = str(value)
        if name in self._region and phone_email.E164.fullmatch(text):
            return frozenset((text[1:],))  # as it was mapped
        own = self._region.get(name)
        if name in self._phones or _PHONE_NAME.search(name):
            regions = (own,) if own else self._regions
            return _any_number(_whole(value), regions, of_any_country=own is None)
        if len(text) > _LONGEST:
            return frozenset()
        # An id is read as a number of these countries only where it is written as one.
        regions = self._regions if _LEADING_ZERO.match(text) else ()
        try:
            return phone_email.phone_readings(_whole(value), regions)
        except NotReadError:
            return frozenset()


def _any_number(value: Json, regions: Sequence[str], *, of_any_country: bool) -> frozenset[str]:
    """Every number in a field for phones, be it one or several."""
    parts: list[Json] = [value]
    found: set[str] = set()
    try:
        phone_email.phone_readings(value, regions)
    except NotReadError:
        text = str(value)[:_MOST]
        parts += _SEPARATOR.split(text)
        found.update(*(phone_email.phones_within(text, region) for region in regions or (None,)))
    for part in parts:
        with suppress(NotReadError):
            found |= phone_email.phone_readings(part, regions)
        if of_any_country:
            found |= phone_email.every_country(part)
    return frozenset(found)


def _whole(value: Json) -> Json:
    """A whole number that was written as a decimal one, as what it was."""
    text = str(value)
    if "." not in text and "e" not in text.lower():
        return value
    if not _DECIMAL.fullmatch(text):
        return value
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else value


def _addresses(text: str) -> Iterator[str]:
    try:
        read = phone_email.read_email(text)
    except NotReadError:
        found: Iterable[str] = sorted(phone_email.emails_within(text))
    else:
        found = () if read is None else (read,)
    for address in found:
        yield from phone_email.email_forms(address)
