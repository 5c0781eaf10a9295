"""ChartMogul: a contact is a person at a customer, who belongs to a data source.

    GET     /ping                               try the key
    GET     /contacts                           list, by e-mail or external id
    POST    /contacts                           create
    GET     /contacts/{uuid}                    read
    PATCH   /contacts/{uuid}                    update the fields that are sent
    DELETE  /contacts/{uuid}                    delete
    POST    /contacts/{into}/merge/{from}       merge
    GET     /customers                          find the customer of a contact

Traps:

- A create makes another contact of the same person each time. There is no upsert.
- Custom attributes are written as a list of ``{"key", "value"}`` and read as an object.
- A custom attribute that is not defined in ChartMogul is dropped, with a success. So
  the answer is compared with what was sent.
- No look-up by phone or by custom attribute.
- 429 comes without any header, and also below 40 requests a second: requests that cost
  the vendor much draw on a budget that nothing shows.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from syncengine.vendor import (
    BASE_URL,
    NULL_AS_OBJECT,
    Action,
    Answer,
    Applied,
    Call,
    Capabilities,
    Deletion,
    Exchange,
    ExternalId,
    Fields,
    Json,
    Limit,
    ListOf,
    MatchKey,
    Page,
    Rejected,
    Remote,
    ReplyModel,
    Request,
    Secret,
    Unsupported,
    VendorSettings,
    VendorSpec,
    Write,
    as_text,
    check_call,
    collect_hits,
    external_id_of,
    fields_not_taken,
    look_up,
    parse_reply,
    path_segment,
    prefixed,
    probe_with,
    rejection,
    same_mailbox,
    same_phone,
    same_text,
    same_time,
    send_request,
    sent_values,
    whole_number,
)

_CUSTOM = "custom."
"""Prefix of custom attributes in a mapping, such as ``custom.plan``."""
_TEXT_FIELDS = (
    "external_id",
    "first_name",
    "last_name",
    "title",
    "email",
    "phone",
    "linked_in",
    "twitter",
    "notes",
    "last_seen",
)
_POSITION = "position"
_CUSTOMER_UUID = "customer_uuid"
_CUSTOMER_EXTERNAL_ID = "customer_external_id"
_DATA_SOURCE = "data_source_uuid"
_ONLY_IN_CREATES = (_CUSTOMER_UUID, _CUSTOMER_EXTERNAL_ID, _DATA_SOURCE)
_PER_PAGE = "200"
"""The vendor's maximum."""
# Statuses that stop the account, with the setting to look at: see ``judge``.
_KEY_REFUSED = {401: "settings.api_key", 403: "settings.api_key"}
_Query: TypeAlias = tuple[tuple[str, str], ...]
"""Parameters of a query: names and plain values."""

_NO_CUSTOMER = Rejected(
    "no_customer",
    "the vendor knows no single customer with this external id in the data source: "
    "create the customer there first, or correct the row",
)


