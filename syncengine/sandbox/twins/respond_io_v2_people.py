"""The contacts of one workspace at respond.io v2, and finding them by what they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from syncengine.model.http import Json

PLAIN = (
    "firstName",
    "lastName",
    "phone",
    "email",
    "language",
    "profilePic",
    "countryCode",
)
CUSTOM = "custom_fields."
_FIRST_ID = 5501
_ACCOUNT = 1_000_000
"""Ids lie this far apart in two accounts."""


@dataclass(slots=True)
class Contact:
    """One contact; until ``ready`` (seconds since 1970) it waits in the queue."""

    id: int
    created: float
    ready: float
    plain: dict[str, Json] = field(default_factory=dict)
    custom: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    lifecycle: str | None = None
    blocked: bool = False

    def shown(self, *, as_text: bool, plus: bool) -> dict[str, Json]:
        phone = self.plain.get("phone")
        language, country = self.plain.get("language"), self.plain.get("countryCode")
        show: Callable[[Json], Json] = text if as_text else lambda value: value
        return {
            "id": self.id,
            **{name: self.plain.get(name) for name in PLAIN},
            "phone": phone if plus or phone is None else phone.removeprefix("+"),
            "locale": f"{language}_{country}" if language and country else None,
            "custom_fields": [
                {"name": name, "value": show(value)}
                for name, value in self.custom.items()
            ]
            or None,
            "status": "open",
            "isBlocked": self.blocked,
            "tags": list(self.tags),
            "assignee": None,
            "lifecycle": self.lifecycle,
            "created_at": int(self.created),
        }


def text(value: Json) -> Json:
    """Return a custom field's value as it is shown."""
    if value is None or isinstance(value, str):
        return value
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def by_age(one: Contact, other: Contact) -> tuple[Contact, Contact]:
    """Return the older contact and the younger one."""
    older, younger = sorted((one, other), key=lambda each: (each.created, each.id))
    return older, younger


class People:
    """Oldest first."""

    def __init__(self, account: int = 0) -> None:
        self._ids = count(_FIRST_ID + account * _ACCOUNT)
        self._contacts: dict[int, Contact] = {}
        self._holders: defaultdict[tuple[str, str], set[int]] = defaultdict(set)

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._contacts.values())

    def get(self, number: int) -> Contact | None:
        return self._contacts.get(number)

    def add(
        self,
        plain: Mapping[str, Json],
        custom: Mapping[str, Json],
        *,
        now: float,
        ready: float,
    ) -> Contact:
        contact = Contact(next(self._ids), now, ready)
        self._contacts[contact.id] = contact
        self.write(contact, plain, custom)
        return contact

    def write(
        self, contact: Contact, plain: Mapping[str, Json], custom: Mapping[str, Json]
    ) -> None:
        """Set fields; None clears."""
        for held, written in ((contact.plain, plain), (contact.custom, custom)):
            for name, value in written.items():
                self._holders[_place(name, held.pop(name, None))].discard(contact.id)
                if value is not None:
                    held[name] = value
                    self._holders[_place(name, value)].add(contact.id)

    def remove(self, contact: Contact) -> None:
        self.write(contact, dict.fromkeys(contact.plain), dict.fromkeys(contact.custom))
        del self._contacts[contact.id]

    def holders(self, name: str, value: Json) -> list[Contact]:
        """Return the contacts with a value, in any capitalisation.

        Phones are compared without their ``+``.
        """
        return [
            self._contacts[number]
            for number in sorted(self._holders.get(_place(name, value), ()))
        ]

    def holders_of_any(self, values: Iterable[tuple[str, Json]]) -> list[Contact]:
        """Return the contacts with one of these values."""
        found = {
            contact.id: contact
            for name, value in values
            for contact in self.holders(name, value)
        }
        return [found[number] for number in sorted(found)]


def _place(name: str, value: Json) -> tuple[str, str]:
    return name, str(text(value)).casefold().removeprefix(
        "+" if name == "phone" else ""
    )
