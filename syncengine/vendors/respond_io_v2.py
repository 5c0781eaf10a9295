"""respond.io, v2: contacts are created by phone or e-mail, and then have a number.

    POST    /contact/create_or_update/{identifier}   upsert by phone or e-mail
    GET     /contact/{identifier}                    read
    PUT     /contact/{identifier}                    update the fields that are sent
    DELETE  /contact/{identifier}                    delete
    POST    /contact/{identifier}/tag                add tags, ten at most
    DELETE  /contact/{identifier}/tag                remove tags, ten at most
    POST    /contact/{identifier}/lifecycle/update   set the lifecycle stage
    POST    /contact/list                            look up by a filter
    POST    /contact/merge                           merge two contacts
    GET     /contact/{identifier}/channels           channels, for people
    GET     /contact/{identifier}/message/list       messages, for people

An identifier is ``id:5501``, ``phone:+49...`` or ``email:...``. A refusal is
``{"code": ..., "message": "..."}``.

Traps:

- A new contact waits in a queue: until it is through, reading it answers 404, and
  writing to it 449. Neither is a refusal.
- The answer to an upsert may be ``{}``, without the new contact's id.
- A 403 in JSON is a refusal ("already exists on another contact"); a 403 with a page
  comes from the network in front of the API.
- Upserts by phone and by e-mail of one person make two contacts.
- Values of custom fields are read as text.
- Limits are counted for each method, over all workspaces of the organisation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import quote, unquote

from pydantic import BeforeValidator, model_validator

from syncengine.vendor import (
    BASE_URL,
    MAX_PAGES,
    NULL_AS_LIST,
    Action,
    Answer,
    Applied,
    Call,
    CannotBeSent,
    Capabilities,
    ClearWith,
    Cost,
    Deletion,
    Duration,
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
    Reply,
    ReplyModel,
    Request,
    Response,
    Secret,
    TagCall,
    TagNames,
    VendorSettings,
    VendorSpec,
    VendorUnavailable,
    Write,
    as_text,
    check_call,
    collect_hits,
    endless_pages,
    exactly,
    external_id_of,
    fits_a_path,
    is_full_phone,
    is_phone_of,
    judge,
    local_spellings,
    look_up,
    may_be_phone_of,
    none_if_refused,
    parse_reply,
    path_segment,
    prefixed,
    probe_with,
    rejection,
    same_phone,
    same_text,
    same_time,
    sent_values,
    usual_spellings,
    with_and_without_plus,
)

_KEYS = ("phone", "email")
_OPTIONAL = ("lastName", "language", "profilePic", "countryCode")
_FIRST_NAME = "firstName"
_PLAIN_FIELDS = (_FIRST_NAME, *_KEYS, *_OPTIONAL)
"""The fields that every contact has."""
_CUSTOM = "custom_fields."
"""Prefix of custom fields in a mapping, such as ``custom_fields.plan``."""
_LIFECYCLE = "lifecycle"
_MAX_TAGS = 10
_PER_PAGE = 100
"""The vendor's maximum."""
_ALL_CONTACTS: Json = {"$and": []}
"""A filter that every contact passes."""
_NOT_FOUND = "not_found"
"""The code of a refusal that says that there is no such contact."""
# Statuses that stop the account, with the setting to look at: see ``judge``.
_TOKEN_REFUSED = {401: "settings.token"}
# For paths that name no contact, so that a 404 can only mean the address.
_ADDRESS_OR_TOKEN = {**_TOKEN_REFUSED, 404: BASE_URL, 410: BASE_URL}
_Query: TypeAlias = tuple[tuple[str, str], ...]
"""Parameters of a query: names and plain values."""


class RespondIoV2Settings(VendorSettings):
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


