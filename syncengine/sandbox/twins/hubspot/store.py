"""The contacts of the accounts of HubSpot, and what changes them.

A contact is found by its record id, by the ids that it had before a merge, by its
e-mail addresses and by each property that is unique. Whoever changes a contact does it
by the methods of ``HubSpotContacts``, which keep all of that in step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.sandbox.twins.hubspot.properties import (
    EMAIL,
    MERGED_IDS,
    MORE_EMAILS,
    PHONE_OF,
    SHOWN_ALWAYS,
    STAGE,
    STAGES,
    SYSTEM,
    HubSpotProperty,
    InvalidValueError,
    custom_property,
    local_number,
    options_in,
    standard_properties,
)
from syncengine.sandbox.twins.hubspot.search import HubSpotSearchIndex
from syncengine.sandbox.twins.hubspot.switches import HubSpotSwitches
from syncengine.sandbox.twins.hubspot.wire import (
    ValueMistake,
    already_exists,
    invalid_properties,
    invalid_request,
)
from syncengine.sandbox.twins.kit.answers import iso_time
from syncengine.sandbox.twins.kit.fields import under_prefix
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    is_known,
    listed,
)
from syncengine.sandbox.twins.screen import DefinedKind
from syncengine.sandbox.twins.twin import Seed

_FIRST_ID = 512_001


@dataclass(slots=True)
class HubSpotContact:
    """One contact; times are seconds since 1970."""

    id: str
    created: float
    updated: float
    readable: float
    """Time from which reads find it."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The properties that have a value. Never changed but replaced: the index of
    searches keeps the older ones."""
    lists: dict[str, float] = field(default_factory=dict)
    """The lists that it is on, with the time at which it came there."""
    archived: float | None = None
    """Time at which it was archived."""

    def shown(self, names: Iterable[str]) -> dict[str, Json]:
        """Return the contact with these properties, as reads show it."""
        values = {name: self.value(name) for name in names}
        created, updated = iso_time(self.created), iso_time(self.updated)
        shown: dict[str, Json] = {
            "id": self.id,
            "properties": {
                **values,
                "createdate": created,
                "hs_object_id": self.id,
                "lastmodifieddate": updated,
            },
            "createdAt": created,
            "updatedAt": updated,
            "archived": self.archived is not None,
        }
        if self.archived is not None:
            shown["archivedAt"] = iso_time(self.archived)
        return shown

    def value(self, name: str) -> str | None:
        """Return the value of a property that is not one of ``SYSTEM``."""
        if name in PHONE_OF:
            return local_number(self.values.get(PHONE_OF[name], "")) or None
        return self.values.get(name)

    @property
    def emails(self) -> list[str]:
        """All addresses of the contact, the main one first."""
        first = self.values.get(EMAIL)
        more = options_in(self.values.get(MORE_EMAILS, ""))
        return [first, *more] if first else more


class HubSpotContacts:
    """The contacts of one account, with the indexes by which they are found."""

    def __init__(self, number: int) -> None:
        self._ids = count(_FIRST_ID + number * IDS_APART)
        self.active: dict[str, HubSpotContact] = {}
        """By record id, in the order of their creation."""
        self.archived: dict[str, HubSpotContact] = {}
        self.blocked: set[str] = set()
        """Addresses that no contact may have any more."""
        self.index = HubSpotSearchIndex()
        self._merged: dict[str, str] = {}
        """Record ids of merged contacts, each with the id of the one that remained."""
        self._by_value: dict[str, dict[str, HubSpotContact]] = {EMAIL: {}}
        """By unique property and value."""
        self._erase_at: dict[str, float] = {}
        """Time at which a contact is erased, by record id."""

    def make_unique(self, name: str) -> None:
        """Find contacts by a property from now on."""
        self._by_value.setdefault(name, {})

    def is_unique(self, name: str) -> bool:
        """Return whether contacts are found by a property."""
        return name in self._by_value

    def get(self, contact_id: str, *, follow_merges: bool) -> HubSpotContact | None:
        """Return the contact with a record id, or with one from before a merge."""
        found = self.active.get(contact_id)
        while found is None and follow_merges and contact_id in self._merged:
            contact_id = self._merged[contact_id]
            found = self.active.get(contact_id)
        return found

    def with_value(self, name: str, value: str) -> HubSpotContact | None:
        """Return the contact with a unique value, or None."""
        if name == EMAIL:
            value = value.lower()
        return self._by_value[name].get(value)

    def add(
        self, values: Mapping[str, str], now: float, *, readable: float, found: float
    ) -> HubSpotContact:
        """Put a new contact in; searches show it from ``found`` on."""
        contact = HubSpotContact(str(next(self._ids)), now, now, readable)
        self.active[contact.id] = contact
        self._set(contact, values, found)
        return contact

    def write(
        self,
        contact: HubSpotContact,
        changes: Mapping[str, str],
        now: float,
        *,
        found: float,
    ) -> None:
        """Set properties; the empty text clears one."""
        values = {**contact.values, **changes}
        contact.updated = now
        self._set(contact, values, found)

    def archive(self, contact: HubSpotContact, now: float, *, found: float) -> None:
        """Take a contact out; it can be brought back."""
        self._take_out(contact, found)
        contact.archived = now
        self.archived[contact.id] = contact

    def restore(self, contact: HubSpotContact, *, found: float) -> None:
        """Bring an archived contact back."""
        del self.archived[contact.id]
        contact.archived = None
        self.active[contact.id] = contact
        self._set(contact, contact.values, found)

    def schedule_erasure(self, contact: HubSpotContact, at: float) -> None:
        """Have a contact erased; a repeat does not put it off."""
        self._erase_at.setdefault(contact.id, at)

    def erase_due(self, now: float) -> None:
        """Erase the contacts whose time has come."""
        for contact_id, at in list(self._erase_at.items()):
            if at > now:
                continue
            del self._erase_at[contact_id]
            contact = self.get(contact_id, follow_merges=True)
            if contact is not None:
                self._take_out(contact, now)
            self.archived.pop(contact_id, None)

    def merge(
        self,
        kept: HubSpotContact,
        gone: HubSpotContact,
        now: float,
        *,
        new_id: bool,
        found: float,
    ) -> None:
        """Make one contact of two; the values of ``kept`` win.

        Documented: by default the contact has a new record id after it, older ids lead
        to it, and it keeps the addresses of both.
        """
        for each in (kept, gone):
            self._take_out(each, found)
        addresses = list(dict.fromkeys([*kept.emails, *gone.emails]))
        old_ids = [kept.id, gone.id] if new_id else [gone.id]
        before = [options_in(each.values.get(MERGED_IDS, "")) for each in (kept, gone)]
        if new_id:
            kept.id = str(next(self._ids))
        for old_id in old_ids:
            self._merged[old_id] = kept.id
        values = {**gone.values, **kept.values}
        values[MERGED_IDS] = ";".join(dict.fromkeys([*before[0], *before[1], *old_ids]))
        values[MORE_EMAILS] = ";".join(addresses[1:])
        if addresses:
            values[EMAIL] = addresses[0]
        kept.lists = {**gone.lists, **kept.lists}
        kept.created = min(kept.created, gone.created)
        kept.updated = now
        self.active[kept.id] = kept
        self._set(kept, values, found)

    def _set(
        self, contact: HubSpotContact, values: Mapping[str, str], found: float
    ) -> None:
        """Give a contact these values in place of its own."""
        self._forget_values(contact)
        contact.values = {name: value for name, value in values.items() if value}
        for name, by_value in self._by_value.items():
            value = contact.values.get(name)
            if value is not None:
                by_value[value] = contact
        for address in options_in(contact.values.get(MORE_EMAILS, "")):
            self._by_value[EMAIL][address] = contact
        self.index.note(found, contact.id, contact.values)

    def _take_out(self, contact: HubSpotContact, found: float) -> None:
        self._forget_values(contact)
        del self.active[contact.id]
        self.index.note(found, contact.id, None)

    def _forget_values(self, contact: HubSpotContact) -> None:
        """Let nobody be found by the values that a contact has."""
        for name, by_value in self._by_value.items():
            value = contact.values.get(name)
            if value is not None and by_value.get(value) is contact:
                del by_value[value]
        for address in options_in(contact.values.get(MORE_EMAILS, "")):
            self._by_value[EMAIL].pop(address, None)


class HubSpotAccount(TwinAccount):
    """The contacts of one account, and what is defined there."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.contacts = HubSpotContacts(number)
        self.added: dict[str, HubSpotProperty] = {}
        """Properties that were defined later than the account was made."""
        self.used_options: dict[str, dict[str, None]] = {}
        """By property that takes any option: those that it was given."""


