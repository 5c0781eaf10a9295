"""Whom nothing may be sent about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.model.http import Json


class SubjectKind(StrEnum):
    """What a suppression names somebody by."""

    CONTACT = "contact"
    PHONE = "phone"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody, by a contact id, a phone (digits, with the country code) or an e-mail address (lower case)."""

    kind: SubjectKind
    value: str = field(repr=False)

    @property
    def text(self) -> str:
        """What is hashed."""
        return f"{self.kind.value}:{self.value}"


_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{5,24}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_FEWEST_DIGITS = 7


def of_phone(value: str) -> Subject | None:
    """A phone in international form (``+49 151 ...``, ``0049151...``, ``49151...``); None for what is none."""
    if not _PHONE.fullmatch(value.strip()):
        return None
    digits = re.sub(r"\D", "", value)
    digits = digits.removeprefix("00")
    return Subject(SubjectKind.PHONE, digits) if len(digits) >= _FEWEST_DIGITS else None


def of_email(value: str) -> Subject | None:
    """An e-mail address; None for what is none."""
    mailbox = value.strip().lower()
    return Subject(SubjectKind.EMAIL, mailbox) if _EMAIL.fullmatch(mailbox) else None


def subjects(contact_id: str, values: Iterable[Json]) -> tuple[Subject, ...]:
    """Everything a suppression may name a contact by: its id, and whichever of its values is a phone or an e-mail."""
    return tuple(dict.fromkeys((Subject(SubjectKind.CONTACT, contact_id), *_of_values(values))))


def _of_values(values: Iterable[Json]) -> Iterator[Subject]:
    for value in values:
        if isinstance(value, list):
            yield from _of_values(value)
        elif isinstance(value, str) and (subject := of_email(value) if "@" in value else of_phone(value)):
            yield subject
