"""Acts of a person at ChartMogul's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncengine.sandbox.twins.chartmogul_wire import PLAIN, Contact
from syncengine.sandbox.twins.common_screen import TwinScreen

if TYPE_CHECKING:
    from syncengine.sandbox.twins.chartmogul import ChartMogulTwin

_CUSTOM = "custom."


class ChartMogulScreen(TwinScreen):
    """A screen whose merges leave the contact that was chosen."""

    vendor = "chartmogul"
    own_fields = _CUSTOM
    _twin: ChartMogulTwin

    def delete(self, contact: str) -> None:
        self._held(contact)
        del self._twin.account.contacts[contact]

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        self._twin.merge(self._held(into), self._held(other))
        return into

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        held = self._held(contact)
        for name in fields:
            if name not in PLAIN and not name.startswith(_CUSTOM):
                raise ValueError(f"{name}: {self.vendor} has no such field.")
        for name, value in fields.items():
            if name in PLAIN:
                held.fields[name] = value
            elif value is None:
                held.custom.pop(name.removeprefix(_CUSTOM), None)
            else:
                held.custom[name.removeprefix(_CUSTOM)] = value

    def undefine_field(self, name: str) -> None:
        name = name.removeprefix(_CUSTOM)
        if name in PLAIN:
            raise ValueError(f"{name}: Only custom attributes can be undefined.")
        self._twin.definitions.undefine("field", name)
        for contact in self._twin.account.contacts.values():
            contact.custom.pop(name, None)

    def _held(self, contact: str) -> Contact:
        if contact not in self._twin.account.contacts:
            raise self._unknown(contact)
        return self._twin.account.contacts[contact]
