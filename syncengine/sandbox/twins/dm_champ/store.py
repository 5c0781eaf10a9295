"""The contacts of the accounts of DM Champ, and what changes them.

Each phone belongs to one contact. ``by_phone`` has to follow every change of a phone,
so that ``give_phone`` and ``take_phone`` are the only ways to make one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.dm_champ.switches import DmChampSwitches
from syncengine.sandbox.twins.dm_champ.wire import DEFAULTS, WRITABLE, DmChampContact
from syncengine.sandbox.twins.kit.fields import under_prefix
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    listed,
)
from syncengine.sandbox.twins.twin import Seed


class DmChampAccount(TwinAccount):
    """The contacts of one account, and the tags that there are."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.numbers = count(1 + number * IDS_APART)
        """Numbers from which ids are made."""
        self.contacts: dict[str, DmChampContact] = {}
        self.by_phone: dict[str, DmChampContact] = {}
        """By the phone in the form in which phones are compared."""
        self.tags: dict[str, None] = {}
        """The tags that were ever used; a dict keeps their order."""


class DmChampStore(TwinStore[DmChampSwitches, DmChampAccount]):
    """The accounts of the twin, and its switches."""

    lowered: list[str]
    """Ids of contacts whose opt-out an update took back, in the order of the updates.

    The vendor has no such record: it is here for tests.
    """

    def __init__(self) -> None:
        super().__init__(DmChampSwitches(), DmChampAccount)

    def reset(self) -> None:
        super().reset()
        self.lowered = []

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        ids = []
        for each in seeds:
            contact = self.make(each.fields, each.created_at(now))
            contact.lists.update(under_prefix(each.fields, "lists."))
            contact.custom.update(under_prefix(each.fields, "custom_fields."))
            contact.tags.update(dict.fromkeys(each.tags))
            ids.append(contact.id)
        return ids

    def contacts(self, now: float) -> list[dict[str, Json]]:
        del now  # nothing here changes with time
        return [
            listed(contact.id, contact.flat(), contact.tags)
            for contact in self.account.contacts.values()
        ]

    def make(self, fields: Mapping[str, Json], now: float) -> DmChampContact:
        """Make a contact of the fields that can be written; defaults fill the rest.

        Other fields, and null, are ignored; what a create takes is checked before.
        """
        given = {
            name: value
            for name, value in fields.items()
            if name in WRITABLE and value is not None
        }
        number = next(self.account.numbers)
        contact_id = uuid5(NAMESPACE_URL, f"dm-{number}").hex[:20]
        # Documented: what is left out gets a default, which is stored like any value.
        contact = DmChampContact(contact_id, now, {**DEFAULTS, **given})
        self.lower_email(contact)
        self.account.contacts[contact.id] = contact
        if contact.phone:
            self.give_phone(contact, contact.phone)
        return contact

    def find(
        self, phone: str | None = None, email: str | None = None
    ) -> DmChampContact | None:
        """Return the contact with a phone, or else with an e-mail address.

        Undocumented: the precedence where both are given.
        """
        if phone:
            return self.account.by_phone.get(self._comparable(phone))
        wanted = (email or "").lower()
        if not wanted:
            return None
        contacts = self.account.contacts.values()
        found = [contact for contact in contacts if contact.email == wanted]
        if not found:
            return None
        if self.switches.shared_email == "oldest":
            return found[0]
        return found[-1]

    def give_phone(self, contact: DmChampContact, phone: str) -> None:
        """Give a contact a phone, by which it is found from now on."""
        self.take_phone(contact)
        if phone:
            contact.fields["phoneNumber"] = phone
            self.account.by_phone[self._comparable(phone)] = contact

    def take_phone(self, contact: DmChampContact) -> None:
        """Take the phone from a contact."""
        phone = self._comparable(contact.phone)
        # Another contact may have taken the phone over: it is still found by it.
        if self.account.by_phone.get(phone) is contact:
            del self.account.by_phone[phone]
        contact.fields.pop("phoneNumber", None)

    def lower_email(self, contact: DmChampContact) -> None:
        """Put the address into lower case, where the switches say so."""
        if self.switches.email_case == "lower":
            contact.fields["email"] = contact.email

    def _comparable(self, phone: str) -> str:
        """Return a phone in the form in which phones are compared."""
        if self.switches.phones == "digits":
            return digits(phone)
        return phone
