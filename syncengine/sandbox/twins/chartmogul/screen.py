"""Acts of a person at the screen of ChartMogul."""

from __future__ import annotations

from typing import Any

from syncengine.sandbox.twins.chartmogul.store import ChartMogulAccount, ChartMogulStore
from syncengine.sandbox.twins.chartmogul.wire import CUSTOM, PLAIN, ChartMogulContact
from syncengine.sandbox.twins.kit.fields import set_or_clear
from syncengine.sandbox.twins.kit.screen import StoreScreen


class ChartMogulScreen(StoreScreen[ChartMogulStore, ChartMogulAccount]):
    """A screen whose merges leave the contact that was chosen."""

    vendor = "chartmogul"
    custom_prefix = CUSTOM

    def delete(self, contact: str) -> None:
        deleted = self._contact(contact)
        del self._account.contacts[deleted.uuid]

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept = self._contact(into)
        gone = self._contact(other)
        self._store.merge(kept, gone)
        return into

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        edited = self._contact(contact)
        # All names are checked before the first field is changed.
        for name in fields:
            if name not in PLAIN and not name.startswith(CUSTOM):
                raise ValueError(f"{name}: {self.vendor} has no such field.")
        for name, value in fields.items():
            if name in PLAIN:
                edited.fields[name] = value
            else:
                attribute = name.removeprefix(CUSTOM)
                set_or_clear(edited.custom, attribute, value)

    def undefine_field(self, name: str) -> None:
        name = name.removeprefix(CUSTOM)
        if name in PLAIN:
            raise ValueError(f"{name}: Only custom attributes can be undefined.")
        self._account.definitions.undefine("field", name)
        for contact in self._account.contacts.values():
            contact.custom.pop(name, None)

    def _contact(self, contact_id: str) -> ChartMogulContact:
        """Return the contact with an id. Raises LookupError."""
        found = self._account.contacts.get(contact_id)
        return self._known(contact_id, found)