class HubSpotStore(TwinStore[HubSpotSwitches, HubSpotAccount]):
    """The accounts of the twin, and its switches."""

    properties: dict[str, HubSpotProperty]
    """The properties that are defined in the present account, by name."""

    def __init__(self) -> None:
        super().__init__(HubSpotSwitches(), HubSpotAccount)

    # --- definitions ------------------------------------------------------------------

    def configure(self, changes: Mapping[str, Json]) -> None:
        super().configure(changes)
        self._define_all()

    def reset(self) -> None:
        super().reset()
        self._define_all()

    def swap_account(self, name: str) -> None:
        super().swap_account(name)
        self._define_all()

    def add_property(self, definition: HubSpotProperty) -> None:
        """Define one more property."""
        self.account.added[definition.name] = definition
        self.definitions.define("field", definition.name)
        self._define_all()

    def define_again(self, instead: HubSpotProperty) -> None:
        """Make a definition valid again; ``instead`` is for one that never was."""
        self._define_all()
        if instead.name not in self.properties:
            self.add_property(instead)

    def undefine(self, kind: DefinedKind, name: str) -> None:
        """Take a property or an option of the tags away."""
        self.definitions.undefine(kind, name)
        self._define_all()

    def _define_all(self) -> None:
        """Put together what is defined in the present account."""
        every = {each.name: each for each in standard_properties()}
        for name, kind in self.switches.properties.items():
            options = self.switches.options.get(name)
            every[name] = custom_property(name, kind, options)
        every.update(self.account.added)
        self.properties = {
            name: each
            for name, each in every.items()
            if self.definitions.has("field", name)
        }
        for name, each in self.properties.items():
            if each.unique and name not in SYSTEM:
                self.account.contacts.make_unique(name)

    def has_list(self, list_id: str) -> bool:
        """Return whether a list exists."""
        is_listed = is_known(list_id, self.switches.lists)
        is_listed = is_listed or list_id in self.switches.dynamic_lists
        return is_listed and self.definitions.has("list", list_id)

    # --- contacts ---------------------------------------------------------------------

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        ids = []
        for each in seeds:
            fields = dict(each.fields)
            lists = under_prefix(fields, LISTS)
            values = {
                name: _text_of(value)
                for name, value in fields.items()
                if not name.startswith(LISTS) and value is not None
            }
            if each.tags:
                values[self.switches.tags_property] = ";".join(each.tags)
            values = self.changes(None, values)
            self.check_unique(None, values)
            created = each.created_at(now)
            contacts = self.account.contacts
            contact = contacts.add(values, created, readable=now, found=now)
            contact.lists.update(dict.fromkeys(lists, now))
            ids.append(contact.id)
        return ids

    def contacts(self, now: float) -> list[dict[str, Json]]:
        self.account.contacts.erase_due(now)
        return [
            listed(contact.id, fields, tags, self._key_of(contact))
            for contact in self.account.contacts.active.values()
            for fields, tags in [self._fields_and_tags(contact)]
        ]

    def _fields_and_tags(
        self, contact: HubSpotContact
    ) -> tuple[dict[str, Json], list[str]]:
        fields: dict[str, Json] = dict(contact.values)
        tags = options_in(str(fields.pop(self.switches.tags_property, "")))
        for name in contact.lists:
            fields[f"{LISTS}{name}"] = True
        return fields, tags

    def _key_of(self, contact: HubSpotContact) -> str | None:
        """Return the value of the first unique custom property."""
        for name in self.switches.properties:
            if self.account.contacts.is_unique(name):
                return contact.values.get(name)
        return None

    # --- writes -----------------------------------------------------------------------

    def changes(
        self, contact: HubSpotContact | None, given: Json, *, in_batch: bool = False
    ) -> dict[str, str]:
        """Return the properties that a write sets, as they are kept; empty clears.

        ``contact`` is None for a new one. Raises TwinRefusalError with all mistakes.
        """
        if not isinstance(given, dict):
            raise invalid_request("properties: missing")
        changes: dict[str, str] = {}
        mistakes = []
        for name, value in given.items():
            try:
                kept = self._kept(contact, name, value, in_batch=in_batch)
            except InvalidValueError as error:
                mistakes.append(ValueMistake(name, error.code, str(error)))
                continue
            if kept is not None:
                changes[name] = kept
        if mistakes:
            raise invalid_properties(mistakes)
        return changes

    def _kept(
        self, contact: HubSpotContact | None, name: str, value: Json, *, in_batch: bool
    ) -> str | None:
        """Return a value as it is kept; None where the write does nothing to it.

        Raises InvalidValueError.
        """
        definition = self.properties.get(name)
        if definition is None:
            message = f'Property "{name}" does not exist'
            raise InvalidValueError("PROPERTY_DOESNT_EXIST", message)
        if definition.read_only:
            message = f'"{name}" is a read only property; its value cannot be set.'
            raise InvalidValueError("READ_ONLY_VALUE", message)
        if value is None and self.switches.null_mode != "400":
            return "" if self.switches.null_mode == "clear" else None
        if not isinstance(value, str):
            raise InvalidValueError("INVALID_TYPE", f"{name} must be a text.")
        if value == "":
            return ""
        if value in self.switches.refused_values:
            message = f"{name} does not meet the rules of this property"
            raise InvalidValueError("FAILED_VALIDATION", message)
        kept = definition.stored(value)
        if name == EMAIL and kept in self.account.contacts.blocked:
            message = f"Email address {value} is on the blocklist"
            raise InvalidValueError("INVALID_EMAIL", message)
        if definition.kind == "boxes":
            return self._boxes(contact, definition, value, in_batch=in_batch)
        if name == STAGE:
            return self._stage(contact, kept)
        return kept

    def _boxes(
        self,
        contact: HubSpotContact | None,
        definition: HubSpotProperty,
        value: str,
        *,
        in_batch: bool,
    ) -> str:
        """Return the options that a contact has after a write, joined."""
        name = definition.name
        options = options_in(value)
        if name == self.switches.tags_property:
            undefined = self.definitions.undefined("tag", options)
            if undefined:
                message = f"{undefined[0]} was not one of the allowed options"
                raise InvalidValueError("INVALID_OPTION", message)
        if definition.options is None:
            used = self.account.used_options.setdefault(name, {})
            used.update(dict.fromkeys(options))
        # Documented for the screen, assumed for batches.
        appends = value.startswith(";") and not (
            in_batch and self.switches.leading_semicolon == "replace"
        )
        if contact is not None and appends:
            before = options_in(contact.values.get(name, ""))
            options = list(dict.fromkeys([*before, *options]))
        return ";".join(options)

    def _stage(self, contact: HubSpotContact | None, stage: str) -> str:
        """Return the stage that a contact has after a write.

        Documented: it only goes forward, and anything else is ignored in silence.
        """
        before = contact.values.get(STAGE) if contact is not None else None
        if before is None or STAGES.index(before) < STAGES.index(stage):
            return stage
        return before

    def check_unique(
        self,
        contact: HubSpotContact | None,
        changes: Mapping[str, str],
        claimed: Mapping[tuple[str, str], str | None] | None = None,
    ) -> None:
        """Refuse values that another contact has.

        ``claimed`` are those that earlier contacts of the same batch are to get. Raises
        TwinRefusalError.
        """
        contacts = self.account.contacts
        for name in changes:
            value = changes[name]
            if not value or not contacts.is_unique(name):
                continue
            owner = contacts.with_value(name, value)
            is_claimed = claimed is not None and (name, value) in claimed
            if is_claimed or (owner is not None and owner is not contact):
                status = 409
                if name != EMAIL and self.switches.unique_conflict == "400":
                    status = 400
                raise already_exists(status, owner.id if owner else None)

    def check_required(
        self, contact: HubSpotContact | None, changes: Mapping[str, str]
    ) -> None:
        """Refuse a write that leaves a contact without what it must have."""
        before = contact.values if contact is not None else {}
        after = [name for name, value in {**before, **changes}.items() if value]
        # Documented: one of these three.
        if contact is None and not {"email", "firstname", "lastname"} & set(after):
            raise invalid_request("A contact needs an email, a firstname or a lastname")
        missing = self.definitions.missing(after, creates=contact is None)
        if missing:
            mistake = ValueMistake(
                missing[0], "REQUIRED_PROPERTY", f'"{missing[0]}" is required'
            )
            raise invalid_properties([mistake])

    def make(self, values: Mapping[str, str], now: float) -> HubSpotContact:
        """Make a contact of checked values."""
        return self.account.contacts.add(
            values,
            now,
            readable=now + self.switches.read_delay,
            found=self._found_from(now),
        )

    def write(
        self, contact: HubSpotContact, changes: Mapping[str, str], now: float
    ) -> None:
        """Write checked values."""
        found = self._found_from(now)
        self.account.contacts.write(contact, changes, now, found=found)

    def archive(self, contact: HubSpotContact, now: float) -> None:
        self.account.contacts.archive(contact, now, found=self._found_from(now))

    def merge(self, kept: HubSpotContact, gone: HubSpotContact, now: float) -> None:
        self.account.contacts.merge(
            kept,
            gone,
            now,
            new_id=self.switches.merge_ids == "new",
            found=self._found_from(now),
        )

    def get(self, contact_id: str) -> HubSpotContact | None:
        """Return the contact with a record id, or None."""
        follow = self.switches.merged_id == "survivor"
        return self.account.contacts.get(contact_id, follow_merges=follow)

    def find(self, key: str | None, value: str) -> HubSpotContact | None:
        """Return the contact with a value of a unique property, or None.

        ``key`` None: the value is a record id. Raises TwinRefusalError for a property
        that is not unique.
        """
        if key is None or key == "hs_object_id":
            return self.get(value)
        contacts = self.account.contacts
        if key not in self.properties or not contacts.is_unique(key):
            raise invalid_request(
                f"Unable to perform the request by non-unique 0-1 property {key}"
            )
        return contacts.with_value(key, value)

    def shown(
        self, contact: HubSpotContact, names: Iterable[str] = ()
    ) -> dict[str, Json]:
        """Return a contact with the properties asked for, or the usual ones.

        Documented: a property without a value is null, an undefined one left out.
        """
        asked = tuple(names) or SHOWN_ALWAYS
        return contact.shown(name for name in asked if name in self.properties)

    def all_names(self) -> Iterator[str]:
        """Yield the names of all properties that can hold a value."""
        return (name for name in self.properties if name not in SYSTEM)

    def _found_from(self, now: float) -> float:
        """Return the time from which searches show what is written now."""
        return now + self.switches.search_delay


def _text_of(value: Json) -> str:
    """Return a value of a seed as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
