"""The people of the accounts of charles, and what changes them.

Nearly all of it is the upsert (``put``), and how it treats what is there already: names
are set, phones, e-mails, tags and properties are joined to those of before or replace
them, as the switches have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json
from syncengine.sandbox.twins.charles.people import (
    PROPERTIES,
    CharlesPerson,
    PhonesAndEmails,
    SourceKey,
    phones_and_emails,
    source_key_of,
)
from syncengine.sandbox.twins.charles.switches import CharlesSwitches
from syncengine.sandbox.twins.charles.wire import NAMES, mistakes, payload
from syncengine.sandbox.twins.kit.store import (
    TwinAccount,
    TwinStore,
    is_known,
    listed,
)
from syncengine.sandbox.twins.twin import Seed

_SEEDED = "seed"
"""Source type of people who were put in past the API."""


class CharlesAccount(TwinAccount):
    """The people of one account, by their ids and by the keys of their sources."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, CharlesPerson] = {}
        """By their ids, oldest first."""
        self.by_key: dict[SourceKey, str] = {}
        """Id of the person that each source has written about."""
        self.erase_at: dict[str, float] = {}
        """Time at which the erasure job reaches a person, by the person's id."""


class CharlesStore(TwinStore[CharlesSwitches, CharlesAccount]):
    """The accounts of the twin, and its switches."""

    def __init__(self) -> None:
        self._made = count(1)
        super().__init__(CharlesSwitches(), lambda _: CharlesAccount())

    def new_id(self, what: str = "person") -> str:
        """Return an id that was never given before, in no account."""
        return str(uuid5(NAMESPACE_URL, f"{what}-{next(self._made)}"))

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        # All seeds are checked before the first of them is put in.
        bodies = [_body_of_seed(number, each) for number, each in enumerate(seeds)]
        ids = []
        for each, body in zip(seeds, bodies, strict=True):
            person = self.put(body, each.created_at(now))
            ids.append(person.id)
        return ids

    def contacts(self, now: float) -> list[dict[str, Json]]:
        self.erase_due(now)
        return [
            listed(person.id, person.fields(), person.tags, person.key)
            for person in self.account.people.values()
        ]

    def find(
        self, key: SourceKey, phones: Mapping[str, str] | None = None
    ) -> CharlesPerson | None:
        """Return the person with a key, or None.

        Where the switch ``match_by_phone`` is set and no person has the key, it is the
        oldest person that has one of the phones.
        """
        person_id = self.account.by_key.get(key)
        if person_id is not None:
            return self.account.people[person_id]
        if not phones or not self.switches.match_by_phone:
            return None
        for person in self.account.people.values():
            if phones.keys() & person.phones.keys():
                return person
        return None

    def put(self, body: Mapping[str, Json], now: float) -> CharlesPerson:
        """Create or update the person that a body without mistakes is about."""
        # Assumed from the documented answer: the pair names a channel user, which
        # belongs to a person.
        key = source_key_of(body)
        wanted = phones_and_emails(body)
        at = datetime.fromtimestamp(now, UTC)
        person = self.find(key, wanted.phones)
        if person is None:
            person = CharlesPerson(
                self.new_id(), key.reference_id, created=at, updated=at, touched=at
            )
            self.account.people[person.id] = person
        # Also where the person is an older one, found by its phone: from now on this
        # key leads to it.
        self.account.by_key[key] = person.id
        person.payloads[key] = dict(body)
        person.touched = at
        self._put_names(person, body, at)
        self._put_phones_and_emails(person, body, wanted)
        tags = body.get("tags")
        if tags is not None:
            self._put_tags(person, tags)
        properties = body.get(PROPERTIES)
        if properties is not None:
            self._put_properties(person, properties)
        return person

    def _put_names(
        self, person: CharlesPerson, body: Mapping[str, Json], at: datetime
    ) -> None:
        """Set the names that a body has; a change of one shows in ``updated``."""
        before = dict(person.names)
        for name in NAMES:
            self._put_value(person.names, name, body)
        if person.names != before:
            person.updated = at

    def _put_value(
        self, values: dict[str, Json], name: str, given: Mapping[str, Json]
    ) -> None:
        """Set one value from a body; null clears it where the switches say so."""
        value = given.get(name)
        if value is not None:
            values[name] = value
        elif name in given and self.switches.null_mode == "clear":
            values.pop(name, None)

    def _put_phones_and_emails(
        self, person: CharlesPerson, body: Mapping[str, Json], wanted: PhonesAndEmails
    ) -> None:
        """Join phones and e-mails to those that are there, or replace these.

        ``wanted`` are those of the body, in the form in which a person keeps them. A
        list that the body leaves out changes nothing, whereas an empty one may replace.
        """
        if self.switches.lists_mode == "replace":
            if body.get("phone_numbers") is not None:
                person.phones.clear()
            if body.get("email_addresses") is not None:
                person.emails.clear()
        # A known phone keeps the type that it had; likewise an e-mail its spelling.
        for number, kind in wanted.phones.items():
            person.phones.setdefault(number, kind)
        for normal, email in wanted.emails.items():
            person.emails.setdefault(normal, email)

    def _put_tags(self, person: CharlesPerson, tags: Sequence[str]) -> None:
        """Add tags, or set them; undefined ones are defined, or dropped in silence.

        A switch may also refuse undefined tags, but then no such body gets here.
        """
        if self.switches.tags_mode == "replace":
            person.tags.clear()
        for tag in tags:
            if self.switches.unknown_tag == "create":
                self.definitions.define("tag", tag)
                person.tags.setdefault(tag)
            elif self.has_tag(tag):
                person.tags.setdefault(tag)

    def _put_properties(
        self, person: CharlesPerson, properties: Mapping[str, Json]
    ) -> None:
        """Set custom properties, or replace all."""
        if self.switches.properties_mode == "replace":
            person.properties.clear()
        for name in properties:
            # An undefined property vanishes in silence: see the switch
            # ``unknown_property``.
            if self.has_property(name):
                self._put_value(person.properties, name, properties)

    def has_property(self, name: str) -> bool:
        """Return whether a custom property is defined."""
        is_listed = is_known(name, self.switches.custom_properties)
        return is_listed and self.definitions.has("field", name)

    def has_tag(self, name: str) -> bool:
        """Return whether a tag is defined."""
        is_listed = is_known(name, self.switches.known_tags)
        return is_listed and self.definitions.has("tag", name)

    def remove(self, person_id: str) -> CharlesPerson:
        """Take a person out, with the keys of its sources."""
        person = self.account.people.pop(person_id)
        for key in person.payloads:
            del self.account.by_key[key]
        return person

    def add(self, person: CharlesPerson) -> None:
        """Put a person in, with the keys of its sources."""
        self.account.people[person.id] = person
        for key in person.payloads:
            self.account.by_key[key] = person.id

    def merge(self, kept: CharlesPerson, gone: CharlesPerson, now: float) -> None:
        """Make one person of two: values of ``kept`` win, lists are joined.

        Assumed: merges are observed in the vendor's browser SDK, their effect is not.
        """
        # Both leave the account first: the one that remains may get another id.
        self.remove(kept.id)
        self.remove(gone.id)
        if self.switches.merged_id == "new":
            kept.id = self.new_id()
        kept.names = {**gone.names, **kept.names}
        kept.properties = {**gone.properties, **kept.properties}
        kept.tags.update(gone.tags)
        kept.phones = {**kept.phones, **gone.phones}
        kept.emails = {**kept.emails, **gone.emails}
        kept.payloads.update(gone.payloads)
        kept.touched = datetime.fromtimestamp(now, UTC)
        self.add(kept)

    def schedule_erasure(self, person_id: str, now: float) -> None:
        """Have the job erase a person; a repeat does not put it off."""
        due = now + self.switches.erasure_delay
        self.account.erase_at.setdefault(person_id, due)

    def erase_due(self, now: float) -> None:
        """Erase the people whom the job has reached by now."""
        for person_id, at in list(self.account.erase_at.items()):
            if at <= now:
                del self.account.erase_at[person_id]
                # One that was merged meanwhile is not found by the job.
                if person_id in self.account.people:
                    self.remove(person_id)


def _body_of_seed(number: int, seed: Seed) -> dict[str, Json]:
    """Return a seed as the body of an upsert.

    Raises ValueError for a mistake, which names the seed by its ``number``.
    """
    if not seed.key:
        raise ValueError(f"{number}.key: charles knows a contact by its key alone")
    fields = {"source_type": _SEEDED, **seed.fields}
    source_type = fields.pop("source_type")
    body = {
        "external_reference_id": seed.key,
        "source_type": source_type,
        **payload(fields, seed.tags),
    }
    found = mistakes(body)
    if found:
        raise ValueError(f"{number}: {found[0]}")
    return body
