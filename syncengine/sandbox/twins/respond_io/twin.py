"""The API of respond.io v1, the legacy one.

Its traps for an adapter: 403 is the status of nearly every error and only its text
tells which, an equal create makes a second contact, and all values become text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.model.http import Json, Response
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.kit.answers import answer, html_page, retry_header
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.fields import filled, is_text
from syncengine.sandbox.twins.kit.requests import (
    TwinRoute,
    TwinRoutes,
    bearer_token,
    positive_number,
    query_of,
)
from syncengine.sandbox.twins.kit.store import is_known
from syncengine.sandbox.twins.respond_io.screen import RespondIoScreen
from syncengine.sandbox.twins.respond_io.store import (
    RespondIoChannel,
    RespondIoStore,
)
from syncengine.sandbox.twins.respond_io.switches import RespondIoSwitches
from syncengine.sandbox.twins.respond_io.wire import (
    CREATE,
    FIND,
    ONE,
    STANDARD,
    TAGS,
    RespondIoContact,
    as_text,
    decoded_id,
    entries,
    find_route,
    name_and_value,
    page_of,
    refused,
)
from syncengine.sandbox.twins.twin import TwinRequest

# Both documented, for one request.
_MAX_FIELDS = 30
_MAX_TAGS = 10
_LOGIN_PAGE = b"<html><body>Redirecting to /login</body></html>"


class RespondIoTwin(ApiTwin[RespondIoStore, RespondIoSwitches]):
    """See ``Twin``."""

    # Documented: 200 a minute (other copies of the page say 100). Assumed: they are
    # counted for each token, in fixed minutes, as Laravel counts.
    vendor_limits = (TwinLimit(calls=200, per=60.0, kind="fixed"),)
    screen_kind = RespondIoScreen
    routes = TwinRoutes(
        {
            FIND: ("GET",),
            CREATE: ("POST",),
            ONE: ("GET", "PUT"),
            TAGS: ("POST", "DELETE"),
        }
    )

    def __init__(self) -> None:
        super().__init__(RespondIoStore())

    @property
    def settings(self) -> dict[str, str]:
        return {"token": self.switches.all_tokens()[0]}

    @property
    def sends_retry_after(self) -> bool:
        return self.switches.send_retry_after

    @property
    def sends_limit_headers(self) -> bool:
        return self.switches.send_limit_headers

    def find_route(self, request: TwinRequest) -> TwinRoute | None:
        return find_route(request)

    def limit_scope(self, request: TwinRequest) -> str:
        return bearer_token(request)

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        if bearer_token(request) in self.switches.all_tokens():
            return None
        return self.refusal(401, "Unauthorized")

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        body = {"status": "error", "message": text}
        return answer(status, body, retry_header(retry_after))

    def answer_to(self, request: TwinRequest, now: float) -> Response:
        accepted = request.headers.get("accept", "")
        if self.switches.require_accept and "json" not in accepted:
            # Assumed: Laravel sends a client that does not accept JSON to its login.
            return html_page(302, _LOGIN_PAGE, location="/login")
        return super().answer_to(request, now)

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        # Documented: a token sees the contacts of its own channel alone.
        channel = self.store.account.channels[bearer_token(request)]
        match operation:
            case "GET /contact/by_custom_field":
                return self._find(channel, request)
            case "POST /contact/":
                return self._create(channel, request, now)
        contact = self._contact(channel, request, parts[0])
        match operation:
            case "GET /contact/{id}":
                shown = contact.shown(self.switches.hides)
                return answer(200, {"data": shown})
            case "PUT /contact/{id}":
                return self._update(channel, contact, request)
            case _:
                return self._change_tags(contact, request)

    # --- reads ------------------------------------------------------------------------

    def _find(self, channel: RespondIoChannel, request: TwinRequest) -> Response:
        """Look contacts up by the value of one field, standard or custom."""
        query = query_of(request)
        name = query.get("name")
        value = query.get("value")
        if not name or value is None:
            raise refused(
                ["The name field is required.", "The value field is required."]
            )
        self._check_defined(name)
        page = positive_number(query.get("page", "1"))
        if page is None:
            raise refused(["The page must be a positive number."])
        if self.switches.look_up == "exact":
            found = channel.with_value(name, value)
        else:
            found = channel.with_value_in_any_case(name, value)
        if not found and self.switches.no_hit == "403":
            raise refused("No such contact found.")
        host = request.headers.get("host", "localhost")
        return answer(200, page_of(found, page, host, self.switches.hides))

    def _contact(
        self, channel: RespondIoChannel, request: TwinRequest, contact_id: str
    ) -> RespondIoContact:
        """Return the contact that a path names. Raises TwinRefusalError."""
        if self._takes_base64(request):
            contact_id = decoded_id(contact_id, self.switches.viber_alphabet)
        contact = channel.contacts.get(contact_id)
        if contact is None:
            # Documented: there is no 404; clients tell this refusal by its text.
            raise refused("No such contact found.")
        return contact

    def _takes_base64(self, request: TwinRequest) -> bool:
        """Return whether the id in the path is Base64.

        Documented for Viber, at the update and at the removal of tags alone; assumed
        for the other calls.
        """
        if bearer_token(request) not in self.switches.viber_tokens:
            return False
        return self.switches.viber_calls == "all" or request.method in ("PUT", "DELETE")

    # --- writes -----------------------------------------------------------------------

    def _create(
        self, channel: RespondIoChannel, request: TwinRequest, now: float
    ) -> Response:
        fields = self._fields_of(request)
        # Undocumented: nothing says that a known phone is refused. A repeated create
        # makes a second contact.
        if self.switches.dup == "403":
            for name in ("phone", "email"):
                value = fields.get(name)
                if value and channel.with_value(name, value):
                    raise refused("Contact already exists.")
        self._check_required(fields, creates=True)
        contact = self.store.new_contact(bearer_token(request), now)
        channel.add(contact, fields)
        # Documented: a create is 200, not 201, and shows the id alone.
        return _id_answer(contact)

    def _update(
        self, channel: RespondIoChannel, contact: RespondIoContact, request: TwinRequest
    ) -> Response:
        self._check_blocked(contact)
        fields = self._fields_of(request)
        if self.switches.put_mode == "replace":
            # What the update does not name becomes empty.
            emptied = dict.fromkeys(contact.fields, "")
            fields = {**emptied, **fields}
        self._check_required({**contact.fields, **fields}, creates=False)
        channel.write(contact, fields)
        if self.switches.update_told == "other":
            # The vendor's own example shows another id than that of the contact.
            for other in channel.contacts.values():
                if other is not contact:
                    return _id_answer(other)
        return _id_answer(contact)

    def _change_tags(self, contact: RespondIoContact, request: TwinRequest) -> Response:
        """Add or remove tags. Documented: the DELETE has a JSON body as well."""
        tags = entries(request, "tags", _MAX_TAGS)
        if not all(is_text(tag) for tag in tags):
            raise refused(["The tags must be texts."])
        self._check_blocked(contact)
        adds = request.method == "POST"
        self._check_tags(contact, tags, adds=adds)
        for tag in tags:
            if adds:
                self.definitions.define("tag", tag)
                contact.tags.setdefault(tag)
            else:
                contact.tags.pop(tag, None)
        return _id_answer(contact)

    def _fields_of(self, request: TwinRequest) -> dict[str, str]:
        """Return the fields that a write sets. Raises TwinRefusalError."""
        fields = {}
        for pair in entries(request, "custom_fields", _MAX_FIELDS):
            name, value = name_and_value(pair)
            self._check_defined(name)
            if value is None and self.switches.null_mode == "ignore":
                continue
            text = as_text(value)
            if name == "phone" and not self.switches.store_plus:
                text = text.removeprefix("+")
            fields[name] = text
        return fields

    # --- checks -----------------------------------------------------------------------

    def _check_tags(
        self, contact: RespondIoContact, tags: Sequence[str], *, adds: bool
    ) -> None:
        """Refuse unknown tags, and idle ones (no change), as the switches say."""
        if not all(is_known(tag, self.switches.known_tags) for tag in tags):
            raise refused("The tag does not exist.")
        undefined = self.definitions.undefined("tag", tags)
        if undefined and self.switches.unknown_tag == "403":
            raise refused("The tag does not exist.")
        # Idle is to add a tag that is there, or to remove one that is not.
        has_idle_tag = any((tag in contact.tags) is adds for tag in tags)
        if self.switches.idle_tag == "403" and has_idle_tag:
            raise refused("The tag was added or removed before.")

    def _check_blocked(self, contact: RespondIoContact) -> None:
        if contact.blocked and self.switches.blocked == "403":
            raise refused("Contact is blocked.")

    def _check_required(self, fields: Mapping[str, str], *, creates: bool) -> None:
        missing = self.definitions.missing(filled(fields), creates=creates)
        if missing:
            raise refused([f"The {name} field is required." for name in missing])

    def _check_defined(self, name: str) -> None:
        is_listed = name in STANDARD or is_known(name, self.switches.custom_fields)
        if not is_listed or not self.definitions.has("field", name):
            raise refused(f"Custom field {name} does not exist.")


def _id_answer(contact: RespondIoContact) -> Response:
    return answer(200, {"data": {"id": contact.id}})
