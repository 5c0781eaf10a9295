"""The contacts of the accounts of ChartMogul, and their customers.

At this vendor a contact is a person at a *customer*, which is a company; a customer
comes from a *data source*, such as a billing system. Nobody can make a contact without
naming both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json
from syncengine.sandbox.twins.chartmogul.switches import ChartMogulSwitches
from syncengine.sandbox.twins.chartmogul.wire import (
    CUSTOM,
    PLAIN,
    ChartMogulContact,
    ChartMogulCustomer,
    attributes_of,
    is_of_kind,
    last_seen_of,
    mistake,
    mistakes_in,
)
from syncengine.sandbox.twins.kit.fields import (
    filled,
    is_whole_number,
    picked,
    set_or_clear,
    under_prefix,
    with_prefix,
)
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    listed,
)
from syncengine.sandbox.twins.twin import Seed

DATA_SOURCE = "ds_00000000-0000-4000-8000-000000000001"
"""Id of the data source that is there from the start."""
CUSTOMERS = tuple(f"cus_00000000-0000-4000-8000-{number:012}" for number in range(1, 6))
"""Ids of the customers that are there from the start."""


class ChartMogulAccount(TwinAccount):
    """The contacts of one account, and its customers."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.numbers = count(1 + number * IDS_APART)
        """Numbers from which ids are made."""
        self.contacts: dict[str, ChartMogulContact] = {}
        self.merged: dict[str, str] = {}
        """Ids that were merged away, with the ids that remained."""
        self.sources = [DATA_SOURCE]
        """Ids of the data sources."""
        self.customers: dict[str, ChartMogulCustomer] = {}
        for place, uuid in enumerate(CUSTOMERS, 1):
            external_id = f"acct-{place}"
            customer = ChartMogulCustomer(uuid, external_id, DATA_SOURCE)
            self.customers[uuid] = customer


class ChartMogulStore(TwinStore[ChartMogulSwitches, ChartMogulAccount]):
    """The accounts of the twin, and its switches."""

    def __init__(self) -> None:
        super().__init__(ChartMogulSwitches(), ChartMogulAccount)

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        ids = []
        for each in seeds:
            customer = each.fields.get("customer_uuid", CUSTOMERS[0])
            contact = self.new_contact(customer, DATA_SOURCE, each.created_at(now))
            body = picked(each.fields, (*PLAIN, "position"))
            body["custom"] = under_prefix(each.fields, CUSTOM)
            self.write(contact, body)
            self.account.contacts[contact.uuid] = contact
            ids.append(contact.uuid)
        return ids

    def contacts(self, now: float) -> list[dict[str, Json]]:
        del now  # nothing here changes with time
        return [
            listed(contact.uuid, self._flat(contact))
            for contact in self.account.contacts.values()
        ]

    def _flat(self, contact: ChartMogulContact) -> dict[str, Json]:
        """Return all fields, flat and dotted."""
        shown = self.shown(contact)
        custom = shown.pop("custom")
        del shown["uuid"]
        return {**shown, **with_prefix(custom, CUSTOM)}

    def shown(self, contact: ChartMogulContact) -> dict[str, Json]:
        """Return a contact as reads show it."""
        customer = self.account.customers.get(contact.customer_uuid or "")
        external_id = None
        if customer is not None:
            external_id = customer.external_id
        return contact.shown(external_id)

    def find(self, uuid: str) -> ChartMogulContact | None:
        """Return the contact with an id, or the one that it was merged into.

        None for an unknown id; whether that of a merged contact is one is a switch.
        """
        if self.switches.merged_id == "survivor":
            uuid = self.account.merged.get(uuid, uuid)
        return self.account.contacts.get(uuid)

    def new_uuid(self, prefix: str) -> str:
        """Return an id of the vendor's form that was never given before."""
        return f"{prefix}_{uuid5(NAMESPACE_URL, str(next(self.account.numbers)))}"

    def new_contact(self, customer: str, source: str, now: float) -> ChartMogulContact:
        """Make a contact that is not in the account yet."""
        number = next(self.account.numbers)
        uuid = f"con_{uuid5(NAMESPACE_URL, str(number))}"
        # The number keeps contacts apart that were made in the same instant: lists are
        # ordered by this time.
        made = int(now * 10**9) + number
        return ChartMogulContact(uuid, made, customer, source)

    def write(self, contact: ChartMogulContact, body: Mapping[str, Json]) -> None:
        """Change the fields of a contact; those that are left out stay (documented).

        A body with a mistake raises TwinRefusalError and changes nothing.
        """
        fields = self._checked_fields(body)
        position = body.get("position", contact.position)
        if position is not None and not is_whole_number(position):
            raise mistake(400, "position must be an integer.", "position")
        custom = self._checked_attributes(body)
        after = {**contact.fields, **fields, **contact.custom, **custom}
        self._check_required(after, contact)

        # Nothing below raises.
        contact.position = position
        for name, value in fields.items():
            # Observed: null always clears the external id.
            if value is not None or self._null_clears or name == "external_id":
                contact.fields[name] = value
        for name, value in custom.items():
            if value is not None or self._null_clears:
                set_or_clear(contact.custom, name, value)

    @property
    def _null_clears(self) -> bool:
        """True where null clears a field, else it is ignored."""
        return self.switches.null_mode == "clear"

    def _checked_fields(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Return the plain fields of a write. Raises TwinRefusalError."""
        fields = picked(body, PLAIN)
        for name, value in fields.items():
            if not isinstance(value, str | None):
                raise mistake(400, f"{name} must be a string.", name)
        if fields.get("last_seen") is not None:
            fields["last_seen"] = last_seen_of(fields["last_seen"])
        return fields

    def _checked_attributes(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Return the custom attributes of a write. Raises TwinRefusalError."""
        kept = {}
        for attribute in attributes_of(body.get("custom") or []):
            if self._keeps_attribute(attribute.name, attribute.value):
                kept[attribute.name] = attribute.value
        return kept

    def _keeps_attribute(self, name: str, value: Json) -> bool:
        """Return whether a custom attribute is kept.

        Documented: an undefined one is dropped, and the answer is a success. Raises
        TwinRefusalError for a value of the wrong type, where the switches say so.
        """
        if not self.definitions.has("field", name):
            return False
        defined = self.switches.attributes
        if defined is None:
            return True
        if name not in defined:
            return False
        if value is None or is_of_kind(value, defined[name]):
            return True
        if self.switches.wrong_type == "422":
            raise mistakes_in(("custom",), f"{name} must be a {defined[name]}")
        return False

    def _check_required(
        self, fields: Mapping[str, Json], contact: ChartMogulContact
    ) -> None:
        """Refuse a write after which the contact would lack a required field."""
        creates = contact.uuid not in self.account.contacts
        missing = self.definitions.missing(filled(fields), creates=creates)
        if missing:
            raise mistakes_in(missing, "can't be blank")

    def merge(self, kept: ChartMogulContact, gone: ChartMogulContact) -> None:
        """Make one contact of two.

        Documented: blank fields are filled, notes are joined.
        """
        both_notes = (kept.fields.get("notes"), gone.fields.get("notes"))
        joined_notes = "\n".join(text for text in both_notes if text)
        for name, value in gone.fields.items():
            if kept.fields.get(name) in (None, ""):
                kept.fields[name] = value
        if joined_notes:
            kept.fields["notes"] = joined_notes
        kept.custom = {**gone.custom, **kept.custom}
        del self.account.contacts[gone.uuid]
        # Whether the old id leads to the remaining contact is a switch: ``merged_id``.
        self.account.merged[gone.uuid] = kept.uuid
