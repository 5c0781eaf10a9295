"""ChartMogul: a contact is a person at a customer, and a customer belongs to a data source.

Create makes a second contact of the same person every time. Custom attributes are written as a list and read as an
object; one that is not defined there is dropped with a success, so the echo is compared.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from syncengine.model.calls import Action, Answer, Applied, Call, Rejected, Unsupported
from syncengine.model.capabilities import Capabilities, Deletion, Write, whole_number
from syncengine.model.contact import Fields, MatchKey, Page, Remote
from syncengine.model.http import Exchange, Json, Request
from syncengine.model.limits import Limit
from syncengine.vendors.kit import (
    BASE_URL,
    Id,
    Many,
    Secret,
    Shape,
    VendorSettings,
    check,
    every_hit,
    external_id,
    fields_not_taken,
    judge,
    looked_up,
    probed,
    refused,
    same_mailbox,
    same_phone,
    same_text,
    same_time,
    segment,
    sent_values,
    shaped,
    text,
)

_CUSTOM = "custom."
_PLAIN = (
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
_ONCE = ("customer_uuid", "customer_external_id", "data_source_uuid")
_PER_PAGE = "200"
_KEY_REFUSED = dict.fromkeys((401, 403), "settings.api_key")


class Settings(VendorSettings):
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


SETTINGS = Settings
LIMITS = (Limit(calls=30, per=1.0),)
"""The vendor allows 40 a second, fewer when requests cost it much, counting every
integration of the account together."""
IDENTITY = ("data_source_uuid",)
VERSION = 2
MAX_IN_FLIGHT = 10
"""More than 20 connections at once are refused, those of other integrations counted."""


def build(settings: Settings) -> ChartMogul:
    return ChartMogul(settings)


def _no_null(value: Json) -> Json:
    return {} if value is None else value


class _Contact(Shape, extra="allow"):
    uuid: Id
    custom: Annotated[dict[str, Json], BeforeValidator(_no_null)] = Field(
        default_factory=dict
    )

    def remote(self) -> Remote:
        plain = {
            name: (self.model_extra or {}).get(name)
            for name in (*_PLAIN, _POSITION, *_ONCE)
        }
        return Remote(
            self.uuid,
            {
                **plain,
                **{f"{_CUSTOM}{name}": value for name, value in self.custom.items()},
            },
        )


class _Entries(Shape):
    entries: Many[_Contact]
    has_more: bool = False
    cursor: str | None = None


class _Customer(Shape):
    uuid: Id


class _Customers(Shape):
    entries: Many[_Customer]


class _Deleted(Shape, extra="forbid"):
    """The answer to a deletion: an object without any key."""


class _Pong(Shape):
    data: str


class ChartMogul:
    """See ``ports.Vendor``, ``ports.Directory`` and ``ports.Merger``."""

    name = "chartmogul"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        basic = b64encode(f"{settings.api_key.get_secret_value()}:".encode()).decode()
        self._headers = {
            "accept": "application/json",
            "authorization": f"Basic {basic}",
        }
        fields = (f"{_CUSTOM}*", *_PLAIN, _POSITION)
        source = () if settings.data_source_uuid else ("data_source_uuid",)
        self.capabilities = Capabilities(
            create=Write(
                fields=(*fields, settings.customer_by, *source),
                must_carry=(settings.customer_by, *source),
                requests=1 if settings.customer_by == "customer_uuid" else 2,
            ),
            update=Write(
                fields=fields,
                clears=(f"{_CUSTOM}*", *_PLAIN)
                if settings.clear_with == "null"
                else ("external_id",),
                repeatable=True,
            ),
            delete=Deletion(),
            find_by=("email", "external_id"),
            merges=True,
            whole_numbers=(_POSITION,),
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        return probed(
            self._request("GET", "/ping"),
            {**_KEY_REFUSED, 404: BASE_URL, 410: BASE_URL},
            _Pong,
        )

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        def page(cursor: str | None) -> Exchange[Page]:
            return self._page(
                ((key.field, key.value), *self._in_source()), cursor, (key.value,)
            )

        return every_hit("GET /contacts", page, lambda remote: _is_hit(key, remote))

    def page(self, cursor: str | None) -> Exchange[Page]:
        return self._page(self._in_source(), cursor, ())

    def read(self, external_id: str) -> Exchange[Remote | None]:
        request = self._on_contact("GET", external_id)
        reply = yield from looked_up(request, _KEY_REFUSED, _words)
        return shaped(request, reply, _Contact).remote() if reply else None

    def send(self, call: Call) -> Exchange[Answer]:
        check(call, self.capabilities)
        match call.action:
            case Action.CREATE:
                return self._create(call)
            case Action.DELETE:
                return self._delete(call)
            case _:
                request = self._on_contact(
                    "PATCH", external_id(call), json=_body(call.fields)
                )
                return self._write(call, request, "not_found")

    def merge(self, into: str, other: str) -> Exchange[Answer]:
        path = f"/contacts/{segment(into)}/merge/{segment(other)}"
        request = self._request("POST", path, "/contacts/{into}/merge/{from}", json={})
        reply = judge(request, (yield request), _KEY_REFUSED)
        if not reply.ok:
            return refused(
                request,
                reply,
                _words(reply.body),
                (),
                "not_found" if reply.not_there else None,
            )
        return Applied(shaped(request, reply, _Contact).uuid)

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        a_time = field == "last_seen" or field.startswith(_CUSTOM)
        return same_text(ours, theirs) or (a_time and same_time(ours, theirs))

    def _create(self, call: Call) -> Exchange[Answer]:
        fields = dict(call.fields)
        if self._settings.data_source_uuid:
            fields["data_source_uuid"] = self._settings.data_source_uuid
        if customer := fields.pop("customer_external_id", None):
            found = yield from self._customer(
                text(customer), text(fields.get("data_source_uuid"))
            )
            if found is None:
                return _NO_CUSTOMER
            fields["customer_uuid"] = found
        return (
            yield from self._write(
                call, self._request("POST", "/contacts", json=_body(fields)), None
            )
        )

    def _customer(self, customer: str, source: str) -> Exchange[str | None]:
        query = (("data_source_uuid", source), ("external_id", customer))
        request = self._request("GET", "/customers", query=query)
        reply = yield from looked_up(request, _KEY_REFUSED, _words, (customer, source))
        entries = shaped(request, reply, _Customers).entries if reply else ()
        return entries[0].uuid if len(entries) == 1 else None

    def _delete(self, call: Call) -> Exchange[Answer]:
        request = self._on_contact("DELETE", external_id(call))
        reply = judge(request, (yield request), _KEY_REFUSED)
        if reply.not_there:
            return Applied(was_gone=True)
        if not reply.ok:
            return refused(request, reply, _words(reply.body), sent_values(call))
        shaped(request, reply, _Deleted)
        return Applied()

    def _write(
        self, call: Call, request: Request, gone: str | None
    ) -> Exchange[Answer]:
        reply = judge(request, (yield request), _KEY_REFUSED)
        if not reply.ok:
            code = gone if reply.not_there else None
            return refused(request, reply, _words(reply.body), sent_values(call), code)
        contact = shaped(request, reply, _Contact)
        return Applied(contact.uuid, dropped=tuple(self._dropped(call, contact)))

    def _dropped(self, call: Call, contact: _Contact) -> Iterator[Unsupported]:
        """Yield the fields that the echo does not show, or shows otherwise."""
        shown = {
            **(contact.model_extra or {}),
            **{f"{_CUSTOM}{name}": each for name, each in contact.custom.items()},
        }
        sent = {
            name: value
            for name, value in call.fields.items()
            if name.startswith(_CUSTOM) or (name in shown and name not in _ONCE)
        }
        return fields_not_taken(sent, shown, self._echoes)

    def _echoes(self, name: str, ours: Json, shown: Json) -> bool:
        """Return whether the echo shows our value, in any form of the vendor's."""
        match name:
            case "email":
                return text(ours).lower() == text(shown).lower()
            case "phone":
                return same_phone(ours, shown)
            case "linked_in" | "twitter":
                return _address(ours) == _address(shown)
            case _:
                return self.same(name, ours, shown)

    def _page(
        self,
        query: tuple[tuple[str, str], ...],
        cursor: str | None,
        sent: tuple[str, ...],
    ) -> Exchange[Page]:
        following = (("cursor", cursor),) if cursor else ()
        request = self._request(
            "GET", "/contacts", query=(*query, ("per_page", _PER_PAGE), *following)
        )
        request = replace(request, lists=True)
        reply = yield from looked_up(request, _KEY_REFUSED, _words, sent)
        if reply is None:
            return Page((), None)
        answer = shaped(request, reply, _Entries)
        return Page(
            tuple(entry.remote() for entry in answer.entries),
            answer.cursor if answer.has_more else None,
        )

    def _in_source(self) -> tuple[tuple[str, str], ...]:
        source = self._settings.data_source_uuid
        return (("data_source_uuid", source),) if source else ()

    def _request(
        self,
        method: str,
        path: str,
        route: str | None = None,
        *,
        query: tuple[tuple[str, str], ...] = (),
        json: Json = None,
    ) -> Request:
        return Request(
            method,
            path,
            f"{method} {route or path}",
            query=query,
            headers=self._headers,
            json=json,
        )

    def _on_contact(self, method: str, contact: str, json: Json = None) -> Request:
        return self._request(
            method, f"/contacts/{segment(contact)}", "/contacts/{uuid}", json=json
        )


