"""respond.io, v2: contacts are taken in by phone or e-mail, and known by a number from then on.

A new contact waits in a queue: until it is through, reading it answers 404 and writing to it 449. A 403 in JSON is a
refusal; a 403 with a page comes from the network in front of the API. Values of custom fields are read as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import quote, unquote

from pydantic import BeforeValidator, model_validator

from syncengine.errors import CannotBeSent, VendorUnavailable
from syncengine.model.calls import Action, Answer, Applied, Call, Rejected
from syncengine.model.capabilities import Capabilities, Deletion, TagCall, Write
from syncengine.model.contact import Fields, MatchKey, Page, Remote
from syncengine.model.costs import Cost, exactly
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.model.limits import Limit
from syncengine.model.phones import E164, local_spellings, usual_spellings
from syncengine.vendors.kit.allowed import if_allowed
from syncengine.vendors.kit.answers import (
    BASE_URL,
    Reply,
    Shape,
    judge,
    refused,
    shaped,
)
from syncengine.vendors.kit.calls import check, external_id, segment, sent_values
from syncengine.vendors.kit.looking import looked_up
from syncengine.vendors.kit.paging import MOST_PAGES, endless, every_hit, probed
from syncengine.vendors.kit.reading import Id, Many, Tags, fits_a_path
from syncengine.vendors.kit.settings import ClearWith, Duration, Secret, VendorSettings
from syncengine.vendors.kit.values import (
    is_phone_of,
    may_be_phone_of,
    phone_spellings,
    same_phone,
    same_text,
    same_time,
    text,
)

_KEYS = ("phone", "email")
_OTHERS = ("lastName", "language", "profilePic", "countryCode")
_FIRST_NAME = "firstName"
_CUSTOM = "custom_fields."
_LIFECYCLE = "lifecycle"
_PLAIN = (_FIRST_NAME, *_KEYS, *_OTHERS)
_PER_PAGE = 100
_GONE = "not_found"
_Query: TypeAlias = tuple[tuple[str, str], ...]
_EVERYBODY: Json = {"$and": []}
_CONTACT_NAMED = {401: "settings.token"}
_NO_CONTACT_NAMED = {**_CONTACT_NAMED, 404: BASE_URL, 410: BASE_URL}


class Settings(VendorSettings):
    """``base_url`` ends in ``/v2``."""

    token: Secret
    """An access token of the workspace."""
    first_name_in_updates: bool = True
    """True where each update has to carry the first name; the documentation states
    both."""
    clear_with: ClearWith = "null"
    """Value that clears a field; not documented. All but the first name may be null."""
    look_up_phones: Literal["both", "usual"] = "usual"
    """Spellings to look phones up by, all in one request. ``both``: with and without
    the ``+``. ``usual``: also with ``00`` and as people punctuate them, and numbers of
    the field's region without their country code."""
    tags_as: Literal["array", "object"] = "array"
    """Form of the tags in a tag call: a bare array, or ``{"tags": [...]}``. The
    vendor's own clients do both."""
    settles_within: Duration = 120.0
    """Seconds after which a request that was sent is visible in look-ups (new contacts
    wait in a queue)."""


SETTINGS = Settings
LIMITS = tuple(
    Limit(calls=5, per=1.0, method=method)
    for method in ("GET", "POST", "PUT", "DELETE")
)
"""Counted over all workspaces of an organisation, together with its other integrations."""
IDENTITY = ()
VERSION = 1


def build(settings: Settings) -> RespondIoV2:
    return RespondIoV2(settings)


def _list(value: Json) -> Json:
    return [] if value is None else value


def _cursor(pagination: Json) -> Json:
    """Return the cursor in the full address of the next page."""
    link = pagination.get("next") if isinstance(pagination, dict) else pagination
    if link is None or link == "":
        return None
    found = re.search(r"[?&]cursorId=([^&#]+)", link) if isinstance(link, str) else None
    if found is None:
        raise ValueError("an address with a cursor is expected")
    return unquote(found[1])


class _Custom(Shape):
    name: str
    value: Json = None


class _Contact(Shape, extra="allow"):
    id: Id
    custom_fields: Annotated[Many[_Custom], BeforeValidator(_list)] = ()
    tags: Annotated[Tags, BeforeValidator(_list)] = ()

    def remote(self) -> Remote:
        plain = {
            name: (self.model_extra or {}).get(name) for name in (*_PLAIN, _LIFECYCLE)
        }
        custom = {f"{_CUSTOM}{each.name}": each.value for each in self.custom_fields}
        return Remote(self.id, {**plain, **custom}, frozenset(self.tags))


class _Contacts(Shape):
    items: Many[_Contact]
    pagination: Annotated[str | None, BeforeValidator(_cursor)] = None


