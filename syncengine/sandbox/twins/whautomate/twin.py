"""The API of Whautomate.

Its traps for an adapter: an update that leaves something out may empty it, no search is
exact, lists do not say whether there is more, and a tag that is added may start a
message to the contact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from syncengine.model.capabilities import matches
from syncengine.model.http import Json, Response
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.phones import digits
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.requests import TwinRoute, TwinRoutes, query_of
from syncengine.sandbox.twins.twin import TwinRequest
from syncengine.sandbox.twins.whautomate.screen import WhautomateScreen
from syncengine.sandbox.twins.whautomate.store import FiredAutomation, WhautomateStore
from syncengine.sandbox.twins.whautomate.switches import LOCATION, WhautomateSwitches
from syncengine.sandbox.twins.whautomate.wire import (
    WhautomateContact,
    body_of,
    is_phone_part,
    number_of,
    tags_of,
    tags_of_write,
    text_of,
)

_DAY = 86_400.0
"""Seconds."""


class WhautomateTwin(ApiTwin[WhautomateStore, WhautomateSwitches]):
    """See ``Twin``."""

    # Documented for sister products of the vendor.
    vendor_limits = (
        TwinLimit(calls=100, per=60.0),
        TwinLimit(calls=144_000, per=_DAY, kind="fixed"),
    )
    screen_kind = WhautomateScreen
    routes = TwinRoutes(
        {
            "/v1/contacts": ("GET", "POST"),
            "/v1/contacts/{id}": ("GET", "PUT", "DELETE"),
            "/v1/contacts/{id}/tags/add": ("POST",),
            "/v1/contacts/{id}/tags/remove": ("POST",),
            "/v1/contactTags": ("GET", "POST"),
            "/v1/contactTags/{id}": ("GET", "DELETE"),
            "/v1/locations": ("GET",),
            "/v1/account-info": ("GET",),
        }
    )

    def __init__(self) -> None:
        super().__init__(WhautomateStore())

    @property
    def settings(self) -> dict[str, str]:
        return {"api_key": self.switches.api_keys[0], "location_id": LOCATION}

    def find_route(self, request: TwinRequest) -> TwinRoute | None:
        route = self.routes.find(request)
        # To the gateway a wrong method is an unknown path.
        if route is None or not self.routes.takes(route, request.method):
            return None
        return route

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        # Assumed, as the gateway in front (AWS) usually works: it looks for the path
        # before it looks at the key, and a wrong key is 403, not 401.
        if self.find_route(request) is None:
            return self.unknown_path()
        key = request.headers.get("x-api-key", "")
        if key not in self.switches.api_keys:
            return self.refusal(403, "Forbidden")
        return None

    def unknown_path(self) -> Response:
        return self.refusal(403, "Missing Authentication Token")

    def too_many_requests(
        self, request: TwinRequest, now: float, wait: float
    ) -> Response:
        # Assumed: the gateway words a used-up day differently. Whoever waits some
        # seconds then waits in vain.
        text = "Too Many Requests"
        fullest = self.limiter.standing(request.method, now)
        if fullest is not None and fullest.limit.per >= _DAY:
            text = "Limit Exceeded"
        retry_after = wait if self.switches.send_retry_after else None
        return self.refusal(429, text, retry_after)

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        return answer(status, {"message": text}, retry_header(retry_after))

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        return answer(200, self._result(operation, parts, request, now))

    def _result(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Json:
        """Return the body of the answer. Documented: a create is 200 too, not 201."""
        match operation:
            case "GET /v1/contacts":
                rows = [self._shown(contact) for contact in self._found(request)]
                return self._page(request, rows)
            case "POST /v1/contacts":
                return self._create(body_of(request), now)
            case "GET /v1/locations":
                titles = self.store.locations.items()
                return [{"id": key, "title": title} for key, title in titles]
            case "GET /v1/account-info":
                return {"id": "sandbox", "name": "Sandbox"}
        if "/v1/contactTags" in operation:
            return self._on_tags(operation, parts, request, now)
        return self._on_contact(operation, parts[0], request, now)

    def _on_tags(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Json:
        """Do what a request about the defined tags asks for; return the body."""
        tags = self.store.defined_tags(now)
        match operation:
            case "GET /v1/contactTags":
                return self._page(request, tags.shown())
            case "POST /v1/contactTags":
                body = body_of(request)
                name = text_of(body.get("name"), "name")
                tag = tags.define(name, now)
                return tag.shown()
            case "GET /v1/contactTags/{id}":
                tag = tags.tag(parts[0])
                return tag.shown()
            case _:
                gone = tags.remove(parts[0])
                for contact in self.store.account.contacts.values():
                    contact.tags.pop(gone.name, None)
                return {"success": True}

    def _on_contact(
        self, operation: str, contact_id: str, request: TwinRequest, now: float
    ) -> Json:
        """Do what a request about one contact asks for; return the body."""
        # Before the contact is looked for: whether it must be there is a switch.
        if request.method == "DELETE":
            return self._delete(contact_id)
        contact = self._contact(contact_id)
        match operation:
            case "GET /v1/contacts/{id}":
                return self._shown(contact)
            case "PUT /v1/contacts/{id}":
                return self._update(contact, body_of(request), now)
            case "POST /v1/contacts/{id}/tags/add":
                tags = tags_of(body_of(request))
                return self._add_tags(contact, tags, now)
            case _:
                tags = tags_of(body_of(request))
                return self._remove_tags(contact, tags)

    def _contact(self, contact_id: str) -> WhautomateContact:
        """Return the contact with an id. Raises TwinRefusalError."""
        contact = self.store.account.contacts.get(contact_id)
        if contact is None:
            raise TwinRefusalError(404, "Contact not found")
        return contact

    def _shown(self, contact: WhautomateContact) -> dict[str, Json]:
        return contact.shown(self.store.locations)

    # --- look-ups ---------------------------------------------------------------------

    def _page(self, request: TwinRequest, rows: Sequence[Json]) -> Sequence[Json]:
        """Return one page of rows, numbered from 1.

        Documented: a bare list, which does not say whether there is another page.
        Observed: the vendor cuts ``limit`` without saying so.
        """
        query = query_of(request)
        limit = number_of(query, "limit", self.switches.default_limit)
        size = min(limit, self.switches.most_per_page)
        page = number_of(query, "page", 1)
        start = (page - 1) * size
        return rows[start : start + size]

    def _found(self, request: TwinRequest) -> Iterator[WhautomateContact]:
        """Yield the contacts that a search finds, newest first."""
        query = query_of(request)
        location_as = self.switches.location_as
        sought = query.get("searchText", "")
        wanted_tags = set(query.get("tags", "").split(","))
        # What ``split`` makes of a missing parameter.
        wanted_tags.discard("")
        # Undocumented: the order. Newest first is the hardest on clients: contacts that
        # are made meanwhile move the others to later pages.
        for contact in reversed(self.store.account.contacts.values()):
            # A parameter that is missing is replaced by what the contact has, so that
            # every contact passes.
            if query.get(location_as, contact.location) != contact.location:
                continue
            if query.get("channel", contact.channel) != contact.channel:
                continue
            # Assumed: one of several tags is enough.
            if wanted_tags and wanted_tags.isdisjoint(contact.tags):
                continue
            if self._has_text(contact, sought):
                yield contact

    def _has_text(self, contact: WhautomateContact, sought: str) -> bool:
        """Return whether the text search finds a contact.

        Assumed: it looks for parts of words, and of phones by their digits alone. No
        look-up is exact at this vendor; a client has to compare what it gets.
        """
        wanted = sought.casefold()
        for name, value in contact.flat().items():
            if not matches(name, self.switches.searches):
                continue
            text = str(value)
            if name == "phoneNumber":
                if is_phone_part(sought) and digits(sought) in digits(text):
                    return True
            elif wanted in text.casefold():
                return True
        return False

    # --- writes -----------------------------------------------------------------------

    def _create(self, body: Mapping[str, Json], now: float) -> Json:
        """Make a contact; what happens where its phone is there is a switch."""
        contact = self.store.new_contact(now)
        self.store.write(contact, body, now)
        if contact.location is None and self.switches.location_required:
            raise TwinRefusalError(400, "location is required")
        existing = self._same_phone_and_location(contact)
        if existing is not None:
            if self.switches.duplicate_mode == "409":
                raise TwinRefusalError(
                    409, "A contact with this phone number already exists"
                )
            if self.switches.duplicate_mode == "return_existing":
                return self._shown(existing)
        # Only now: whatever refused the contact must have left nothing behind.
        self.store.account.contacts[contact.id] = contact
        self.store.fired.append(FiredAutomation("contact", contact.id))
        self.store.add_tags(contact, tags_of_write(body), now)
        return self._shown(contact)

    def _same_phone_and_location(
        self, new: WhautomateContact
    ) -> WhautomateContact | None:
        """Return the contact that a new one would be a duplicate of, if any."""
        for contact in self.store.account.contacts.values():
            if (contact.phone, contact.location) == (new.phone, new.location):
                return contact
        return None

    def _update(
        self, contact: WhautomateContact, body: Mapping[str, Json], now: float
    ) -> Json:
        """Change a contact, and its tags too unless the body leaves them alone."""
        before = list(contact.tags)
        self.store.write(contact, body, now)
        names_tags = body.get("tags") is not None
        # An update that replaces everything takes tags that it does not name away.
        if names_tags or self.switches.put_mode == "replace":
            wanted = tags_of_write(body)
            # Tags that stay start no automation: only those that are new do.
            contact.tags = dict.fromkeys(tag for tag in before if tag in wanted)
            self.store.add_tags(contact, wanted, now)
        return self._shown(contact)

    def _delete(self, contact_id: str) -> Json:
        is_repeat = contact_id in self.store.account.deleted
        if is_repeat and self.switches.delete_again == "200":
            return {"success": True}
        contact = self._contact(contact_id)
        self.store.delete(contact)
        return {"success": True}

    def _add_tags(
        self, contact: WhautomateContact, tags: Sequence[str], now: float
    ) -> Json:
        self.store.check_tags(tags, now)
        new = [tag for tag in tags if tag not in contact.tags]
        self.store.add_tags(contact, new, now)
        return self._tags_answer(contact, new)

    def _remove_tags(self, contact: WhautomateContact, tags: Sequence[str]) -> Json:
        removed = [tag for tag in tags if tag in contact.tags]
        for tag in removed:
            del contact.tags[tag]
        return self._tags_answer(contact, removed)

    def _tags_answer(self, contact: WhautomateContact, changed: Sequence[str]) -> Json:
        """Return the answer to a tag call.

        Documented: it shows tags. Whether those are all or the changed ones is not.
        """
        if self.switches.tags_told == "all":
            return {"id": contact.id, "tags": list(contact.tags)}
        return {"id": contact.id, "tags": list(changed)}