def _cursor_in(pagination: Json) -> Json:
    """Return the cursor in the full address of the next page; None: there is none.

    Raises ValueError for an address without one: the list would seem to end there.
    """
    link = pagination
    if isinstance(pagination, dict):
        link = pagination.get("next")
    if link is None or link == "":
        return None
    found = None
    if isinstance(link, str):
        found = re.search(r"[?&]cursorId=([^&#]+)", link)
    if found is None:
        raise ValueError("an address with a cursor is expected")
    return unquote(found[1])


_NextCursor: TypeAlias = Annotated[str | None, BeforeValidator(_cursor_in)]


class _RespondIoV2Custom(ReplyModel):
    """A custom field of a contact."""

    name: str
    value: Json = None


class _RespondIoV2Contact(ReplyModel, extra="allow"):
    id: ExternalId
    custom_fields: Annotated[ListOf[_RespondIoV2Custom], NULL_AS_LIST] = ()
    tags: Annotated[TagNames, NULL_AS_LIST] = ()

    def remote(self) -> Remote:
        """Return the contact in the form in which the engine compares it."""
        plain = self.shown((*_PLAIN_FIELDS, _LIFECYCLE))
        custom = {field.name: field.value for field in self.custom_fields}
        fields = {**plain, **prefixed(_CUSTOM, custom)}
        return Remote(self.id, fields, frozenset(self.tags))


class _RespondIoV2Contacts(ReplyModel):
    items: ListOf[_RespondIoV2Contact]
    pagination: _NextCursor = None


class _RespondIoV2Messages(ReplyModel):
    items: list[Json]


class _RespondIoV2Channels(ReplyModel):
    items: list[Json]
    pagination: _NextCursor = None


class _RespondIoV2Written(ReplyModel):
    """The answer to a write: the contact's id, or a code of success."""

    contactId: ExternalId | None = None  # noqa: N815 - the vendor's spelling
    code: Json = None
    """The number 200, or its text."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        """Refuse an answer from which nothing follows: any object would fit."""
        if self.contactId is None and as_text(self.code) != "200":
            raise ValueError("it tells neither the contact nor a success")
        return self


class _RespondIoV2Upserted(ReplyModel):
    """The answer to an upsert: the contact's id, or an empty object."""

    contactId: ExternalId | None = None  # noqa: N815 - the vendor's spelling

    @model_validator(mode="before")
    @classmethod
    def _empty_or_written(cls, body: Json) -> Json:
        """Check all but an empty object as the answer to any other write."""
        if body == {}:
            return body
        return _RespondIoV2Written.model_validate(body).model_dump()


