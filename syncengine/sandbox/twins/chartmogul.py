"""The twin of ChartMogul: a create that repeats, custom attributes that vanish, and no headers about its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal
from urllib.parse import parse_qsl
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.account import Accounts, Definitions
from syncengine.sandbox.twins.chartmogul_screen import ChartMogulScreen
from syncengine.sandbox.twins.chartmogul_wire import (
    PLAIN,
    Contact,
    Customer,
    Kind,
    RefusedError,
    attributes,
    body_of,
    fits,
    key_of,
    mistake,
    moment,
    place_of,
    routed,
)
from syncengine.sandbox.twins.twin import (
    SWITCHES,
    Seed,
    TwinRequest,
    answer,
    changed,
    retry_header,
)

DATA_SOURCE = "ds_00000000-0000-4000-8000-000000000001"
CUSTOMERS = tuple(f"cus_00000000-0000-4000-8000-{number:012}" for number in range(1, 6))
_ACCOUNT = 1_000_000
"""Numbers of contacts lie this far apart in two accounts."""
_MOST_PER_PAGE = 200
_PARTS = {
    "/ping": ("GET",),
    "/contacts": ("GET", "POST"),
    "/contacts/{uuid}": ("GET", "PATCH", "DELETE"),
    "/contacts/{into}/merge/{from}": ("POST",),
    "/customers": ("GET", "POST"),
    "/customers/{uuid}/contacts": ("GET", "POST"),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches for what the documentation leaves open."""

    __pydantic_config__ = SWITCHES

    api_keys: tuple[str, ...] = ("sandbox-key",)
    """All of one account."""
    attributes: dict[str, Kind] | None = None
    """The custom attributes that are defined; others are dropped. None: any, of any type."""
    wrong_type: Literal["422", "drop"] = "422"
    null_mode: Literal["clear", "ignore"] = "clear"
    """Effect of null on a field; the external id is always cleared."""
    external_id_unique: bool = False
    fixed_reference: Literal["ignore", "422"] = "ignore"
    """An update that names another customer or data source."""
    merged_customer: Literal["null", "kept"] = "null"
    """The customer in the answer of a merge."""
    merged_id: Literal["404", "survivor"] = "404"
    """Answer under the id of a contact that was merged into another one: a 404, or the
    other one."""
    unknown_filter: Literal["empty", "404"] = "empty"
    email_case: Literal["ignore", "exact"] = "ignore"


class Account:
    """The contacts of one account, and its customers."""

    def __init__(self, number: int) -> None:
        self.numbers = count(1 + number * _ACCOUNT)
        self.contacts: dict[str, Contact] = {}
        self.merged: dict[str, str] = {}
        """Ids that were merged away, with the ids that remained."""
        self.sources = [DATA_SOURCE]
        self.customers = {
            uuid: Customer(uuid, f"acct-{place}", DATA_SOURCE)
            for place, uuid in enumerate(CUSTOMERS, 1)
        }
        self.definitions = Definitions()


