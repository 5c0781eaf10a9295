"""The people whom a suppression names, by id, phone number or address.

A list that holds one unreadable line is refused as a whole: to suppress the others
would look like success.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.consent import (
    Subject,
    SubjectKind,
    of_contact,
    of_email,
    of_phone,
    regions_of,
)
from syncengine.model.contact_ids import name_of
from syncengine.model.written import NotReadError

_SHOWN = 20
"""Unreadable lines of a file that are named one by one."""


def regions(config: Config) -> tuple[str, ...]:
    """Return the countries whose national numbers the destinations read."""
    found: dict[str, None] = {}
    for destination in config.destinations:
        found |= dict.fromkeys(regions_of(destination.mapping))
    return tuple(found)


def named(
    contacts: Sequence[str],
    phones: Sequence[str],
    emails: Sequence[str],
    regions: Sequence[str] = (),
    contact_lines: Sequence[str] = (),
    unread: Collection[str] = (),
) -> list[Subject]:
    """Return the subjects of these ids, and of all lines of the three lists.

    Empty lines are passed over. A subject that is named twice is returned twice. A
    number without a country code is read as one of each of the regions, and refused
    where destinations are ``unread``, since theirs are not known. Raises ConfigError
    with every line that cannot be read with certainty, never its content; nothing of
    the list is taken then.
    """
    lines = _lines(phones, emails, regions, contact_lines, unread)
    subjects = [Subject(SubjectKind.CONTACT, contact_id) for contact_id in contacts]
    for _, each in lines:
        subjects += each
    return subjects


def asked_one_by_one(
    contacts: Sequence[str],
    phones: Sequence[str],
    emails: Sequence[str],
    regions: Sequence[str] = (),
    contact_lines: Sequence[str] = (),
    unread: Collection[str] = (),
) -> list[tuple[str, tuple[Subject, ...]]]:
    """Return the subjects of each id and line, with the name of it in messages.

    That of a phone or an address is its line's number: what stands there is personal.
    Everything else is as in ``named``. Raises ConfigError.
    """
    asked = [
        (f"contact {name_of(contact_id)}", (Subject(SubjectKind.CONTACT, contact_id),))
        for contact_id in contacts
    ]
    return [*asked, *_lines(phones, emails, regions, contact_lines, unread)]


def _lines(
    phones: Sequence[str],
    emails: Sequence[str],
    regions: Sequence[str],
    contact_lines: Sequence[str],
    unread: Collection[str],
) -> list[tuple[str, tuple[Subject, ...]]]:
    """Return the place and the subjects of each line of the three lists.

    Raises ConfigError with every line that cannot be read.
    """
    read = [
        *_read("contacts", contact_lines, of_contact),
        *_read("phones", phones, lambda line: of_phone(line, regions, unread)),
        *_read("emails", emails, of_email),
    ]
    problems = [each for each in read if isinstance(each, Problem)]
    if problems:
        raise ConfigError(problems)
    return [each for each in read if not isinstance(each, Problem)]


def _read(
    name: str, lines: Sequence[str], read: Callable[[str], tuple[Subject, ...]]
) -> Iterator[tuple[str, tuple[Subject, ...]] | Problem]:
    """Yield the place and the subjects of each line, or the problem with it."""
    unread = 0
    for number, line in enumerate(lines, 1):
        if not line.strip("\ufeff \t\r\n"):
            continue
        place = f"--{name}, line {number}"
        try:
            yield place, read(line)
        except NotReadError as error:
            unread += 1
            if unread <= _SHOWN:
                what = f"{error}; nothing of the list was taken"
                yield Problem(place, what)
    if unread > _SHOWN:
        yield Problem(f"--{name}", f"{unread - _SHOWN} more lines could not be read")
