"""The API of respond.io v2.

Its traps for an adapter: a create answers with no id, the new contact cannot be read
for minutes (see ``store``), a merge leaves the older contact whichever was named first,
and updates are refused without a first name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import LimitStanding
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    limit_headers,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.fields import is_text
from syncengine.sandbox.twins.kit.requests import TwinRoutes, bearer_token
from syncengine.sandbox.twins.kit.store import is_known
from syncengine.sandbox.twins.respond_io_v2.filters import (
    ContactFilter,
    equal_values_of,
    filter_of,
    is_plain_phone,
)
from syncengine.sandbox.twins.respond_io_v2.screen import RespondIoV2Screen
from syncengine.sandbox.twins.respond_io_v2.store import (
    FieldValue,
    RespondIoV2Contact,
    RespondIoV2Store,
    by_age,
)
from syncengine.sandbox.twins.respond_io_v2.switches import RespondIoV2Switches
from syncengine.sandbox.twins.respond_io_v2.wire import (
    Clearing,
    body_of,
    channels,
    custom_of,
    identifier_of,
    invalid,
    page,
    paging_of,
    plain_of,
    tags_of,
)
from syncengine.sandbox.twins.twin import TwinRequest

# What the gateway in front of the API answers by itself.
_EDGE_PAGE = (
    b"<html><head><title>403 Forbidden</title></head>"
    b"<body><h1>Forbidden</h1></body></html>"
)
_IN_QUEUE = (
    "The contact is still in queue to be created. Please try again in a few minutes."
)


@dataclass(frozen=True, slots=True)
class _Written:
    """The fields that a write sets; None clears one."""

    plain: dict[str, Json]
    custom: dict[str, Json]


class RespondIoV2Twin(ApiTwin[RespondIoV2Store, RespondIoV2Switches]):
    """See ``Twin``."""

    # Observed: five requests a second, counted for each method and route, over all
    # tokens of the organisation.
    vendor_limits = (TwinLimit(calls=5, per=1.0, kind="fixed"),)
    screen_kind = RespondIoV2Screen
    routes = TwinRoutes(
        {
            "/contact/list": ("POST",),
            "/contact/merge": ("POST",),
            "/contact/create_or_update/{identifier}": ("POST",),
            "/contact/{identifier}": ("GET", "POST", "PUT", "DELETE"),
            "/contact/{identifier}/tag": ("POST", "DELETE"),
            "/contact/{identifier}/channels": ("GET",),
            "/contact/{identifier}/message/list": ("GET",),
            "/contact/{identifier}/lifecycle/update": ("POST",),
        },
        prefix="/v2",
    )

    def __init__(self) -> None:
        super().__init__(RespondIoV2Store())

    @property
    def settings(self) -> dict[str, str]:
        return {"token": self.switches.tokens[0]}

    @property
    def sends_retry_after(self) -> bool:
        return self.switches.send_retry_after

    @property
    def sends_limit_headers(self) -> bool:
        return self.switches.send_limit_headers

    def limit_scope(self, request: TwinRequest) -> str:
        return self.route(request)

    def limit_headers_for(
        self, standing: LimitStanding | None, now: float
    ) -> dict[str, str]:
        headers = limit_headers(standing, now)
        # Observed: this vendor never tells when the limit begins anew.
        headers.pop("x-ratelimit-reset", None)
        return headers

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        if not request.headers.get("authorization"):
            # Observed: the gateway in front answers this itself, and not in JSON.
            return Response(403, {"content-type": "text/html"}, _EDGE_PAGE)
        if bearer_token(request) in self.switches.tokens:
            return None
        return self.refusal(401, "UN_AUTHORIZED")

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        body = {"code": status, "message": text}
        return answer(status, body, retry_header(retry_after))

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        # These four take no contact that must be there already.
        match operation:
            case "POST /contact/list":
                return self._list(request, now)
            case "POST /contact/merge":
                return self._merge(body_of(request), now)
            case "POST /contact/create_or_update/{identifier}":
                return self._upsert(parts[0], body_of(request), now)
            case "POST /contact/{identifier}":
                return self._create(parts[0], body_of(request), now)
        if request.method == "GET":
            contact = self._contact_to_read(parts[0], now)
            return answer(200, self._read(operation, request, contact))
        contact = self._contact_to_change(parts[0], now)
        return self._change(operation, request, contact)

    # --- reads ------------------------------------------------------------------------

    def _read(
        self, operation: str, request: TwinRequest, contact: RespondIoV2Contact
    ) -> Json:
        """Return the body of the answer to a GET about one contact."""
        match operation:
            case "GET /contact/{identifier}/channels":
                return self._channels(request, contact)
            case "GET /contact/{identifier}/message/list":
                # The twin plays no messages: nobody has any.
                return page([])
            case _:
                return self.store.shown(contact)

    def _channels(self, request: TwinRequest, contact: RespondIoV2Contact) -> Json:
        """Return one page of a contact's channels."""
        _, start = paging_of(request)
        every = channels(contact, self.switches.channels)
        # The size of a page is the vendor's own, whatever the client asks for: clients
        # have to follow ``next``.
        end = start + self.switches.channels_per_page
        path = request.path.removeprefix("/v2").removeprefix("/")
        following = f"?cursorId={end}" if end < len(every) else None
        return page(every[start:end], following, path)

    def _list(self, request: TwinRequest, now: float) -> Response:
        """List the contacts that pass a filter, oldest first."""
        limit, after = paging_of(request)
        body = body_of(request)
        wanted = self._filter_of(body)
        rows = []
        for contact in self._candidates(body):
            # A contact that waits in the queue is on no list.
            if contact.ready > now or contact.id <= after:
                continue
            shown = self.store.shown(contact)
            if wanted.passes(shown):
                rows.append(shown)
        following = None
        if len(rows) > limit:
            last_id = rows[limit - 1]["id"]
            following = f"?limit={limit}&cursorId={last_id}"
        return answer(200, page(rows[:limit], following))

    def _filter_of(self, body: Mapping[str, Json]) -> ContactFilter:
        """Return the filter of a list's body. Raises TwinRefusalError."""
        defined = self.switches.custom_fields or {}
        checkboxes = frozenset(
            name for name, kind in defined.items() if kind == "checkbox"
        )
        any_case = self.switches.filter_case == "ignore"
        return filter_of(body, checkboxes, any_case=any_case)

    def _candidates(self, body: Mapping[str, Json]) -> Iterable[RespondIoV2Contact]:
        """Return the contacts that may pass a (valid) filter.

        To find them by their values spares a walk over all contacts, which is slow for
        twins of many thousands.
        """
        contacts = self.store.account.contacts
        values = equal_values_of(body)
        if values is None:
            return contacts
        self._check_phones(values)
        return contacts.with_any_value(values)

    def _check_phones(self, values: Sequence[FieldValue]) -> None:
        """Refuse phones that are none, where the switches say so."""
        if self.switches.phone_filters == "any":
            return
        for name, value in values:
            if name == "phone" and not is_plain_phone(str(value)):
                raise invalid("phone")

    def _contact_to_read(self, part: str, now: float) -> RespondIoV2Contact:
        """Return the contact that a path names. Raises TwinRefusalError."""
        identifier = identifier_of(part)
        contact = self.store.find(identifier.kind, identifier.value)
        # Observed: a contact in the queue cannot be read, as if it did not exist.
        if contact is None or contact.ready > now:
            raise TwinRefusalError(404, "Contact not found")
        return contact

    def _contact_to_change(self, part: str, now: float) -> RespondIoV2Contact:
        """Return the contact that a path names. Raises TwinRefusalError."""
        identifier = identifier_of(part)
        contact = self.store.find(identifier.kind, identifier.value)
        if contact is None:
            raise TwinRefusalError(404, "Contact not found")
        if contact.ready > now:
            # Observed: the vendor uses this status, which no standard has.
            raise TwinRefusalError(449, _IN_QUEUE)
        return contact

    # --- writes -----------------------------------------------------------------------

    def _create(self, part: str, body: Mapping[str, Json], now: float) -> Response:
        """Make a contact; refused where one has the phone or the e-mail."""
        identifier = identifier_of(part)
        # Ids are the vendor's to give.
        if identifier.kind == "id":
            raise invalid("identifier")
        written = {identifier.kind: identifier.value, **body}
        if self.store.find_by_keys(written):
            # Observed: the same status as for a missing key.
            raise TwinRefusalError(403, "Contact already exists.")
        self._make(written, now)
        # Observed: the answer names no id, and its code is a text.
        return answer(200, {"code": "200", "message": "Contact added successfully!"})

    def _upsert(self, part: str, body: Mapping[str, Json], now: float) -> Response:
        """Change the contact that is found, else make one."""
        identifier = identifier_of(part)
        contact = self.store.find(identifier.kind, identifier.value)
        if contact is None and identifier.kind == "id":
            raise TwinRefusalError(404, "Contact not found")
        if contact is None and self.switches.upsert_match == "any":
            contact = self.store.find_by_keys(body)
        if contact is None:
            written = {identifier.kind: identifier.value, **body}
            contact = self._make(written, now)
        else:
            self._write(contact, body, must_name=True)
        if self.switches.upsert_empty_body:
            return answer(200, {})
        return answer(200, {"contactId": contact.id})

    def _make(self, body: Mapping[str, Json], now: float) -> RespondIoV2Contact:
        """Make a contact, which waits in the queue at first."""
        written = self._written(body, must_name=True)
        self._check_required({**written.plain, **written.custom}, creates=True)
        ready = now + self.switches.queue_delay
        contacts = self.store.account.contacts
        return contacts.add(written.plain, written.custom, now=now, ready=ready)

    def _change(
        self, operation: str, request: TwinRequest, contact: RespondIoV2Contact
    ) -> Response:
        """Do what a request about one contact asks for, which may change it."""
        if contact.blocked and self.switches.blocked == "403":
            raise TwinRefusalError(403, "Contact is blocked")
        match operation:
            case "PUT /contact/{identifier}":
                must_name = self.switches.first_name_in_updates == "required"
                self._write(contact, body_of(request), must_name=must_name)
            case "DELETE /contact/{identifier}":
                self.store.account.contacts.remove(contact)
            case "POST /contact/{identifier}/lifecycle/update":
                self._set_lifecycle(contact, body_of(request))
                message = "Contact lifecycle updated successfully!"
                return answer(200, {"code": 200, "message": message})
            case "POST /contact/{identifier}/tag":
                self._add_tags(contact, tags_of(request, self.switches.tags_as))
            case _:
                for tag in tags_of(request, self.switches.tags_as):
                    contact.tags.pop(tag, None)
        return answer(200, {"contactId": contact.id})

    def _write(
        self, contact: RespondIoV2Contact, body: Mapping[str, Json], *, must_name: bool
    ) -> None:
        """Change the fields of a contact; those that are left out stay (documented)."""
        written = self._written(body, must_name=must_name)
        before = {**contact.plain, **contact.custom}
        after = {**before, **written.plain, **written.custom}
        self._check_required(after, creates=False)
        contacts = self.store.account.contacts
        contacts.write(contact, written.plain, written.custom)

    def _written(self, body: Mapping[str, Json], *, must_name: bool) -> _Written:
        """Return the fields that a write sets. Raises TwinRefusalError.

        ``must_name`` refuses a write without a first name.
        """
        clearing = Clearing(
            null=self.switches.null_mode == "clear",
            empty=self.switches.empty_mode == "clear",
        )
        plain = dict(plain_of(body, clearing))
        if must_name and "firstName" not in plain:
            raise invalid("firstName is required")
        if self.switches.email_case == "lower" and plain.get("email"):
            plain["email"] = plain["email"].lower()
        custom = dict(custom_of(body, self.switches.custom_fields, clearing))
        undefined = self.definitions.undefined("field", custom)
        if undefined:
            raise invalid(f"custom field {undefined[0]} does not exist")
        return _Written(plain, custom)

    def _check_required(self, fields: Mapping[str, Json], *, creates: bool) -> None:
        # Not ``filled``: a custom field may be the empty text, which is a value here.
        given = [name for name, value in fields.items() if value is not None]
        missing = self.definitions.missing(given, creates=creates)
        if missing:
            raise invalid(f"{missing[0]} is required")

    def _set_lifecycle(
        self, contact: RespondIoV2Contact, body: Mapping[str, Json]
    ) -> None:
        """Set the stage of a contact, or none for null."""
        if "name" not in body:
            raise invalid("name")
        name = body["name"]
        if name is not None:
            if not is_text(name):
                raise invalid("name")
            is_listed = is_known(name, self.switches.lifecycles)
            if not is_listed or not self.definitions.has("stage", name):
                raise invalid("no such lifecycle")
        contact.lifecycle = name

    def _add_tags(self, contact: RespondIoV2Contact, tags: Sequence[str]) -> None:
        """Add tags, all or none; those that somebody undefined are defined again."""
        if not all(is_known(tag, self.switches.known_tags) for tag in tags):
            raise invalid("no such tag")
        undefined = self.definitions.undefined("tag", tags)
        if undefined and self.switches.unknown_tag == "400":
            raise invalid("no such tag")
        for tag in tags:
            self.definitions.define("tag", tag)
            contact.tags.setdefault(tag)

    def _merge(self, body: Mapping[str, Json], now: float) -> Response:
        """Make one contact of two; fields in the body are written to it."""
        match body.get("contactIds"):
            case [int(one), int(other)] if one != other:
                ids = (one, other)
            case _:
                raise invalid("contactIds")
        pair = [self._contact_to_change(f"id:{each}", now) for each in ids]
        # Observed: the older one remains, in whatever order they are named.
        older, younger = by_age(*pair)
        self._write(older, body, must_name=False)
        self.store.merge(older, younger)
        return answer(200, {"contactId": older.id})