class ChartMogulSettings(VendorSettings):
    """``base_url`` ends in ``/v1``."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"data_source_uuid"})

    api_key: Secret
    data_source_uuid: str | None = None
    """The data source of every contact; else it is a mapped field of that name."""
    customer_by: Literal["customer_uuid", "customer_external_id"] = "customer_uuid"
    """Mapped field that names a contact's customer; its external id costs a look-up at
    each create."""
    clear_with: Literal["null", "nothing"] = "null"
    """``null`` where null clears more than the external id; this is not documented."""


class _ChartMogulContact(ReplyModel, extra="allow"):
    uuid: ExternalId
    # The documentation's example shows a list; recorded answers are objects.
    custom: Annotated[dict[str, Json], NULL_AS_OBJECT] = Field(default_factory=dict)

    def custom_fields(self) -> dict[str, Json]:
        """Return the custom attributes under the names that mappings have."""
        return prefixed(_CUSTOM, self.custom)

    def remote(self) -> Remote:
        """Return the contact in the form in which the engine compares it."""
        fields = self.shown((*_TEXT_FIELDS, _POSITION, *_ONLY_IN_CREATES))
        return Remote(self.uuid, {**fields, **self.custom_fields()})


class _ChartMogulContacts(ReplyModel):
    entries: ListOf[_ChartMogulContact]
    # The cursor is there on the last page too: only ``has_more`` ends the list.
    has_more: bool = False
    cursor: str | None = None


class _ChartMogulCustomer(ReplyModel):
    uuid: ExternalId


class _ChartMogulCustomers(ReplyModel):
    entries: ListOf[_ChartMogulCustomer]


class _ChartMogulDeleted(ReplyModel, extra="forbid"):
    """The answer to a deletion: an object without any key."""


class _ChartMogulPong(ReplyModel):
    data: str


class ChartMogul:
    """Adapter for ChartMogul; it lists and merges contacts too.

    See ``Vendor``, ``Directory`` and ``Merger`` in ``syncengine.vendor``.
    """

    name = "chartmogul"

    def __init__(self, settings: ChartMogulSettings) -> None:
        self._data_source = settings.data_source_uuid
        # The key is the user's name; the password is empty.
        credentials = f"{settings.api_key.get_secret_value()}:"
        encoded = b64encode(credentials.encode()).decode()
        self._headers = {
            "accept": "application/json",
            "authorization": f"Basic {encoded}",
        }
        custom = f"{_CUSTOM}*"
        fields = (custom, *_TEXT_FIELDS, _POSITION)
        # A create has to name the contact's customer and data source.
        needed: list[str] = [settings.customer_by]
        if not self._data_source:
            needed.append(_DATA_SOURCE)
        clears: tuple[str, ...] = ("external_id",)
        if settings.clear_with == "null":
            clears = (custom, *_TEXT_FIELDS)
        self.capabilities = Capabilities(
            create=Write(
                fields=(*fields, *needed),
                must_carry=tuple(needed),
                requests=1 if settings.customer_by == _CUSTOMER_UUID else 2,
            ),
            update=Write(fields=fields, clears=clears, repeatable=True),
            delete=Deletion(),
            find_by=("email", "external_id"),
            merges=True,
            whole_numbers=(_POSITION,),
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        halts = {**_KEY_REFUSED, 404: BASE_URL, 410: BASE_URL}
        return probe_with(self._request("GET", "/ping"), halts, _ChartMogulPong)

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        query = ((key.field, key.value), *self._in_data_source())

        def read_page(cursor: str | None) -> Exchange[Page]:
            return self._read_page(query, cursor, sent=(key.value,))

        return collect_hits("GET /contacts", read_page, partial(_is_hit, key))

    def page(self, cursor: str | None) -> Exchange[Page]:
        return self._read_page(self._in_data_source(), cursor, sent=())

    def read(self, external_id: str) -> Exchange[Remote | None]:
        request = self._on_contact("GET", external_id)
        reply = yield from look_up(request, _KEY_REFUSED, _words)
        if reply is None:
            return None
        return parse_reply(request, reply, _ChartMogulContact).remote()

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        match call.action:
            case Action.CREATE:
                return self._create(call)
            case Action.DELETE:
                return self._delete(call)
            case _:
                return self._update(call)

    def merge(self, into: str, other: str) -> Exchange[Answer]:
        path = f"/contacts/{path_segment(into)}/merge/{path_segment(other)}"
        # The documentation shows no body; the vendor's own clients send an empty one.
        request = self._request("POST", path, "/contacts/{into}/merge/{from}", json={})
        reply = yield from send_request(request, _KEY_REFUSED)
        if not reply.ok:
            code = "not_found" if reply.not_found else None
            return rejection(request, reply, _words(reply.body), (), code)
        return Applied(parse_reply(request, reply, _ChartMogulContact).uuid)

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        if same_text(ours, theirs):
            return True
        may_be_time = field == "last_seen" or field.startswith(_CUSTOM)
        return may_be_time and same_time(ours, theirs)

    def _create(self, call: Call) -> Exchange[Answer]:
        fields = dict(call.fields)
        if self._data_source:
            fields[_DATA_SOURCE] = self._data_source
        # A create takes the customer's uuid only.
        customer = fields.pop(_CUSTOMER_EXTERNAL_ID, None)
        if customer:
            data_source = as_text(fields.get(_DATA_SOURCE))
            uuid = yield from self._customer_uuid(as_text(customer), data_source)
            if uuid is None:
                return _NO_CUSTOMER
            fields[_CUSTOMER_UUID] = uuid
        request = self._request("POST", "/contacts", json=_body(fields))
        return (yield from self._write(call, request, not_found_code=None))

    def _customer_uuid(self, customer: str, data_source: str) -> Exchange[str | None]:
        """Return the uuid of a customer; None unless there is exactly one."""
        query = ((_DATA_SOURCE, data_source), ("external_id", customer))
        request = self._request("GET", "/customers", query=query)
        sent = (customer, data_source)
        reply = yield from look_up(request, _KEY_REFUSED, _words, sent)
        if reply is None:
            return None
        customers = parse_reply(request, reply, _ChartMogulCustomers).entries
        if len(customers) != 1:
            return None
        return customers[0].uuid

    def _update(self, call: Call) -> Exchange[Answer]:
        contact = external_id_of(call)
        request = self._on_contact("PATCH", contact, json=_body(call.fields))
        return self._write(call, request, not_found_code="not_found")

    def _delete(self, call: Call) -> Exchange[Answer]:
        request = self._on_contact("DELETE", external_id_of(call))
        reply = yield from send_request(request, _KEY_REFUSED)
        if reply.not_found:
            return Applied(was_gone=True)
        if not reply.ok:
            return rejection(request, reply, _words(reply.body), sent_values(call))
        parse_reply(request, reply, _ChartMogulDeleted)
        return Applied()

    def _write(
        self, call: Call, request: Request, not_found_code: str | None
    ) -> Exchange[Answer]:
        """Send a create or an update; ``not_found_code`` is the code of a 404.

        The 404 of a create is about the customer or the data source, not the contact.
        """
        reply = yield from send_request(request, _KEY_REFUSED)
        if not reply.ok:
            code = not_found_code if reply.not_found else None
            words = _words(reply.body)
            return rejection(request, reply, words, sent_values(call), code)
        contact = parse_reply(request, reply, _ChartMogulContact)
        return Applied(contact.uuid, dropped=tuple(self._dropped(call, contact)))

    def _dropped(
        self, call: Call, contact: _ChartMogulContact
    ) -> Iterator[Unsupported]:
        """Yield the fields that the answer does not show, or shows otherwise."""
        shown = {**(contact.model_extra or {}), **contact.custom_fields()}
        comparable = {}
        for name, value in call.fields.items():
            is_plain = name in shown and name not in _ONLY_IN_CREATES
            # An undefined attribute is missing in the answer: that is the very point.
            if is_plain or name.startswith(_CUSTOM):
                comparable[name] = value
        return fields_not_taken(comparable, shown, self._echoes)

    def _echoes(self, name: str, ours: Json, shown: Json) -> bool:
        """Return whether the answer shows our value, in any form of the vendor's."""
        match name:
            case "email":
                return as_text(ours).lower() == as_text(shown).lower()
            case "phone":
                return same_phone(ours, shown)
            case "linked_in" | "twitter":
                return _web_address(ours) == _web_address(shown)
            case _:
                return self.same(name, ours, shown)

    def _read_page(
        self, query: _Query, cursor: str | None, sent: tuple[str, ...]
    ) -> Exchange[Page]:
        """Return one page of contacts; ``sent`` must not be repeated in a message."""
        query = (*query, ("per_page", _PER_PAGE))
        if cursor:
            query = (*query, ("cursor", cursor))
        request = self._request("GET", "/contacts", query=query, lists=True)
        reply = yield from look_up(request, _KEY_REFUSED, _words, sent)
        if reply is None:
            # Some filters answer an unknown value with a 404 in place of an empty list.
            return Page((), None)
        answer = parse_reply(request, reply, _ChartMogulContacts)
        contacts = tuple(entry.remote() for entry in answer.entries)
        if not answer.has_more:
            return Page(contacts, None)
        return Page(contacts, answer.cursor)

    def _in_data_source(self) -> _Query:
        """Return the parameter that narrows a list to the data source, if it is set."""
        if self._data_source:
            return ((_DATA_SOURCE, self._data_source),)
        return ()

    def _request(
        self,
        method: str,
        path: str,
        route: str | None = None,
        *,
        query: _Query = (),
        json: Json = None,
        lists: bool = False,
    ) -> Request:
        """Return a request; its route is the path unless one is given."""
        return Request(
            method,
            path,
            route=f"{method} {route or path}",
            query=query,
            headers=self._headers,
            json=json,
            lists=lists,
        )

    def _on_contact(self, method: str, contact: str, json: Json = None) -> Request:
        """Return a request about the contact with an id."""
        path = f"/contacts/{path_segment(contact)}"
        return self._request(method, path, "/contacts/{uuid}", json=json)