class _Items(Shape):
    items: list[Json]


class _Channels(_Items):
    pagination: Annotated[str | None, BeforeValidator(_cursor)] = None


class _Told(Shape):
    """The answer to a write: the contact's id, or a code of success."""

    contactId: Id | None = None  # noqa: N815 - the vendor's spelling
    code: Json = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.contactId is None and text(self.code) != "200":
            raise ValueError("it tells neither the contact nor a success")
        return self


class _TakenIn(Shape):
    """The answer to an upsert: the contact's id, or an empty object."""

    contactId: Id | None = None  # noqa: N815 - the vendor's spelling

    @model_validator(mode="before")
    @classmethod
    def _told(cls, body: Json) -> Json:
        return body if body == {} else _Told.model_validate(body).model_dump()


class RespondIoV2:
    """See ``ports.Vendor``, ``ports.Directory``, ``ports.Merger`` and ``ports.Teller``."""

    name = "respond_io_v2"

    def __init__(self, settings: Settings) -> None:
        token = settings.token.get_secret_value()
        self._headers = {
            "accept": "application/json",
            "authorization": f"Bearer {token}",
        }
        self._tags_as = settings.tags_as
        self._look_up_phones = settings.look_up_phones
        self._clears = settings.clear_with != "nothing"
        self._cleared = "" if settings.clear_with == "empty" else None
        fields = (f"{_CUSTOM}*", *_PLAIN)
        clears = (f"{_CUSTOM}*", *_OTHERS) if self._clears else ()
        self.capabilities = Capabilities(
            upsert=Write(
                fields,
                clears=clears,
                must_carry=(_FIRST_NAME,),
                repeatable=True,
                keyed_by=_KEYS,
            ),
            update=Write(
                fields,
                clears=(*clears, *_KEYS) if clears else (),
                must_carry=(_FIRST_NAME,) if settings.first_name_in_updates else (),
                repeatable=True,
            ),
            set_lifecycle=Write(
                (_LIFECYCLE,), clears=(_LIFECYCLE,), max_fields=1, repeatable=True
            ),
            add_tags=TagCall(10),
            remove_tags=TagCall(10),
            delete=Deletion(),
            find_by=(*_KEYS, f"{_CUSTOM}*"),
            respelled=("phone",) if settings.look_up_phones == "usual" else (),
            merges=True,
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        return probed(
            self._listing(_EVERYBODY, None, 1), _NO_CONTACT_NAMED, _Contacts, _judged
        )

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if self._respells(key):
            spellings = usual_spellings(key.value, key.region)
            hits = yield from if_allowed(self._with_any(key, spellings, self._is_hit))
            if hits is not None:
                return hits
        return (yield from self._with_any(key, _spellings(key), self._is_hit))

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if not self._respells(key):
            return ()
        whole = usual_spellings(key.value, None)
        bare = (each.removeprefix("+") for each in whole)
        spellings = (*whole, *bare, *local_spellings(key.value))
        return (yield from if_allowed(self._with_any(key, spellings, _resembles))) or ()

    def look_up_cost(self, key: MatchKey) -> Cost:
        # A vendor that refuses to look for odd spellings is asked for the common ones.
        return Cost(1, 1, 2) if self._respells(key) else exactly(1)

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002 - the port's
        return 0

    def _respells(self, key: MatchKey) -> bool:
        is_phone = key.field == "phone" and E164.fullmatch(key.value) is not None
        return is_phone and self._look_up_phones == "usual"

    def _with_any(
        self,
        key: MatchKey,
        spellings: Iterable[str],
        is_hit: Callable[[MatchKey, Remote], bool],
    ) -> Exchange[Sequence[Remote]]:
        """Return the contacts with any of these values that are hits."""
        wanted = _any_of(key, spellings)

        def page(cursor: str | None) -> Exchange[Page]:
            return self._page(wanted, cursor, (key.value,))

        return every_hit("POST /contact/list", page, partial(is_hit, key))

    def page(self, cursor: str | None) -> Exchange[Page]:
        return self._page(_EVERYBODY, cursor, ())

    def read(self, external_id: str) -> Exchange[Remote | None]:
        return self._look(MatchKey("id", external_id))

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        """Return a contact's channels and newest messages; nothing if it is gone."""
        contact = MatchKey("id", external_id)
        channels = yield from self._channels(contact)
        if channels is None:
            return {}
        request = self._on("GET", contact, tail="/message/list")
        reply = yield from looked_up(request, _CONTACT_NAMED, _words, (), _judged)
        if reply is None:
            return {}
        messages = shaped(request, reply, _Items).items
        return {"channels": channels, "messages": messages}

    def _channels(self, contact: MatchKey) -> Exchange[list[Json] | None]:
        """Return all pages of a contact's channels; None where there is no contact."""
        found: list[Json] = []
        cursor: str | None = None
        seen: set[str | None] = set()
        for _ in range(MOST_PAGES):
            query = (("cursorId", cursor),) if cursor else ()
            request = self._on("GET", contact, tail="/channels", query=query)
            reply = yield from looked_up(request, _CONTACT_NAMED, _words, (), _judged)
            if reply is None:
                return None
            page = shaped(request, reply, _Channels)
            found += page.items
            seen.add(cursor)
            cursor = page.pagination
            if cursor is None:
                return found
            if cursor in seen:
                break
        raise endless(request.route)

    def merge(self, into: str, other: str) -> Exchange[Answer]:
        """The vendor keeps the older of the two, with the plain fields of the one merged into."""
        if (held := (yield from self.read(into))) is None:
            return Rejected(_GONE, "the vendor has no contact of this id to merge into")
        if not (into.isdecimal() and other.isdecimal()):
            return Rejected(_GONE, "this vendor's ids are numbers")
        plain = {
            name: text(held.fields[name])
            for name in _PLAIN
            if held.fields[name] not in (None, "")
        }
        # Phones may be shown without their ``+``, and are written with it.
        plain |= (
            {"phone": f"+{plain['phone'].removeprefix('+')}"}
            if "phone" in plain
            else {}
        )
        request = self._request(
            "POST", "/contact/merge", {"contactIds": [int(into), int(other)], **plain}
        )
        return (yield from _carried_out(request, plain.values()))

    def send(self, call: Call) -> Exchange[Answer]:
        check(call, self.capabilities)
        if call.action is Action.UPSERT:
            return self._upsert(call)
        contact = MatchKey("id", external_id(call))
        match call.action:
            case Action.UPDATE:
                request = self._on("PUT", contact, self._body(call.fields))
            case Action.SET_LIFECYCLE:
                stage = {"name": call.fields[_LIFECYCLE] or None}
                request = self._on("POST", contact, stage, tail="/lifecycle/update")
            case Action.ADD_TAGS:
                request = self._on(
                    "POST", contact, self._tags(call.add_tags), tail="/tag"
                )
            case Action.REMOVE_TAGS:
                request = self._on(
                    "DELETE", contact, self._tags(call.remove_tags), tail="/tag"
                )
            case _:
                return self._delete(contact)
        return _carried_out(request, tuple(sent_values(call)))

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        match field:
            case "phone":
                return same_phone(ours, theirs)
            case "email" | "language" | "countryCode":
                return text(ours).lower() == text(theirs).lower()
            case _:
                return same_text(ours, theirs) or (
                    field.startswith(_CUSTOM) and same_time(ours, theirs)
                )

    def _upsert(self, call: Call) -> Exchange[Answer]:
        if call.key is None:
            raise ValueError("upsert needs the key it goes by")
        request = self._on(
            "POST", call.key, self._body(call.fields), under="/contact/create_or_update"
        )
        answer = yield from _carried_out(
            request, tuple(sent_values(call)), None, _TakenIn
        )
        if not isinstance(answer, Applied) or answer.external_id:
            return answer
        # The answer held no id. A contact that still waits in the queue is not shown (404,
        # 449): then the write is unknown, and a later look-up settles it.
        status: int | None = 404
        try:
            if held := (yield from self._look(call.key)):
                return Applied(held.external_id)
        except VendorUnavailable as error:
            status = error.status
        raise VendorUnavailable(
            f"the vendor took the contact in, but does not show its id yet (status {status}); it is asked again",
            maybe_applied=True,
            status=status,
        )

    def _delete(self, contact: MatchKey) -> Exchange[Answer]:
        answer = yield from _carried_out(self._on("DELETE", contact), ())
        if isinstance(answer, Rejected):
            return Applied(was_gone=True) if answer.code == _GONE else answer
        # An answer with another id is passed on as it is: it is not about this contact.
        return Applied() if answer == Applied(contact.value) else answer

    def _look(self, key: MatchKey) -> Exchange[Remote | None]:
        request = self._on("GET", key)
        reply = yield from looked_up(
            request, _CONTACT_NAMED, _words, (key.value,), _judged
        )
        return shaped(request, reply, _Contact).remote() if reply else None

    def _page(
        self, wanted: Json, cursor: str | None, sent: tuple[str, ...]
    ) -> Exchange[Page]:
        request = self._listing(wanted, cursor, _PER_PAGE)
        reply = yield from looked_up(request, _NO_CONTACT_NAMED, _words, sent, _judged)
        found = shaped(request, reply, _Contacts) if reply else _Contacts(items=())
        return Page(
            tuple(contact.remote() for contact in found.items), found.pagination
        )

    def _is_hit(self, key: MatchKey, remote: Remote) -> bool:
        theirs = text(remote.fields.get(key.field))
        if key.field == "phone":
            return is_phone_of(key, theirs)
        return bool(theirs) and (
            self.same(key.field, key.value, theirs)
            if key.field in _KEYS
            else theirs == key.value
        )

    def _listing(self, wanted: Json, cursor: str | None, limit: int) -> Request:
        """A look-up by a filter; ``search`` and ``timezone`` have to be there."""
        query = (("limit", str(limit)), *((("cursorId", cursor),) if cursor else ()))
        return self._request(
            "POST",
            "/contact/list",
            {"search": "", "timezone": "UTC", "filter": wanted},
            query,
        )

    def _on(
        self,
        method: str,
        contact: MatchKey,
        json: Json = None,
        under: str = "/contact",
        tail: str = "",
        query: _Query = (),
    ) -> Request:
        named = (
            _key_segment(contact) if contact.field in _KEYS else segment(contact.value)
        )
        identifier = f"{contact.field}%3A{named}"
        path = f"{under}/{identifier}{tail}"
        route = f"{under}/{{identifier}}{tail}"
        return self._request(method, path, json, query, route=route)

    def _request(
        self,
        method: str,
        path: str,
        json: Json,
        query: _Query = (),
        route: str | None = None,
    ) -> Request:
        return Request(
            method,
            path,
            f"{method} {route or path}",
            query=query,
            headers=self._headers,
            json=json,
            reads=path == "/contact/list",
            lists=path.endswith("/list"),
        )

    def _tags(self, tags: Iterable[str]) -> Json:
        return list(tags) if self._tags_as == "array" else {"tags": list(tags)}

    def _body(self, fields: Fields) -> Json:
        body: dict[str, Json] = {}
        for name, value in fields.items():
            typed = name.startswith(_CUSTOM) and isinstance(value, bool | int | float)
            empty = value is None or (value == "" and self._clears)
            written = value if typed else self._cleared if empty else text(value)
            if name.startswith(_CUSTOM):
                body.setdefault("custom_fields", []).append(
                    {"name": name.removeprefix(_CUSTOM), "value": written}
                )
            elif name in _PLAIN:
                body[name] = written
            else:
                raise ValueError(f'respond.io has no field "{name}"')
        return body


def _key_segment(key: MatchKey) -> str:
    """Return a phone or an e-mail address, which may hold slashes, for a path."""
    if not fits_a_path(key.value, slashes=key.field == "email"):
        raise CannotBeSent(
            f"its {key.field} cannot stand in an address, and nothing was sent; correct the row"
        )
    return quote(key.value, safe="")


def _spellings(key: MatchKey) -> tuple[str, ...]:
    """Return a value in each common spelling that it may have.

    Phones may be stored without their ``+``, mailboxes in small letters or as names.
    """
    if key.field == "email":
        mailbox = key.value.lower()
        local, at, domain = mailbox.partition("@")
        return key.value, mailbox, mailbox.capitalize(), f"{local.title()}{at}{domain}"
    if key.field == "phone":
        numbers = phone_spellings(key.value)
        return tuple(spelling for bare in numbers for spelling in (f"+{bare}", bare))
    return (key.value,)


def _resembles(key: MatchKey, remote: Remote) -> bool:
    return may_be_phone_of(key, remote.fields.get(key.field))


def _any_of(key: MatchKey, spellings: Iterable[str]) -> Json:
    condition = {
        "category": "contactField",
        "field": key.field.removeprefix(_CUSTOM),
        "operator": "isEqualTo",
    }
    return {
        "$or": [
            {**condition, "value": spelling} for spelling in dict.fromkeys(spellings)
        ]
    }


def _judged(request: Request, response: Response, halts: Mapping[int, str]) -> Reply:
    """Judge an answer as ``judge`` does; a contact in the queue is no refusal."""
    if response.status == 449:
        raise VendorUnavailable(
            f"{request.route}: the contact still waits in the vendor's queue (status 449); it is tried again",
            maybe_applied=False,
            status=449,
        )
    return judge(request, response, halts)


def _carried_out(
    request: Request,
    sent: Iterable[Json],
    gone: str | None = _GONE,
    shape: type[_Told | _TakenIn] = _Told,
) -> Exchange[Answer]:
    """Send a write and return its answer; ``gone`` is the code of a 404."""
    reply = _judged(request, (yield request), _CONTACT_NAMED)
    if not reply.ok:
        return refused(
            request, reply, _words(reply.body), sent, gone if reply.not_there else None
        )
    return Applied(shaped(request, reply, shape).contactId)


def _words(body: Json) -> str:
    return text(body.get("message")) if isinstance(body, Mapping) else ""
