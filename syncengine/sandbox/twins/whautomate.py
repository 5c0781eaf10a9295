"""The twin of Whautomate: updates that replace, a loose search, and automations that message people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from syncengine.model.capabilities import matches
from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.account import Accounts, Definitions
from syncengine.sandbox.twins.twin import (
    Seed,
    TwinRequest,
    answer,
    changed,
    retry_header,
)
from syncengine.sandbox.twins.whautomate_screen import WhautomateScreen
from syncengine.sandbox.twins.whautomate_wire import (
    CUSTOM,
    LOCATION,
    STAGES,
    Contact,
    Fired,
    RefusedError,
    Switches,
    Tags,
    asked,
    body_of,
    digits,
    held,
    is_number,
    new_id,
    number,
    routed,
    tags_of,
    words,
)

_ACCOUNT = 1_000_000
"""Numbers of contacts lie this far apart in two accounts."""
_DAY = 86_400.0


class Account:
    """The contacts of one account, and the tags that are defined there."""

    def __init__(self, number: int) -> None:
        self.numbers = count(1 + number * _ACCOUNT)
        self.contacts: dict[str, Contact] = {}
        self.tags = Tags(self.numbers)
        self.deleted: set[str] = set()
        self.definitions = Definitions()


class WhautomateTwin:
    """See ``Twin``."""

    vendor_limits = (TwinLimit(100, 60.0), TwinLimit(144_000, _DAY, "fixed"))
    screen_kind = WhautomateScreen

    def __init__(self) -> None:
        self.switches = Switches()
        self.limiter = Limiter()
        self.reset()

    @property
    def account(self) -> Account:
        return self.accounts.present

    @property
    def definitions(self) -> Definitions:
        return self.account.definitions

    @property
    def settings(self) -> dict[str, str]:
        return {"api_key": self.switches.api_keys[0], "location_id": LOCATION}

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.switches = changed(self.switches, changes)

    def reset(self) -> None:
        self.accounts = Accounts(Account)
        self.fired: list[Fired] = []
        """The automations that went off."""
        self.limiter.reset()

    def route(self, request: TwinRequest) -> str:
        found = routed(request)
        return f"{request.method} {found[0] if found else '/?'}"

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        if routed(request) is None:
            return self.refusal(403, "Missing Authentication Token")
        key = request.headers.get("x-api-key", "")
        if key not in self.switches.api_keys:
            return self.refusal(403, "Forbidden")
        wait = self.limiter.arrive(request.method, now)
        if wait is None:
            return None
        full = self.limiter.standing(request.method, now)
        of_the_day = full is not None and full.limit.per >= _DAY
        said = "Limit Exceeded" if of_the_day else "Too Many Requests"
        return self.refusal(429, said, wait if self.switches.send_retry_after else None)

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        return answer(status, {"message": text}, retry_header(retry_after))

    def commit(self, request: TwinRequest, now: float) -> Response:
        found = routed(request)
        if found is None:
            return self.refusal(403, "Missing Authentication Token")
        try:
            return answer(
                200,
                self._answer(f"{request.method} {found[0]}", found[1], request, now),
            )
        except RefusedError as refused:
            return self.refusal(refused.status, str(refused))

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        made = []
        fired = len(self.fired)
        for each in seeds:
            contact = self._new(now if each.created is None else each.created)
            plain = {
                name: value
                for name, value in each.fields.items()
                if not name.startswith(CUSTOM)
            }
            custom = {
                name.removeprefix(CUSTOM): v
                for name, v in each.fields.items()
                if name.startswith(CUSTOM)
            }
            location = next(iter(self.locations), None)
            self._write(
                contact,
                {"location": {"id": location}, **plain, "customFields": custom},
                now,
            )
            self._add(contact, each.tags, now)
            self.account.contacts[contact.id] = contact
            made.append(contact.id)
        del self.fired[fired:]
        return made

    def contacts(self, now: float) -> list[dict[str, Json]]:  # noqa: ARG002 - nothing here changes with time
        return [
            {
                "id": contact.id,
                "key": None,
                "fields": contact.flat(),
                "tags": list(contact.tags),
            }
            for contact in self.account.contacts.values()
        ]

    def screen(self, now: float) -> WhautomateScreen:
        return WhautomateScreen(self, now)

    @property
    def locations(self) -> dict[str, str]:
        """Return the locations that are defined: ids and titles."""
        known = self.switches.locations.items()
        return {
            key: title for key, title in known if self.definitions.has("location", key)
        }

    def _answer(self, what: str, name: str, request: TwinRequest, now: float) -> Json:
        match what:
            case "GET /v1/contacts":
                return self._page(
                    request, [self._shown(contact) for contact in self._found(request)]
                )
            case "POST /v1/contacts":
                return self._create(body_of(request), now)
            case "DELETE /v1/contacts/{id}" if (
                name in self.account.deleted and self.switches.delete_again == "200"
            ):
                return {"success": True}
            case _ if "{id}" in what and "/v1/contacts/" in what:
                return self._on_contact(what, self._contact(name), request, now)
            case _ if "/v1/contactTags" in what:
                return self._on_tags(what, name, request, now)
            case _:
                locations = [
                    {"id": key, "title": title} for key, title in self.locations.items()
                ]
                return (
                    locations
                    if what == "GET /v1/locations"
                    else {"id": "sandbox", "name": "Sandbox"}
                )

    def _on_tags(self, what: str, name: str, request: TwinRequest, now: float) -> Json:
        match what:
            case "GET /v1/contactTags":
                return self._page(request, self._defined(now).listed())
            case "POST /v1/contactTags":
                return (
                    self._defined(now)
                    .define(words(body_of(request).get("name"), "name"), now)
                    .shown()
                )
            case "GET /v1/contactTags/{id}":
                return self._defined(now).tag(name).shown()
            case _:
                gone = self._defined(now).remove(name)
                for contact in self.account.contacts.values():
                    contact.tags.pop(gone.name, None)
                return {"success": True}

    def _defined(self, now: float) -> Tags:
        for name in self.switches.known_tags:
            if self.definitions.has("tag", name):
                self.account.tags.define(name, now)
        return self.account.tags

    def _on_contact(
        self, what: str, contact: Contact, request: TwinRequest, now: float
    ) -> Json:
        match what.rpartition("/")[2], request.method:
            case _, "GET":
                return self._shown(contact)
            case _, "PUT":
                return self._put(contact, body_of(request), now)
            case _, "DELETE":
                del self.account.contacts[contact.id]
                self.account.deleted.add(contact.id)
                return {"success": True}
            case verb, _:
                return self._tag(
                    contact, tags_of(body_of(request)), adds=verb == "add", now=now
                )

    def _contact(self, name: str) -> Contact:
        if name not in self.account.contacts:
            raise RefusedError(404, "Contact not found")
        return self.account.contacts[name]

    def _shown(self, contact: Contact) -> dict[str, Json]:
        return contact.shown(self.locations)

    def _new(self, now: float) -> Contact:
        return Contact(new_id(self.account.numbers, now), now)

    # --- look-ups -----------------------------------------------------------------------------------------------

    def _page(self, request: TwinRequest, rows: Sequence[Json]) -> Sequence[Json]:
        query = asked(request)
        size = min(
            number(query, "limit", self.switches.default_limit),
            self.switches.most_per_page,
        )
        start = (number(query, "page", 1) - 1) * size
        return rows[start : start + size]

    def _found(self, request: TwinRequest) -> Iterator[Contact]:
        """Newest first."""
        query = asked(request)
        tags = {tag for tag in query.get("tags", "").split(",") if tag}
        for contact in reversed(self.account.contacts.values()):
            here = query.get(self.switches.location_as, contact.location)
            if here != contact.location:
                continue
            if query.get("channel", contact.channel) != contact.channel or (
                tags and not tags & contact.tags.keys()
            ):
                continue
            if self._fits(contact, query.get("searchText", "")):
                yield contact

    def _fits(self, contact: Contact, sought: str) -> bool:
        fields = {
            name: value
            for name, value in contact.flat().items()
            if matches(name, self.switches.searches)
        }
        phone = digits(str(fields.pop("phoneNumber", "")))
        if is_number(sought) and digits(sought) in phone:
            return True
        return any(
            sought.casefold() in str(value).casefold() for value in fields.values()
        )

    # --- writes -------------------------------------------------------------------------------------------------

    def _create(self, body: Mapping[str, Json], now: float) -> Json:
        contact = self._new(now)
        self._write(contact, body, now)
        if contact.location is None and self.switches.location_required:
            raise RefusedError(400, "location is required")
        there = [
            each
            for each in self.account.contacts.values()
            if (each.phone, each.location) == (contact.phone, contact.location)
        ]
        if there and self.switches.duplicate_mode == "409":
            raise RefusedError(409, "A contact with this phone number already exists")
        if there and self.switches.duplicate_mode == "return_existing":
            return self._shown(there[0])
        self.account.contacts[contact.id] = contact
        self.fired.append(Fired("contact", contact.id))
        self._add(contact, tags_of({"tags": [], **body}), now)
        return self._shown(contact)

    def _put(self, contact: Contact, body: Mapping[str, Json], now: float) -> Json:
        before = list(contact.tags)
        self._write(contact, body, now)
        if "tags" in body or self.switches.put_mode == "replace":
            wanted = tags_of({"tags": [], **body})
            contact.tags = dict.fromkeys(tag for tag in before if tag in wanted)
            self._add(contact, wanted, now)
        return self._shown(contact)

    def _write(self, contact: Contact, body: Mapping[str, Json], now: float) -> None:
        """Check everything, then write: a refused request changes nothing."""
        nulls = [name for name, value in body.items() if value is None]
        body = {name: value for name, value in body.items() if value is not None}
        if self.switches.location_as == "workspaceId" and "workspaceId" in body:
            body["location"] = {"id": body["workspaceId"]}
        merges = self.switches.put_mode == "merge"
        if "notes" in nulls and self.switches.null_mode == "clear":
            body["notes"] = ""
        name, phone = (
            words(body.get(each, ""), each) for each in ("name", "phoneNumber")
        )
        if not name.strip() or not digits(phone):
            raise RefusedError(400, "name and phoneNumber are required")
        location = body.get("location", {"id": contact.location if merges else None})
        location = location.get("id") if isinstance(location, dict) else location
        if location is not None and location not in self.locations:
            raise RefusedError(400, "Unknown location")
        stage = body.get("stage", contact.stage if merges else STAGES[0])
        if stage not in STAGES:
            raise RefusedError(400, "Unknown stage")
        notes = words(body.get("notes", contact.notes if merges else ""), "notes")
        custom = self._custom(contact, body.get("customFields"))
        tags = tags_of({"tags": [], **body})
        if self.switches.unknown_tag == "400":
            self._defined(now).check(tags)
        self._check_required(
            {"name": name, "phoneNumber": phone, "notes": notes, **custom}, contact
        )
        if self.switches.phone_changes or not contact.phone:
            contact.phone = (
                phone if self.switches.store_plus else phone.removeprefix("+")
            )
        contact.name, contact.location, contact.stage, contact.notes = (
            name,
            location,
            stage,
            notes,
        )
        contact.custom, contact.changed = custom, now

    def _check_required(self, fields: Mapping[str, Json], contact: Contact) -> None:
        given = (name for name, value in fields.items() if value not in (None, ""))
        creates = contact.id not in self.account.contacts
        if missing := self.definitions.missing(given, creates=creates):
            raise RefusedError(400, f"{missing[0]} is required")

    def _custom(self, contact: Contact, given: Json) -> dict[str, Json]:
        if not isinstance(given, dict | None):
            raise RefusedError(400, "customFields must be an object")
        if given is None:
            return contact.custom if self.switches.put_mode == "merge" else {}
        defined = self.switches.custom_fields
        kept = dict(contact.custom) if self.switches.custom_mode == "merge" else {}
        for name, value in given.items():
            if value is None and self.switches.null_mode == "clear":
                kept.pop(name, None)
            elif value is None or not self.definitions.has("field", name):
                continue
            elif defined is None or name in defined:
                kept[name] = held(value, self.switches.custom_values)
        return kept

    # --- tags ---------------------------------------------------------------------------------------------------

    def _tag(
        self, contact: Contact, tags: Sequence[str], *, adds: bool, now: float
    ) -> Json:
        if adds and self.switches.unknown_tag == "400":
            self._defined(now).check(tags)
        changes = [tag for tag in tags if (tag in contact.tags) is not adds]
        if adds:
            self._add(contact, changes, now)
        for tag in () if adds else changes:
            del contact.tags[tag]
        return {
            "id": contact.id,
            "tags": list(contact.tags) if self.switches.tags_told == "all" else changes,
        }

    def _add(self, contact: Contact, tags: Sequence[str], now: float) -> None:
        for tag in tags:
            if tag not in contact.tags:
                self.account.tags.define(tag, now)
                contact.tags[tag] = None
                self.fired.append(Fired(tag, contact.id))


TWIN = WhautomateTwin