def _body(fields: Fields) -> Json:
    """Return the body of a create or update; custom attributes are a list there."""
    body: dict[str, Json] = {}
    custom: list[Json] = []
    for name, value in fields.items():
        if name.startswith(_CUSTOM):
            custom.append({"key": _attribute(name), "value": value})
        elif value is None:
            body[name] = None
        elif name == _POSITION:
            body[name] = whole_number(value)
        else:
            body[name] = as_text(value)
    if custom:
        body["custom"] = custom
    return body


def _web_address(value: Json) -> str:
    """Return a web address without scheme, ``www.``, last slash and capitals."""
    address = as_text(value).strip().lower()
    return re.sub(r"^[a-z]+://(www\.)?", "", address).rstrip("/")


@cache
def _attribute(name: str) -> str:
    """Return the name of a custom attribute. A mapping has few, so they are kept."""
    return name.removeprefix(_CUSTOM)


def _is_hit(key: MatchKey, remote: Remote) -> bool:
    """Return whether a contact has a key: filters may be laxer than we are."""
    theirs = as_text(remote.fields.get(key.field))
    if key.field == "email":
        return same_mailbox(theirs, key.value)
    return theirs == key.value


def _words(body: Json) -> str:
    """Return the message of a refusal, in the first of five shapes that fits."""
    if not isinstance(body, Mapping):
        return ""
    for name in ("message", "error"):
        if body.get(name):
            return as_text(body[name])
    details = body.get("error_details")
    if isinstance(details, list):
        objects = [each for each in details if isinstance(each, Mapping)]
        return "; ".join(as_text(each.get("message")) for each in objects)
    return as_text(body.get("errors") or body)


VENDOR = VendorSpec(
    name="chartmogul",
    api_version=1,
    settings=ChartMogulSettings,
    build=ChartMogul,
    version=2,
    # The vendor allows 40 a second, fewer when requests cost it much, and counts every
    # integration of the account together.
    limits=(Limit(calls=30, per=1.0),),
    identity=("data_source_uuid",),
    # More than 20 connections at once are refused (503), with those of other
    # integrations counted.
    max_in_flight=10,
    address="https://api.chartmogul.com/v1",
    usual_fields=("external_id", "first_name", "last_name", "title", "email", "phone"),
    twin="syncengine.sandbox.twins.chartmogul:TWIN",
)
