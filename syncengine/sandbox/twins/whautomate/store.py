"""The contacts of the accounts of Whautomate, their tags, and the automations.

An *automation* is a message or a whole sequence of them that the vendor starts by
itself when a contact is made or gets a tag. An adapter that removes and adds a tag
without need would send people messages; ``fired`` is where tests see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from syncengine.model.http import Json
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.kit.answers import TwinRefusalError, iso_time
from syncengine.sandbox.twins.kit.fields import filled, under_prefix
from syncengine.sandbox.twins.kit.store import (
    IDS_APART,
    TwinAccount,
    TwinStore,
    is_known,
    listed,
)
from syncengine.sandbox.twins.twin import Seed
from syncengine.sandbox.twins.whautomate.switches import WhautomateSwitches
from syncengine.sandbox.twins.whautomate.wire import (
    CUSTOM,
    STAGES,
    WhautomateContact,
    as_stored,
    location_of,
    tags_of,
    text_of,
)


@dataclass(frozen=True, slots=True)
class WhautomateTag:
    """A tag that is defined."""

    id: str
    name: str
    at: float
    """Time at which it was defined, in seconds since 1970."""

    def shown(self) -> dict[str, Json]:
        """Return the tag as the API shows it."""
        at = iso_time(self.at)
        return {
            "id": self.id,
            "name": self.name,
            "canonical": self.name.casefold(),
            "createdAt": at,
            "updatedAt": at,
        }


class WhautomateTags:
    """The tags that are defined, by their ids."""

    def __init__(self, numbers: Iterator[int]) -> None:
        """Take the numbers of the account, of which each new id uses one up."""
        self._numbers = numbers
        self._tags: dict[str, WhautomateTag] = {}

    def shown(self) -> list[dict[str, Json]]:
        """Return the tags as the API shows them, oldest first."""
        return [tag.shown() for tag in self._tags.values()]

    def define(self, name: str, now: float) -> WhautomateTag:
        """Return the tag of this name, made where there is none.

        Raises TwinRefusalError for a name without a character.
        """
        if not name.strip():
            raise TwinRefusalError(400, "name is required")
        for tag in self._tags.values():
            if tag.name == name:
                return tag
        made = WhautomateTag(_new_id(self._numbers, now), name, now)
        self._tags[made.id] = made
        return made

    def undefine(self, name: str) -> None:
        """Take the tag of this name away, if there is one."""
        self._tags = {key: tag for key, tag in self._tags.items() if tag.name != name}

    def check(self, names: Iterable[str]) -> None:
        """Raise TwinRefusalError for a name that is not defined."""
        defined = {tag.name for tag in self._tags.values()}
        if not defined.issuperset(names):
            raise TwinRefusalError(400, "Unknown tag")

    def tag(self, tag_id: str) -> WhautomateTag:
        """Return the tag with an id. Raises TwinRefusalError for an unknown one."""
        if tag_id not in self._tags:
            raise TwinRefusalError(404, "Tag not found")
        return self._tags[tag_id]

    def remove(self, tag_id: str) -> WhautomateTag:
        """Take the tag with an id away and return it. Raises as ``tag`` does."""
        tag = self.tag(tag_id)
        del self._tags[tag_id]
        return tag


@dataclass(frozen=True, slots=True)
class FiredAutomation:
    """An automation that went off: what for, and whom it messaged."""

    what: str
    """``contact`` for a new one, else the tag."""
    contact: str
    """Id of the contact that it messaged."""


@dataclass(frozen=True, slots=True)
class _CheckedWrite:
    """The values that a write gives a contact, found to be without mistakes."""

    name: str
    phone: str
    location: str | None
    stage: str
    notes: str
    custom: dict[str, Json]


class WhautomateAccount(TwinAccount):
    """The contacts of one account, and the tags that are defined there."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.numbers = count(1 + number * IDS_APART)
        self.contacts: dict[str, WhautomateContact] = {}
        self.tags = WhautomateTags(self.numbers)
        self.deleted: set[str] = set()
        """Ids of the contacts that were deleted: see the switch ``delete_again``."""