class ChartMogulTwin:
    """See ``Twin``. Paths may begin with ``/v1``. It comes with one data source and five customers."""

    vendor_limits = (TwinLimit(40, 1.0, "bucket"),)
    max_in_flight = 20
    screen_kind = ChartMogulScreen

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
        return {"api_key": self.switches.api_keys[0], "data_source_uuid": DATA_SOURCE}

    @property
    def exists(self) -> dict[str, str]:
        return {"customer_uuid": CUSTOMERS[0], "customer_external_id": "acct-1"}

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.switches = changed(self.switches, changes)

    def reset(self) -> None:
        self.accounts = Accounts(Account)
        self.limiter.reset()

    def route(self, request: TwinRequest) -> str:
        found = routed(request)
        return f"{request.method} {found[0] if found else '/?'}"

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        if key_of(request) not in self.switches.api_keys:
            return self.refusal(401, "No valid API key provided")
        if self.limiter.arrive(request.method, now) is not None:
            return self.refusal(429, "Your request rate has exceeded our rate limit.")
        return None

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        return answer(
            status,
            {"code": status, "message": text, "param": None},
            retry_header(retry_after),
        )

    def commit(self, request: TwinRequest, now: float) -> Response:
        found = routed(request)
        if found is None:
            return self.refusal(404, "Not Found")
        pattern, parts = found
        if request.method not in _PARTS[pattern]:
            return self.refusal(405, "Method Not Allowed")
        if pattern == "/ping":
            return answer(200, {"data": "pong!"})
        try:
            return self._answer(f"{request.method} {pattern}", parts, request, now)
        except RefusedError as refused:
            return answer(refused.status, refused.body)

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        made = []
        for each in seeds:
            fields = dict(each.fields)
            at = now if each.created is None else each.created
            contact = self._new(
                fields.get("customer_uuid", CUSTOMERS[0]), DATA_SOURCE, at
            )
            custom = {
                name.removeprefix("custom."): v
                for name, v in fields.items()
                if name.startswith("custom.")
            }
            plain = {
                name: v for name, v in fields.items() if name in (*PLAIN, "position")
            }
            self._write(contact, {**plain, "custom": custom})
            self.account.contacts[contact.uuid] = contact
            made.append(contact.uuid)
        return made

    def contacts(self, now: float) -> list[dict[str, Json]]:  # noqa: ARG002 - nothing here changes with time
        return [
            {"id": contact.uuid, "key": None, "fields": self._flat(contact), "tags": []}
            for contact in self.account.contacts.values()
        ]

    def screen(self, now: float) -> ChartMogulScreen:
        return ChartMogulScreen(self, now)

    def _flat(self, contact: Contact) -> dict[str, Json]:
        shown = self._shown(contact)
        custom = shown.pop("custom")
        del shown["uuid"]
        return {**shown, **{f"custom.{name}": value for name, value in custom.items()}}

    def _answer(
        self, what: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        match what:
            case "GET /contacts" | "GET /customers/{uuid}/contacts":
                return self._list(request, {"customer_uuid": parts[0]} if parts else {})
            case "POST /contacts" | "POST /customers/{uuid}/contacts":
                return self._create(
                    {
                        **body_of(request),
                        **({"customer_uuid": parts[0]} if parts else {}),
                    },
                    now,
                )
            case "POST /contacts/{into}/merge/{from}":
                return self._merge(*parts)
            case "GET /customers":
                return self._list_customers(request)
            case "POST /customers":
                return self._create_customer(body_of(request))
            case _:
                return self._on_contact(request, self._contact(parts[0]))

    def _on_contact(self, request: TwinRequest, contact: Contact) -> Response:
        match request.method:
            case "GET":
                return answer(200, self._shown(contact))
            case "DELETE":
                del self.account.contacts[contact.uuid]
                return answer(200, {})
            case _:
                body = body_of(request)
                moved = {"customer_uuid", "data_source_uuid"} & body.keys()
                if moved and self.switches.fixed_reference == "422":
                    raise RefusedError(
                        422,
                        {"errors": dict.fromkeys(sorted(moved), "cannot be changed")},
                    )
                self._write(contact, body)
                return answer(200, self._shown(contact))

    def _contact(self, uuid: str) -> Contact:
        if self.switches.merged_id == "survivor":
            uuid = self.account.merged.get(uuid, uuid)
        if uuid not in self.account.contacts:
            raise mistake(404, "Contact not found.", "uuid")
        return self.account.contacts[uuid]

    def _shown(self, contact: Contact) -> dict[str, Json]:
        customer = self.account.customers.get(contact.customer_uuid or "")
        return contact.shown(customer.external_id if customer else None)

    def _create(self, body: Mapping[str, Json], now: float) -> Response:
        missing = [
            name for name in ("customer_uuid", "data_source_uuid") if not body.get(name)
        ]
        if missing:
            raise RefusedError(
                422, {"errors": dict.fromkeys(missing, "can't be blank")}
            )
        customer = self.account.customers.get(body["customer_uuid"])
        if customer is None or body["data_source_uuid"] not in self.account.sources:
            raise RefusedError(
                404,
                {
                    "error": "Customer not found"
                    if customer is None
                    else "Data source not found"
                },
            )
        if customer.data_source_uuid != body["data_source_uuid"]:
            raise RefusedError(
                422, {"errors": {"data_source_uuid": "is not that of the customer"}}
            )
        taken = {
            contact.fields.get("external_id")
            for contact in self.account.contacts.values()
        } - {None}
        if self.switches.external_id_unique and body.get("external_id") in taken:
            raise RefusedError(
                422, {"errors": {"external_id": "has already been taken"}}
            )
        contact = self._new(customer.uuid, customer.data_source_uuid, now)
        self._write(contact, body)
        self.account.contacts[contact.uuid] = contact
        return answer(201, self._shown(contact))

    def _new(self, customer: str, source: str, now: float) -> Contact:
        number = next(self.account.numbers)
        return Contact(
            f"con_{uuid5(NAMESPACE_URL, str(number))}",
            int(now * 10**9) + number,
            customer,
            source,
        )

    def _write(self, contact: Contact, body: Mapping[str, Json]) -> None:
        """Check everything, then write: a refused request changes nothing."""
        fields = {name: body[name] for name in PLAIN if name in body}
        for name, value in fields.items():
            if value is not None and not isinstance(value, str):
                raise mistake(400, f"{name} must be a string.", name)
        if fields.get("last_seen") is not None:
            fields["last_seen"] = moment(fields["last_seen"])
        position = body.get("position", contact.position)
        if position is not None and (
            not isinstance(position, int) or isinstance(position, bool)
        ):
            raise mistake(400, "position must be an integer.", "position")
        custom = {
            name: value
            for name, value in attributes(body.get("custom") or [])
            if self._is_defined(name, value)
        }
        self._check_required(
            {**contact.fields, **fields, **contact.custom, **custom}, contact
        )
        keeps = self.switches.null_mode == "ignore"
        for name, value in fields.items():
            if value is not None or name == "external_id" or not keeps:
                contact.fields[name] = value
        contact.position = position
        for name, value in custom.items():
            if value is not None:
                contact.custom[name] = value
            elif not keeps:
                contact.custom.pop(name, None)

    def _check_required(self, fields: Mapping[str, Json], contact: Contact) -> None:
        given = (name for name, value in fields.items() if value not in (None, ""))
        creates = contact.uuid not in self.account.contacts
        if missing := self.definitions.missing(given, creates=creates):
            raise RefusedError(
                422, {"errors": dict.fromkeys(missing, "can't be blank")}
            )

    def _is_defined(self, name: str, value: Json) -> bool:
        """Return whether a custom attribute is kept; raise for a wrong type."""
        if not self.definitions.has("field", name):
            return False
        defined = self.switches.attributes
        if defined is None or value is None:
            return defined is None or name in defined
        if (
            name in defined
            and not fits(value, defined[name])
            and self.switches.wrong_type == "422"
        ):
            raise RefusedError(
                422, {"errors": {"custom": f"{name} must be a {defined[name]}"}}
            )
        return name in defined and fits(value, defined[name])

    def _list(self, request: TwinRequest, more: Mapping[str, str]) -> Response:
        asked = {**dict(parse_qsl(request.query, keep_blank_values=True)), **more}
        if "page" in asked:
            raise mistake(400, "page is no longer supported; use cursor.", "page")
        per_page = asked.get("per_page", "200")
        if not per_page.isascii() or not per_page.isdigit() or int(per_page) < 1:
            raise mistake(400, "per_page must be a positive number.", "per_page")
        size = min(int(per_page), _MOST_PER_PAGE)
        newest_first = sorted(
            self.account.contacts.values(),
            key=lambda contact: (contact.at, contact.uuid),
            reverse=True,
        )
        names = (
            "customer_uuid",
            "customer_external_id",
            "data_source_uuid",
            "email",
            "external_id",
        )
        filters = {name: asked[name] for name in names if name in asked}
        found = [contact for contact in newest_first if self._has(contact, filters)]
        if not found and "email" in filters and self.switches.unknown_filter == "404":
            raise mistake(404, "Contact not found.", "email")
        if cursor := asked.get("cursor"):
            _, last = place_of(cursor)
            places = [contact.uuid for contact in found]
            found = found[places.index(last) + 1 :] if last in places else []
        page = found[:size]
        entries = [self._shown(contact) for contact in page]
        here = page[-1].cursor if page else asked.get("cursor")
        return answer(
            200, {"entries": entries, "has_more": len(found) > size, "cursor": here}
        )

    def _has(self, contact: Contact, filters: Mapping[str, str]) -> bool:
        shown = self._shown(contact)
        for name, wanted in filters.items():
            held = str(shown[name] or "")
            alike = name == "email" and self.switches.email_case == "ignore"
            if (held.lower() != wanted.lower()) if alike else (held != wanted):
                return False
        return True

    def _list_customers(self, request: TwinRequest) -> Response:
        asked = dict(parse_qsl(request.query, keep_blank_values=True))
        filters = {
            name: asked[name]
            for name in ("data_source_uuid", "external_id")
            if name in asked
        }
        shown = [customer.shown() for customer in self.account.customers.values()]
        entries = [
            each
            for each in shown
            if all(each[name] == value for name, value in filters.items())
        ]
        return answer(200, {"entries": entries, "has_more": False, "cursor": None})

    def _create_customer(self, body: Mapping[str, Json]) -> Response:
        missing = [
            name
            for name in ("data_source_uuid", "external_id", "name")
            if not body.get(name)
        ]
        if missing:
            raise RefusedError(
                422, {"errors": dict.fromkeys(missing, "can't be blank")}
            )
        uuid = f"cus_{uuid5(NAMESPACE_URL, str(next(self.account.numbers)))}"
        self.account.customers[uuid] = Customer(
            uuid, body["external_id"], body["data_source_uuid"], body["name"]
        )
        return answer(201, self.account.customers[uuid].shown())

    def _merge(self, into: str, other: str) -> Response:
        kept, gone = self._contact(into), self._contact(other)
        if kept is gone:
            raise mistake(400, "A contact cannot be merged into itself.")
        self.merge(kept, gone)
        shown = self._shown(kept)
        return answer(
            200,
            {**shown, "customer_uuid": None}
            if self.switches.merged_customer == "null"
            else shown,
        )

    def merge(self, kept: Contact, gone: Contact) -> None:
        """Make one contact of two: blank fields are filled, notes are joined."""
        notes = [
            text
            for text in (kept.fields.get("notes"), gone.fields.get("notes"))
            if text
        ]
        for name, value in gone.fields.items():
            if kept.fields.get(name) in (None, ""):
                kept.fields[name] = value
        if notes:
            kept.fields["notes"] = "\n".join(notes)
        kept.custom = {**gone.custom, **kept.custom}
        del self.account.contacts[gone.uuid]
        self.account.merged[gone.uuid] = kept.uuid


TWIN = ChartMogulTwin
