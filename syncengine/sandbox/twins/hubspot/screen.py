"""Acts of a person at the screen of HubSpot."""

from __future__ import annotations

from typing import Any

from syncengine.model.contact import LISTS
from syncengine.sandbox.twins.hubspot.properties import (
    OPTED_OUT,
    STAGE,
    HubSpotProperty,
    options_in,
)
from syncengine.sandbox.twins.hubspot.store import (
    HubSpotAccount,
    HubSpotContact,
    HubSpotStore,
)
from syncengine.sandbox.twins.kit.screen import StoreScreen
from syncengine.sandbox.twins.screen import DefinedKind


class HubSpotScreen(StoreScreen[HubSpotStore, HubSpotAccount]):
    """A screen whose merges give a new record id, where a switch says so."""

    vendor = "hubspot"

    # --- contacts ---------------------------------------------------------------------

    def delete(self, contact: str) -> None:
        contacts = self._account.contacts
        contacts.schedule_erasure(self._contact(contact), self._now)
        contacts.erase_due(self._now)

    def merge(self, into: str, other: str) -> str:
        self._check_two(into, other)
        kept = self._contact(into)
        self._store.merge(kept, self._contact(other), self._now)
        return kept.id

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        edited = self._contact(contact)
        # At the screen null clears, whatever it does in a request.
        given = {name: "" if value is None else value for name, value in fields.items()}
        stage = given.pop(STAGE, None)
        changes = self._store.changes(edited, given)
        if stage is not None:
            # A person may also set an earlier stage.
            changes[STAGE] = (
                self._store.properties[STAGE].stored(stage) if stage else ""
            )
        self._store.check_unique(edited, changes)
        self._store.write(edited, changes, self._now)

    def create(
        self,
        fields: dict[str, Any],
        tags: tuple[str, ...] = (),
        key: str | None = None,
        created: float | None = None,
    ) -> str:
        del key  # it is one of the fields here
        return super().create(fields, tags, None, created)

    def tag(self, contact: str, tag: str) -> None:
        self._set_tags(contact, [*self._tags_of(contact), tag])

    def untag(self, contact: str, tag: str) -> None:
        self._set_tags(
            contact, [each for each in self._tags_of(contact) if each != tag]
        )

    def join(self, contact: str, name: str) -> None:
        self._contact(contact).lists.setdefault(name, self._now)

    def leave(self, contact: str, name: str) -> None:
        self._contact(contact).lists.pop(name, None)

    def opt_out(self, contact: str, *, opted_out: bool = True) -> None:
        value = "true" if opted_out else "false"
        self._store.write(self._contact(contact), {OPTED_OUT: value}, self._now)

    def archive(self, contact: str, *, archived: bool = True) -> None:
        if archived:
            self._store.archive(self._contact(contact), self._now)
            return
        contacts = self._account.contacts
        restored = self._known(contact, contacts.archived.get(contact))
        self._store.check_unique(restored, dict(restored.values))
        contacts.restore(restored, found=self._now)

    def _tags_of(self, contact: str) -> list[str]:
        values = self._contact(contact).values
        return options_in(values.get(self._store.switches.tags_property, ""))

    def _set_tags(self, contact: str, tags: list[str]) -> None:
        value = ";".join(dict.fromkeys(tags))
        self.edit(contact, {self._store.switches.tags_property: value})

    # --- definitions ------------------------------------------------------------------

    def define(self, kind: DefinedKind, name: str) -> None:
        super().define(kind, name)
        if kind == "field":
            self._store.define_again(HubSpotProperty(name, custom=True))

    def undefine_field(self, name: str) -> None:
        definition = self._store.properties.get(name)
        if definition is None or not definition.custom:
            raise ValueError(f"{name}: Only custom properties can be undefined.")
        for contact in list(self._account.contacts.active.values()):
            if name in contact.values:
                self._store.write(contact, {name: ""}, self._now)
        self._store.undefine("field", name)

    def undefine_tag(self, name: str) -> None:
        self._store.undefine("tag", name)
        for contact_id in list(self._account.contacts.active):
            if name in self._tags_of(contact_id):
                self.untag(contact_id, name)

    def undefine_list(self, name: str) -> None:
        list_id = name.removeprefix(LISTS)
        self._store.undefine("list", list_id)
        for contact in self._account.contacts.active.values():
            contact.lists.pop(list_id, None)

    def _contact(self, contact_id: str) -> HubSpotContact:
        """Return the contact with an id. Raises LookupError."""
        return self._known(contact_id, self._account.contacts.active.get(contact_id))