def _body(fields: Fields) -> Json:
    body = {
        name: _plain(name, value)
        for name, value in fields.items()
        if not name.startswith(_CUSTOM)
    }
    custom = [
        {"key": _tail(name), "value": value}
        for name, value in fields.items()
        if name.startswith(_CUSTOM)
    ]
    return {**body, "custom": custom} if custom else body


def _plain(name: str, value: Json) -> Json:
    """Return a value as it is sent: the position as a number, all others as text."""
    if value is None:
        return None
    return whole_number(value) if name == _POSITION else text(value)


def _address(value: Json) -> str:
    """Return a web address without scheme, ``www.``, last slash and capitals."""
    address = text(value).strip().lower()
    return re.sub(r"^[a-z]+://(www\.)?", "", address).rstrip("/")


@cache
def _tail(name: str) -> str:
    return name.removeprefix(_CUSTOM)


def _is_hit(key: MatchKey, remote: Remote) -> bool:
    theirs = text(remote.fields.get(key.field))
    return (
        same_mailbox(theirs, key.value) if key.field == "email" else theirs == key.value
    )


def _words(body: Json) -> str:
    """The message of a refusal, in the first of five shapes that fits."""
    if not isinstance(body, Mapping):
        return ""
    for name in ("message", "error"):
        if body.get(name):
            return text(body[name])
    details = body.get("error_details")
    if isinstance(details, list):
        return "; ".join(
            text(each.get("message")) for each in details if isinstance(each, Mapping)
        )
    return text(body.get("errors") or body)


_NO_CUSTOMER = Rejected(
    "no_customer",
    "the vendor knows no single customer with this external id in the data source: create the customer there first, or "
    "correct the row",
)