class RespondIoV2:
    """Adapter for respond.io v2; it lists, merges and describes contacts too.

    See ``Vendor``, ``Directory``, ``Merger``, ``DetailReader``, ``SimilarPhoneFinder``
    and ``RequestCosts`` in ``syncengine.vendor``.
    """

    name = "respond_io_v2"

    def __init__(self, settings: RespondIoV2Settings) -> None:
        self._headers = {
            "accept": "application/json",
            "authorization": f"Bearer {settings.token.get_secret_value()}",
        }
        self._tags_as = settings.tags_as
        self._tries_usual_spellings = settings.look_up_phones == "usual"
        self._clears = settings.clear_with != "nothing"
        self._cleared_value = "" if settings.clear_with == "empty" else None
        self.capabilities = self._capabilities(settings)

    def _capabilities(self, settings: RespondIoV2Settings) -> Capabilities:
        custom = f"{_CUSTOM}*"
        fields = (custom, *_PLAIN_FIELDS)
        upsert_clears: tuple[str, ...] = ()
        update_clears: tuple[str, ...] = ()
        if self._clears:
            # An upsert goes by a phone or an e-mail address, so that it clears neither.
            upsert_clears = (custom, *_OPTIONAL)
            update_clears = (*upsert_clears, *_KEYS)
        return Capabilities(
            upsert=Write(
                fields,
                clears=upsert_clears,
                must_carry=(_FIRST_NAME,),
                repeatable=True,
                keyed_by=_KEYS,
            ),
            update=Write(
                fields,
                clears=update_clears,
                must_carry=(_FIRST_NAME,) if settings.first_name_in_updates else (),
                repeatable=True,
            ),
            set_lifecycle=Write(
                (_LIFECYCLE,), clears=(_LIFECYCLE,), max_fields=1, repeatable=True
            ),
            add_tags=TagCall(_MAX_TAGS),
            remove_tags=TagCall(_MAX_TAGS),
            delete=Deletion(),
            find_by=(*_KEYS, custom),
            respelled=("phone",) if self._tries_usual_spellings else (),
            merges=True,
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        request = self._list_request(_ALL_CONTACTS, None, limit=1)
        return probe_with(request, _ADDRESS_OR_TOKEN, _RespondIoV2Contacts, _judge)

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if self._is_respelled(key):
            spellings = usual_spellings(key.value, key.region)
            asking = self._with_any(key, spellings, self._is_hit)
            hits = yield from none_if_refused(asking)
            if hits is not None:
                return hits
            # The vendor refuses the filter for an odd spelling: the common ones follow.
        return (yield from self._with_any(key, _spellings(key), self._is_hit))

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if not self._is_respelled(key):
            return ()
        whole = usual_spellings(key.value, None)
        bare = tuple(spelling.removeprefix("+") for spelling in whole)
        # Without their country code, whether or not the key's region is configured.
        local = local_spellings(key.value)
        spellings = (*whole, *bare, *local)
        asking = self._with_any(key, spellings, _resembles)
        hits = yield from none_if_refused(asking)
        return hits or ()

    def look_up_cost(self, key: MatchKey) -> Cost:
        if self._is_respelled(key):
            # Where the vendor refuses odd spellings, the common ones take a second.
            return Cost(1, 1, 2)
        return exactly(1)

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002
        return 0

    def page(self, cursor: str | None) -> Exchange[Page]:
        return self._read_page(_ALL_CONTACTS, cursor, sent=())

    def read(self, external_id: str) -> Exchange[Remote | None]:
        return self._read_one(MatchKey("id", external_id))

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        """Return a contact's channels and newest messages; nothing if it is gone."""
        contact = MatchKey("id", external_id)
        channels = yield from self._channels(contact)
        if channels is None:
            return {}
        request = self._on_contact("GET", contact, tail="/message/list")
        reply = yield from look_up(request, _TOKEN_REFUSED, _words, (), _judge)
        if reply is None:
            return {}
        messages = parse_reply(request, reply, _RespondIoV2Messages).items
        return {"channels": channels, "messages": messages}

    def merge(self, into: str, other: str) -> Exchange[Answer]:
        """Merge two contacts: the older one is left, with the plain fields of ``into``.

        A merge takes the fields of the result. Without them the vendor would choose.
        """
        kept = yield from self.read(into)
        if kept is None:
            return Rejected(
                _NOT_FOUND,
                f"the vendor has no contact {into} to merge into; nothing was sent",
            )
        if not into.isdecimal() or not other.isdecimal():
            return Rejected(_NOT_FOUND, "this vendor's ids are numbers")
        fields = {}
        for name in _PLAIN_FIELDS:
            value = kept.fields[name]
            if value not in (None, ""):
                fields[name] = as_text(value)
        if "phone" in fields:
            # Phones may be shown without their ``+``, and are written with it.
            fields["phone"] = f"+{fields['phone'].removeprefix('+')}"
        body = {"contactIds": [int(into), int(other)], **fields}
        request = self._request("POST", "/contact/merge", body)
        return (yield from _write(request, fields.values()))

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        if call.action is Action.UPSERT:
            return self._upsert(call)
        contact = MatchKey("id", external_id_of(call))
        match call.action:
            case Action.UPDATE:
                request = self._on_contact("PUT", contact, self._body(call.fields))
            case Action.SET_LIFECYCLE:
                # Null takes the contact out of every stage.
                stage = {"name": call.fields[_LIFECYCLE] or None}
                tail = "/lifecycle/update"
                request = self._on_contact("POST", contact, stage, tail=tail)
            case Action.ADD_TAGS:
                tags = self._tags(call.add_tags)
                request = self._on_contact("POST", contact, tags, tail="/tag")
            case Action.REMOVE_TAGS:
                tags = self._tags(call.remove_tags)
                request = self._on_contact("DELETE", contact, tags, tail="/tag")
            case _:
                return self._delete(contact)
        return _write(request, tuple(sent_values(call)))

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        match field:
            case "phone":
                return same_phone(ours, theirs)
            case "email" | "language" | "countryCode":
                return as_text(ours).lower() == as_text(theirs).lower()
            case _:
                if same_text(ours, theirs):
                    return True
                return field.startswith(_CUSTOM) and same_time(ours, theirs)

    def _upsert(self, call: Call) -> Exchange[Answer]:
        """Create or update a contact by the phone or e-mail address in ``call.key``."""
        if call.key is None:
            raise ValueError("upsert needs the key it goes by")
        body = self._body(call.fields)
        under = "/contact/create_or_update"
        request = self._on_contact("POST", call.key, body, under=under)
        sent = tuple(sent_values(call))
        # A 404 is not about this contact: an upsert creates what is not there.
        answer = yield from _write(
            request, sent, not_found_code=None, model=_RespondIoV2Upserted
        )
        if not isinstance(answer, Applied) or answer.external_id:
            return answer
        return (yield from self._id_of_upserted(call.key))

    def _id_of_upserted(self, key: MatchKey) -> Exchange[Answer]:
        """Return the id of a contact whose upsert was answered with ``{}``.

        While the contact waits in the queue it is not shown (404, 449). Then the write
        counts as unknown, and a later look-up settles it.
        """
        status: int | None = 404
        try:
            remote = yield from self._read_one(key)
        except VendorUnavailable as error:
            status = error.status
        else:
            if remote is not None:
                return Applied(remote.external_id)
        raise VendorUnavailable(
            "the vendor took the contact in, but does not show its id yet "
            f"(status {status}); it is looked up again",
            maybe_applied=True,
            status=status,
        )

    def _delete(self, contact: MatchKey) -> Exchange[Answer]:
        request = self._on_contact("DELETE", contact)
        answer = yield from _write(request, sent=())
        if isinstance(answer, Rejected) and answer.code == _NOT_FOUND:
            return Applied(was_gone=True)
        if answer == Applied(contact.value):
            return Applied()
        # An answer with another id is passed on as it is: it is not about this contact.
        return answer

    def _read_one(self, key: MatchKey) -> Exchange[Remote | None]:
        """Return the contact with an id, a phone or an e-mail address."""
        request = self._on_contact("GET", key)
        reply = yield from look_up(
            request, _TOKEN_REFUSED, _words, (key.value,), _judge
        )
        if reply is None:
            return None
        return parse_reply(request, reply, _RespondIoV2Contact).remote()

    def _with_any(
        self,
        key: MatchKey,
        spellings: Iterable[str],
        is_hit: Callable[[MatchKey, Remote], bool],
    ) -> Exchange[Sequence[Remote]]:
        """Return the contacts with any of these values that are hits."""
        wanted = _equal_to_any(key, spellings)

        def read_page(cursor: str | None) -> Exchange[Page]:
            return self._read_page(wanted, cursor, sent=(key.value,))

        return collect_hits("POST /contact/list", read_page, partial(is_hit, key))

    def _read_page(
        self, wanted: Json, cursor: str | None, sent: tuple[str, ...]
    ) -> Exchange[Page]:
        """Return one page of the contacts that pass a filter.

        ``sent`` is what must not be repeated in a message.
        """
        request = self._list_request(wanted, cursor, _PER_PAGE)
        reply = yield from look_up(request, _ADDRESS_OR_TOKEN, _words, sent, _judge)
        if reply is None:
            return Page((), None)
        answer = parse_reply(request, reply, _RespondIoV2Contacts)
        contacts = tuple(contact.remote() for contact in answer.items)
        return Page(contacts, answer.pagination)

    def _channels(self, contact: MatchKey) -> Exchange[list[Json] | None]:
        """Return all pages of a contact's channels; None where there is no contact."""
        channels: list[Json] = []
        cursor: str | None = None
        seen: set[str | None] = set()
        for _ in range(MAX_PAGES):
            query: _Query = ()
            if cursor:
                query = (("cursorId", cursor),)
            request = self._on_contact("GET", contact, tail="/channels", query=query)
            reply = yield from look_up(request, _TOKEN_REFUSED, _words, (), _judge)
            if reply is None:
                return None
            answer = parse_reply(request, reply, _RespondIoV2Channels)
            channels += answer.items
            seen.add(cursor)
            cursor = answer.pagination
            if cursor is None:
                return channels
            if cursor in seen:
                break
        raise endless_pages(request.route)

    def _is_respelled(self, key: MatchKey) -> bool:
        """Return whether a key is a phone to be looked up in all its spellings."""
        is_phone = key.field == "phone" and is_full_phone(key.value)
        return is_phone and self._tries_usual_spellings

    def _is_hit(self, key: MatchKey, remote: Remote) -> bool:
        """Return whether a contact is surely that of a key."""
        theirs = as_text(remote.fields.get(key.field))
        if key.field == "phone":
            return is_phone_of(key, theirs)
        if not theirs:
            return False
        if key.field == "email":
            return self.same(key.field, key.value, theirs)
        return theirs == key.value

    def _list_request(self, wanted: Json, cursor: str | None, limit: int) -> Request:
        """Return the request for a page of the contacts that pass a filter."""
        query: _Query = (("limit", str(limit)),)
        if cursor:
            query = (*query, ("cursorId", cursor))
        # The vendor answers 400 where ``search`` or ``timezone`` is missing.
        body = {"search": "", "timezone": "UTC", "filter": wanted}
        return self._request("POST", "/contact/list", body, query)

    def _on_contact(
        self,
        method: str,
        contact: MatchKey,
        json: Json = None,
        *,
        under: str = "/contact",
        tail: str = "",
        query: _Query = (),
    ) -> Request:
        """Return a request about a contact with an id, a phone or an e-mail address.

        ``contact.field`` is ``id``, ``phone`` or ``email``; ``under`` and ``tail`` are
        the parts of the path before and behind the identifier.
        """
        if contact.field in _KEYS:
            value = _key_segment(contact)
        else:
            value = path_segment(contact.value)
        # The colon of the identifier is percent-encoded too.
        path = f"{under}/{contact.field}%3A{value}{tail}"
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
        """Return a request; its route is the path unless one is given."""
        return Request(
            method,
            path,
            route=f"{method} {route or path}",
            query=query,
            headers=self._headers,
            json=json,
            # The filter travels in a POST, which changes nothing.
            reads=path == "/contact/list",
            lists=path.endswith("/list"),
        )

    def _tags(self, tags: Iterable[str]) -> Json:
        """Return the body of a tag call."""
        if self._tags_as == "array":
            return list(tags)
        return {"tags": list(tags)}

    def _body(self, fields: Fields) -> Json:
        """Return the body of an upsert or update."""
        body: dict[str, Json] = {}
        for name, value in fields.items():
            if name.startswith(_CUSTOM):
                custom = {
                    "name": name.removeprefix(_CUSTOM),
                    "value": self._custom_value(value),
                }
                body.setdefault("custom_fields", []).append(custom)
            elif name in _PLAIN_FIELDS:
                body[name] = self._plain_value(value)
            else:
                raise ValueError(f'respond.io has no field "{name}"')
        return body

    def _custom_value(self, value: Json) -> Json:
        """Return a custom field's value: numbers and checkboxes are typed in writes."""
        if isinstance(value, bool | int | float):
            return value
        return self._plain_value(value)

    def _plain_value(self, value: Json) -> Json:
        """Return a value as it is written: text, or what clears the field."""
        if value is None or (value == "" and self._clears):
            return self._cleared_value
        return as_text(value)


def _key_segment(key: MatchKey) -> str:
    """Return a phone or an e-mail address, which may hold slashes, for a path."""
    if not fits_a_path(key.value, slashes=key.field == "email"):
        raise CannotBeSent(
            f"its {key.field} cannot be part of an address, and nothing was sent; "
            "correct the row"
        )
    return quote(key.value, safe="")


def _spellings(key: MatchKey) -> tuple[str, ...]:
    """Return a value in each common spelling that it may have.

    Phones may be stored without their ``+``, mailboxes in small letters or as names.
    """
    if key.field == "email":
        # As it is, ann.lee@acme.com, Ann.lee@acme.com and Ann.Lee@acme.com.
        mailbox = key.value.lower()
        local, at, domain = mailbox.partition("@")
        as_name = f"{local.title()}{at}{domain}"
        return key.value, mailbox, mailbox.capitalize(), as_name
    if key.field == "phone":
        return with_and_without_plus(key.value)
    return (key.value,)


def _resembles(key: MatchKey, remote: Remote) -> bool:
    """Return whether a contact may be that of a key, for a person to judge."""
    return may_be_phone_of(key, remote.fields.get(key.field))


def _equal_to_any(key: MatchKey, spellings: Iterable[str]) -> Json:
    """Return the filter of contacts whose field has one of these values."""
    condition = {
        "category": "contactField",
        "field": key.field.removeprefix(_CUSTOM),
        "operator": "isEqualTo",
    }
    unique = dict.fromkeys(spellings)
    return {"$or": [{**condition, "value": spelling} for spelling in unique]}


def _judge(request: Request, response: Response, halts: Mapping[int, str]) -> Reply:
    """Judge a response as ``judge`` does; a contact in the queue is no refusal."""
    if response.status == 449:
        raise VendorUnavailable(
            f"{request.route}: the contact still waits in the vendor's queue "
            "(status 449); it is tried again",
            maybe_applied=False,
            status=449,
        )
    return judge(request, response, halts)


def _write(
    request: Request,
    sent: Iterable[Json],
    not_found_code: str | None = _NOT_FOUND,
    model: type[_RespondIoV2Written | _RespondIoV2Upserted] = _RespondIoV2Written,
) -> Exchange[Answer]:
    """Send a write and return its answer.

    ``sent`` is what must not be repeated in a message, ``not_found_code`` the code of a
    404 (None: none of its own), ``model`` the shape of a success.
    """
    response = yield request
    reply = _judge(request, response, _TOKEN_REFUSED)
    if not reply.ok:
        code = not_found_code if reply.not_found else None
        return rejection(request, reply, _words(reply.body), sent, code)
    return Applied(parse_reply(request, reply, model).contactId)


def _words(body: Json) -> str:
    """Return the message of a refusal."""
    if isinstance(body, Mapping):
        return as_text(body.get("message"))
    return ""


VENDOR = VendorSpec(
    name="respond_io_v2",
    api_version=1,
    settings=RespondIoV2Settings,
    build=RespondIoV2,
    version=1,
    # The usual figure; it is counted over all workspaces of an organisation, together
    # with its other integrations. The headers of each answer tell the true one.
    limits=(
        Limit(calls=5, per=1.0, method="GET"),
        Limit(calls=5, per=1.0, method="POST"),
        Limit(calls=5, per=1.0, method="PUT"),
        Limit(calls=5, per=1.0, method="DELETE"),
    ),
    address="https://api.respond.io/v2",
    usual_fields=(
        "custom_fields.crm_id",
        "firstName",
        "lastName",
        "phone",
        "email",
        "language",
        "countryCode",
    ),
    twin="syncengine.sandbox.twins.respond_io_v2:TWIN",
)
