"""A stand-in for the API of ChartMogul (its twin), for tests and the sandbox.

It answers HTTP requests as the vendor would, from contacts that it keeps in memory. Its
traps for an adapter, the code that speaks to this vendor: creating a contact twice
makes two of it, undefined attributes vanish without an error, the list of contacts has
a cursor even on its last page, and errors have several shapes.

Comments mark what is *documented* by the vendor, *observed* at its API or in its
clients, and *assumed*; what nobody marks is the plainest way to play the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncengine.model.http import Json, Response
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.chartmogul.screen import ChartMogulScreen
from syncengine.sandbox.twins.chartmogul.store import (
    CUSTOMERS,
    DATA_SOURCE,
    ChartMogulStore,
)
from syncengine.sandbox.twins.chartmogul.switches import ChartMogulSwitches
from syncengine.sandbox.twins.chartmogul.wire import (
    ChartMogulContact,
    ChartMogulCustomer,
    body_of,
    error_body,
    mistake,
    mistakes_in,
    uuid_of_cursor,
)
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.fields import picked
from syncengine.sandbox.twins.kit.requests import (
    TwinRoutes,
    basic_user,
    positive_number,
    query_of,
)
from syncengine.sandbox.twins.twin import TwinRequest

# Documented: a larger number is cut to this.
_MAX_PER_PAGE = 200
# Documented: neither the phone nor custom attributes can be filtered by.
_CONTACT_FILTERS = (
    "customer_uuid",
    "customer_external_id",
    "data_source_uuid",
    "email",
    "external_id",
)
_CUSTOMER_FILTERS = ("data_source_uuid", "external_id")


class ChartMogulTwin(ApiTwin[ChartMogulStore, ChartMogulSwitches]):
    """Answers the requests to one account; ``twins.twin.Twin`` says what it offers."""

    # Both documented. A budget of computing time, documented without its size, is not
    # played.
    vendor_limits = (TwinLimit(calls=40, per=1.0, kind="bucket"),)
    max_in_flight = 20
    screen_kind = ChartMogulScreen
    routes = TwinRoutes(
        {
            "/ping": ("GET",),
            "/contacts": ("GET", "POST"),
            "/contacts/{uuid}": ("GET", "PATCH", "DELETE"),
            "/contacts/{into}/merge/{from}": ("POST",),
            "/customers": ("GET", "POST"),
            "/customers/{uuid}/contacts": ("GET", "POST"),
        },
        prefix="/v1",
    )

    def __init__(self) -> None:
        super().__init__(ChartMogulStore())

    @property
    def settings(self) -> dict[str, str]:
        api_key = self.switches.api_keys[0]
        return {"api_key": api_key, "data_source_uuid": DATA_SOURCE}

    @property
    def exists(self) -> dict[str, str]:
        return {"customer_uuid": CUSTOMERS[0], "customer_external_id": "acct-1"}

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        # Documented: the key is the user name; any password will do.
        if basic_user(request) in self.switches.api_keys:
            return None
        return self.refusal(401, "No valid API key provided")

    def too_many_requests(
        self, request: TwinRequest, now: float, wait: float
    ) -> Response:
        # Observed: no answer of this vendor says anything about its limit.
        del request, now, wait
        return self.refusal(429, "Your request rate has exceeded our rate limit.")

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        return answer(status, error_body(status, text), retry_header(retry_after))

    def refused(self, error: TwinRefusalError) -> Response:
        # Refusals of this vendor have several shapes: the content is the whole body.
        return answer(error.status, error.content)

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        # ``operation`` is the method with the route's template, ``parts`` are the values
        # in it, and ``now`` is the time in seconds since 1970.
        match operation:
            case "GET /ping":
                return answer(200, {"data": "pong!"})
            case "GET /customers" | "POST /customers":
                return self._on_customers(request)
            case "POST /contacts/{into}/merge/{from}":
                return self._merge(*parts)
        if operation.endswith("/contacts/{uuid}"):
            return self._on_contact(self._contact(parts[0]), request)
        # The two routes that are left are those of ``/contacts`` and of
        # ``/customers/{uuid}/contacts``; the second one names the customer.
        named = {}
        if parts:
            named["customer_uuid"] = parts[0]
        if request.method == "GET":
            return self._list({**query_of(request), **named})
        return self._create({**body_of(request), **named}, now)

    def _on_customers(self, request: TwinRequest) -> Response:
        """List customers, or make one."""
        if request.method == "GET":
            return self._list_customers(query_of(request))
        return self._create_customer(body_of(request))

    def _on_contact(self, contact: ChartMogulContact, request: TwinRequest) -> Response:
        """Read, delete or update a contact."""
        match request.method:
            case "GET":
                return answer(200, self.store.shown(contact))
            case "DELETE":
                del self.store.account.contacts[contact.uuid]
                return answer(200, {})
            case _:
                return self._update(contact, body_of(request))

    # --- reads ------------------------------------------------------------------------

    def _contact(self, uuid: str) -> ChartMogulContact:
        """Return the contact with an id. Raises TwinRefusalError."""
        contact = self.store.find(uuid)
        if contact is None:
            raise mistake(404, "Contact not found.", "uuid")
        return contact

    def _list(self, query: Mapping[str, str]) -> Response:
        """List contacts, newest first (observed)."""
        if "page" in query:
            raise mistake(400, "page is no longer supported; use cursor.", "page")
        per_page = positive_number(query.get("per_page", "200"))
        if per_page is None:
            raise mistake(400, "per_page must be a positive number.", "per_page")
        size = min(per_page, _MAX_PER_PAGE)
        found = self._filtered(picked(query, _CONTACT_FILTERS))
        cursor = query.get("cursor")
        if cursor:
            found = _after(cursor, found)
        page = found[:size]
        # Observed: there is a cursor even where nothing follows. Clients that go on
        # until it is missing never end.
        next_cursor = page[-1].cursor if page else cursor
        body = {
            "entries": [self.store.shown(contact) for contact in page],
            "has_more": len(found) > size,
            "cursor": next_cursor,
        }
        return answer(200, body)

    def _filtered(self, filters: Mapping[str, str]) -> list[ChartMogulContact]:
        """Return the contacts that pass all filters, newest first.

        ``filters`` maps names of fields, as reads show them, to their values.
        """
        contacts = self.store.account.contacts.values()
        newest_first = sorted(
            contacts, key=lambda contact: (contact.at, contact.uuid), reverse=True
        )
        found = [contact for contact in newest_first if self._passes(contact, filters)]
        is_unknown_email = not found and "email" in filters
        if is_unknown_email and self.switches.unknown_filter == "404":
            raise mistake(404, "Contact not found.", "email")
        return found

    def _passes(self, contact: ChartMogulContact, filters: Mapping[str, str]) -> bool:
        """Return whether a contact has the value that each filter asks for."""
        shown = self.store.shown(contact)
        for name, wanted in filters.items():
            value = str(shown[name] or "")
            # Assumed: capitalisation matters in no address.
            if name == "email" and self.switches.email_case == "ignore":
                value = value.lower()
                wanted = wanted.lower()  # noqa: PLW2901 - the same in lower case
            if value != wanted:
                return False
        return True

    def _list_customers(self, query: Mapping[str, str]) -> Response:
        """List customers, all on one page."""
        filters = picked(query, _CUSTOMER_FILTERS)
        entries = []
        for customer in self.store.account.customers.values():
            shown = customer.shown()
            if all(shown[name] == wanted for name, wanted in filters.items()):
                entries.append(shown)
        return answer(200, {"entries": entries, "has_more": False, "cursor": None})

    # --- writes -----------------------------------------------------------------------

    def _create(self, body: Mapping[str, Json], now: float) -> Response:
        """Make a contact. Observed: the same body again makes a second one."""
        _check_there(body, ("customer_uuid", "data_source_uuid"))
        customer = self._customer_of(body)
        if self.switches.external_id_unique:
            self._check_external_id(body.get("external_id"))
        contact = self.store.new_contact(customer.uuid, customer.data_source_uuid, now)
        self.store.write(contact, body)
        self.store.account.contacts[contact.uuid] = contact
        return answer(201, self.store.shown(contact))

    def _customer_of(self, body: Mapping[str, Json]) -> ChartMogulCustomer:
        """Return the customer of a new contact. Documented: it must exist before."""
        account = self.store.account
        customer = account.customers.get(body["customer_uuid"])
        # Observed: this error has a shape of its own.
        if customer is None:
            raise TwinRefusalError(404, {"error": "Customer not found"})
        source = body["data_source_uuid"]
        if source not in account.sources:
            raise TwinRefusalError(404, {"error": "Data source not found"})
        if customer.data_source_uuid != source:
            raise mistakes_in(("data_source_uuid",), "is not that of the customer")
        return customer

    def _check_external_id(self, external_id: Json) -> None:
        """Refuse the external id of another contact."""
        if external_id is None:
            return
        for contact in self.store.account.contacts.values():
            if contact.fields.get("external_id") == external_id:
                raise mistakes_in(("external_id",), "has already been taken")

    def _update(self, contact: ChartMogulContact, body: Mapping[str, Json]) -> Response:
        # The documentation of the update lists neither, so they are taken to be fixed.
        moved = {"customer_uuid", "data_source_uuid"} & body.keys()
        if moved and self.switches.fixed_reference == "422":
            raise mistakes_in(sorted(moved), "cannot be changed")
        self.store.write(contact, body)
        return answer(200, self.store.shown(contact))

    def _create_customer(self, body: Mapping[str, Json]) -> Response:
        _check_there(body, ("data_source_uuid", "external_id", "name"))
        customer = ChartMogulCustomer(
            self.store.new_uuid("cus"),
            body["external_id"],
            body["data_source_uuid"],
            body["name"],
        )
        self.store.account.customers[customer.uuid] = customer
        return answer(201, customer.shown())

    def _merge(self, into: str, other: str) -> Response:
        """Make one contact of two; ``into`` is the id of the one that remains."""
        kept = self._contact(into)
        gone = self._contact(other)
        if kept is gone:
            raise mistake(400, "A contact cannot be merged into itself.")
        self.store.merge(kept, gone)
        shown = self.store.shown(kept)
        if self.switches.merged_customer == "null":
            # Observed: in this answer alone; a read shows the customer again.
            shown["customer_uuid"] = None
        return answer(200, shown)


def _check_there(body: Mapping[str, Json], names: tuple[str, ...]) -> None:
    """Refuse a body that lacks one of these fields, or has it empty."""
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise mistakes_in(missing, "can't be blank")


def _after(cursor: str, found: list[ChartMogulContact]) -> list[ChartMogulContact]:
    """Return the contacts behind a cursor; none where its contact is not there."""
    last = uuid_of_cursor(cursor)
    ids = [contact.uuid for contact in found]
    if last not in ids:
        return []
    return found[ids.index(last) + 1 :]