class WhautomateStore(TwinStore[WhautomateSwitches, WhautomateAccount]):
    """The accounts of the twin, and its switches."""

    fired: list[FiredAutomation]
    """The automations that went off, in all accounts.

    At the vendor each of them may message somebody: it is here for tests.
    """

    def __init__(self) -> None:
        super().__init__(WhautomateSwitches(), WhautomateAccount)

    def reset(self) -> None:
        super().reset()
        self.fired = []

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        fired_before = len(self.fired)
        ids = [self._seed_one(each, now) for each in seeds]
        # Contacts that are put in past the API start no automations.
        del self.fired[fired_before:]
        return ids

    def _seed_one(self, seed: Seed, now: float) -> str:
        """Put a contact in by way of an ordinary write; return its id."""
        contact = self.new_contact(seed.created_at(now))
        # A seed belongs to the first location, unless it names another one.
        first_location = next(iter(self.locations), None)
        plain = {
            name: value
            for name, value in seed.fields.items()
            if not name.startswith(CUSTOM)
        }
        custom = under_prefix(seed.fields, CUSTOM)
        body: dict[str, Json] = {"location": {"id": first_location}, **plain}
        body["customFields"] = custom
        self.write(contact, body, now)
        self.add_tags(contact, seed.tags, now)
        self.account.contacts[contact.id] = contact
        return contact.id

    def contacts(self, now: float) -> list[dict[str, Json]]:
        del now  # nothing here changes with time
        return [
            listed(contact.id, contact.flat(), contact.tags)
            for contact in self.account.contacts.values()
        ]

    @property
    def locations(self) -> dict[str, str]:
        """The locations that are defined: ids and titles."""
        has = self.definitions.has
        titles = self.switches.locations
        return {key: title for key, title in titles.items() if has("location", key)}

    def new_contact(self, now: float) -> WhautomateContact:
        """Make a contact that is not in the account yet."""
        new_id = _new_id(self.account.numbers, now)
        return WhautomateContact(new_id, now)

    def delete(self, contact: WhautomateContact) -> None:
        """Delete a contact, and remember that it was there: see ``delete_again``."""
        del self.account.contacts[contact.id]
        self.account.deleted.add(contact.id)

    # --- tags -------------------------------------------------------------------------

    def defined_tags(self, now: float) -> WhautomateTags:
        """Return the tags that are defined, among them those of the switches."""
        for name in self.switches.known_tags:
            if self.definitions.has("tag", name):
                self.account.tags.define(name, now)
        return self.account.tags

    def check_tags(self, tags: Sequence[str], now: float) -> None:
        """Refuse tags that are not defined, where the switches say so."""
        if self.switches.unknown_tag == "400":
            self.defined_tags(now).check(tags)

    def add_tags(
        self, contact: WhautomateContact, tags: Sequence[str], now: float
    ) -> None:
        """Add tags; each that is new to the contact starts an automation.

        Documented: automations react to the adding of a tag, and may message the
        contact.
        """
        for tag in tags:
            if tag not in contact.tags:
                self.account.tags.define(tag, now)
                contact.tags[tag] = None
                self.fired.append(FiredAutomation(tag, contact.id))

    # --- writes -----------------------------------------------------------------------

    def write(
        self, contact: WhautomateContact, body: Mapping[str, Json], now: float
    ) -> None:
        """Change the fields of a contact to those of a body.

        A body with a mistake raises TwinRefusalError and changes nothing.
        """
        checked = self._checked(contact, body, now)
        if self.switches.phone_changes or not contact.phone:
            phone = checked.phone
            if not self.switches.store_plus:
                phone = phone.removeprefix("+")
            contact.phone = phone
        contact.name = checked.name
        contact.location = checked.location
        contact.stage = checked.stage
        contact.notes = checked.notes
        contact.custom = checked.custom
        contact.changed = now

    def _checked(
        self, contact: WhautomateContact, body: Mapping[str, Json], now: float
    ) -> _CheckedWrite:
        """Return what a write would make of a contact. Raises TwinRefusalError."""
        given = self._given(contact, body)
        name = text_of(given.get("name", ""), "name")
        phone = text_of(given.get("phoneNumber", ""), "phoneNumber")
        # Documented: both are required, also of an update.
        if not name.strip() or not digits(phone):
            raise TwinRefusalError(400, "name and phoneNumber are required")
        location = location_of(given)
        if location is not None and location not in self.locations:
            raise TwinRefusalError(400, "Unknown location")
        if given["stage"] not in STAGES:
            raise TwinRefusalError(400, "Unknown stage")
        notes = text_of(given["notes"], "notes")
        custom = self._custom_after(contact, given.get("customFields"))
        self.check_tags(tags_of(given), now)
        fields = {"name": name, "phoneNumber": phone, "notes": notes, **custom}
        self._check_required(fields, contact)
        return _CheckedWrite(name, phone, location, given["stage"], notes, custom)

    def _given(
        self, contact: WhautomateContact, body: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Return a body with nulls resolved and with what it leaves out.

        What an update leaves out stays (``put_mode`` "merge") or becomes empty.
        """
        left_out: dict[str, Json] = {
            "location": {"id": None},
            "stage": STAGES[0],
            "notes": "",
            "tags": [],
        }
        if self.switches.put_mode == "merge":
            left_out["location"] = {"id": contact.location}
            left_out["stage"] = contact.stage
            left_out["notes"] = contact.notes
        given = {name: value for name, value in body.items() if value is not None}
        if self.switches.location_as == "workspaceId" and "workspaceId" in given:
            given["location"] = {"id": given["workspaceId"]}
        # Null counts as left out, save that it may clear the notes. (Null in a custom
        # field is another matter: see ``_custom_after``.)
        clears_notes = "notes" in body and body["notes"] is None
        if clears_notes and self.switches.null_mode == "clear":
            given["notes"] = ""
        return {**left_out, **given}

    def _check_required(
        self, fields: Mapping[str, Json], contact: WhautomateContact
    ) -> None:
        """Refuse a write after which the contact would lack a required field."""
        creates = contact.id not in self.account.contacts
        missing = self.definitions.missing(filled(fields), creates=creates)
        if missing:
            raise TwinRefusalError(400, f"{missing[0]} is required")

    def _custom_after(self, contact: WhautomateContact, given: Json) -> dict[str, Json]:
        """Return the custom fields that a contact has after a write.

        ``given`` is what the body has under ``customFields``. Two switches count: for a
        body without custom fields ``put_mode``, for one with some ``custom_mode``.
        """
        if not isinstance(given, dict | None):
            raise TwinRefusalError(400, "customFields must be an object")
        if given is None:
            return contact.custom if self.switches.put_mode == "merge" else {}
        after = {}
        if self.switches.custom_mode == "merge":
            after = dict(contact.custom)
        for name, value in given.items():
            if value is None:
                if self.switches.null_mode == "clear":
                    after.pop(name, None)
            elif self._has_field(name):
                after[name] = as_stored(value, self.switches.custom_values)
        return after

    def _has_field(self, name: str) -> bool:
        """Return whether a custom field is defined; others are dropped in silence."""
        is_defined = self.definitions.has("field", name)
        return is_defined and is_known(name, self.switches.custom_fields)


def _new_id(numbers: Iterator[int], now: float) -> str:
    """Return 24 hexadecimal digits, as MongoDB gives them (assumed)."""
    return f"{int(now):08x}{next(numbers):016x}"
