"""Whautomate (also sold as WhautoChat, Wapiio and DMLY).

    GET     /v1/locations                      the account's locations; tries the key
    GET     /v1/contacts                       loose search, in pages
    POST    /v1/contacts                       create
    GET     /v1/contacts/{id}                  read
    PUT     /v1/contacts/{id}                  replace the whole contact
    DELETE  /v1/contacts/{id}                  delete
    POST    /v1/contacts/{id}/tags/add         add tags
    POST    /v1/contacts/{id}/tags/remove      remove tags
    GET, POST /v1/contactTags                  the account's tags

Traps:

- An update replaces the contact, and what it leaves out is lost. So it is read first,
  changed, and written whole. What somebody else writes in between is lost.
- Adding a tag sets off automations, which send messages to people.
- No exact look-up: ``searchText`` is a loose search, and hits are judged here.
- Lists are bare arrays in pages, without a total or a next page. The vendor may give
  fewer rows than asked for.
- The effect of a create whose phone exists is not documented.
- The API is behind Amazon's API Gateway: a wrong key is a 403, an unknown path too, and
  a 504 after 29 seconds says nothing about the write.
- There is no e-mail field, and one field for the whole name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import Field

from syncengine.vendor import (
    Action,
    Answer,
    Applied,
    Call,
    Capabilities,
    Choice,
    Cost,
    Deletion,
    Exchange,
    Exists,
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
    Secret,
    TagCall,
    Unsupported,
    VendorHalted,
    VendorSettings,
    VendorSpec,
    Write,
    as_text,
    check_call,
    collect_hits,
    digits,
    external_id_of,
    failed_look_up,
    fields_lost,
    fields_not_taken,
    is_full_phone,
    is_phone_of,
    may_be_phone_of,
    message_in,
    national_digits,
    no_request,
    none_if_refused,
    parse_reply,
    path_segment,
    phone_spellings,
    prefixed,
    rejected_other_id,
    rejection,
    same_phone,
    same_text,
    same_time,
    send_through_api_gateway,
    sent_values,
    storable_tags,
    tags_not_removed,
    tags_not_taken,
)

_CUSTOM = "customFields."
"""Prefix of custom fields in a mapping, such as ``customFields.plan``."""
_NAME = "name"
_PHONE = "phoneNumber"
_NOTES = "notes"
_PLAIN_FIELDS = (_NAME, _PHONE, "stage", _NOTES)
"""The fields that every contact has."""
_WRITABLE = ("location", "workspaceId", *_PLAIN_FIELDS, "customFields", "tags")
"""The parts of a contact that an update has to write back."""
_CONTACTS = "/v1/contacts"
_TAGS = "/v1/contactTags"
_LOCATIONS = "/v1/locations"
_STAGES = Choice(
    "stage",
    (
        "Subscriber",
        "Lead",
        "Marketing qualified lead (MQL)",
        "Sales qualified lead (SQL)",
        "Opportunity",
        "Customer",
        "Evangelist",
        "Other",
    ),
)
_TAG_CAUTION = (
    "Adding a tag sets off the automations that wait for it, and a new contact may "
    "too: they send messages to people."
)
_UPDATE_CAUTION = (
    "An update reads, changes and replaces the whole contact: what somebody else "
    "writes in between is lost."
)
_Query: TypeAlias = tuple[tuple[str, str], ...]
"""Parameters of a query: names and plain values."""


class WhautomateSettings(VendorSettings):
    """``base_url`` is the host of the account's region, without ``/v1``."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"channel"})

    api_key: Secret
    location_id: Annotated[
        str, Field(min_length=1, examples=["5f00aa11bb22cc33dd44ee55"])
    ]
    """Location at which contacts are created and looked up."""
    location_as: Literal["locationId", "workspaceId"] = "locationId"
    """Name of the location in a search. WhautoChat and DMLY call it ``workspaceId``,
    and take it at the top of a create."""
    channel: str | None = None
    """Channel of the contacts that are looked up; all channels where it is not
    given."""
    tagged: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Tags of which a contact must have one to be looked up; none are needed if
    empty."""
    found_by: Annotated[tuple[str, ...], Field(min_length=1)] = (_PHONE,)
    """Fields that the text search looks through; which they are is not documented."""
    duplicate_phone: Literal["made", "refused", "returned"] = "made"
    """Effect of a create whose phone exists: a second contact, a 409, or nothing at
    all; not documented."""
    clear_with: Literal["omit", "empty", "null", "nothing"] = "omit"
    """Value that clears a field; not documented. ``omit`` leaves a custom field out and
    empties the notes."""
    tags_told: Literal["all", "changed"] = "all"
    """Tags that the answer to a tag call lists; not documented."""
    page_size: Annotated[int, Field(ge=10)] = 100
    """Contacts to ask for at once; the vendor may give fewer."""
    smallest_page: Annotated[int, Field(ge=1)] = 5
    """Size under which a page is the last one: the vendor does not give fewer at once
    where there are more."""


class _WhautomateRow(ReplyModel, extra="allow"):
    """A contact, a tag or a location."""

    id: ExternalId
    tags: Annotated[list[str], Field(fail_fast=True)] | None = None
    custom: dict[str, Json] | None = Field(default=None, alias="customFields")

    def remote(self) -> Remote:
        """Return the contact in the form in which the engine compares it."""
        plain = self.shown(_PLAIN_FIELDS)
        custom = prefixed(_CUSTOM, self.custom or {})
        tags = frozenset(storable_tags(self.tags or ()))
        return Remote(self.id, {**plain, **custom}, tags)

    def writable(self) -> dict[str, Json]:
        """Return the parts that an update writes back, as the vendor showed them."""
        raw = self.model_dump(by_alias=True, exclude_unset=True)
        return {name: raw[name] for name in _WRITABLE if raw.get(name) is not None}


class _WhautomateRows(ReplyModel):
    """One page of a list. The answer is a bare array: ``_read_page`` names it."""

    rows: ListOf[_WhautomateRow]


class _WhautomateDeleted(ReplyModel):
    """The answer to a deletion that was carried out."""

    success: Literal[True]


class _PageCursor(NamedTuple):
    """The cursor of a list: the page to read, and what the one before it showed.

    As text it is the three with spaces between, such as ``2 100 5f00aa11bb22``.
    """

    number: int = 1
    rows_before: int = 0
    """Number of rows on the page before."""
    first_before: str = ""
    """Id of the first row on the page before."""

    @classmethod
    def parse(cls, cursor: str | None) -> _PageCursor:
        """Return the cursor in a text; that of the first page for None."""
        if cursor is None or cursor == "":
            return cls()
        number, rows, first = cursor.split(" ", 2)
        return cls(int(number), int(rows), first)

    def after(self, rows: Sequence[_WhautomateRow]) -> str:
        """Return the cursor of the page that follows one with these rows, as text."""
        next_number = self.number + 1
        return f"{next_number} {len(rows)} {rows[0].id}"


class Whautomate:
    """Adapter for Whautomate; it lists and describes contacts too.

    See ``Vendor``, ``Directory``, ``DetailReader``, ``SimilarPhoneFinder``
    and ``RequestCosts`` in ``syncengine.vendor``.
    """

    name = "whautomate"

    def __init__(self, settings: WhautomateSettings) -> None:
        self._settings = settings
        self._headers = {
            "accept": "application/json",
            "x-api-key": settings.api_key.get_secret_value(),
        }
        if settings.location_as == "workspaceId":
            self._location: Json = {"workspaceId": settings.location_id}
        else:
            self._location = {"location": {"id": settings.location_id}}
        self._search_query = _search_query(settings)
        self.capabilities = self._capabilities(settings)

    def _capabilities(self, settings: WhautomateSettings) -> Capabilities:
        fields = (f"{_CUSTOM}*", *_PLAIN_FIELDS)
        makes_duplicates = settings.duplicate_phone == "made"
        # Name, phone and stage cannot be empty at this vendor.
        clears: tuple[str, ...] = ()
        if settings.clear_with != "nothing":
            clears = (f"{_CUSTOM}*", _NOTES)
        return Capabilities(
            create=Write(
                fields,
                must_carry=(_NAME, _PHONE),
                add_tags=None,
                repeatable=not makes_duplicates,
                keyed_by=() if makes_duplicates else (_PHONE,),
                tells_existing=settings.duplicate_phone != "returned",
            ),
            update=Write(fields, clears, requests=2, repeatable=True),
            add_tags=TagCall(),
            remove_tags=TagCall(),
            delete=Deletion(),
            find_by=settings.found_by,
            respelled=(_PHONE,),
            choices=(_STAGES,),
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
            cautions=(_TAG_CAUTION, _UPDATE_CAUTION),
        )

    def probe(self) -> Exchange[bool]:
        setting = "settings.location_id"

        def is_ours(location: Remote) -> bool:
            return location.external_id == self._settings.location_id

        locations = yield from self._rows_that(is_ours, _LOCATIONS)
        if not locations:
            raise VendorHalted(
                f"GET {_LOCATIONS}: the account has no such location; check {setting}",
                setting=setting,
            )
        return True

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        return self._search(key, self._is_hit)

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if key.field != _PHONE or not is_full_phone(key.value):
            return no_request(())
        return self._search(key, _resembles)

    def look_up_cost(self, key: MatchKey) -> Cost:  # noqa: ARG002
        return Cost(1, 1, 2)  # a page that holds something may be followed by another

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002
        return 0

    def read(self, external_id: str) -> Exchange[Remote | None]:
        contact = yield from self._read(external_id)
        if contact is None:
            return None
        return contact.remote()

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        contact = yield from self._read(external_id)
        if contact is None:
            return {}
        more = contact.model_extra or {}
        return {
            name: value for name, value in more.items() if name not in _PLAIN_FIELDS
        }

    def page(self, cursor: str | None) -> Exchange[Page]:
        return self._read_page(_CONTACTS, self._search_query, cursor)

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        match call.action:
            case Action.CREATE:
                return self._create(call)
            case Action.UPDATE:
                return self._update(call)
            case Action.DELETE:
                return self._delete(call)
            case _:
                return self._change_tags(call)

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        if field == _PHONE:
            return same_phone(ours, theirs)
        if field == _STAGES.field:
            return as_text(_STAGES.value(ours)) == as_text(_STAGES.value(theirs))
        if same_text(ours, theirs):
            return True
        return field.startswith(_CUSTOM) and same_time(ours, theirs)

    def _search(
        self, key: MatchKey, is_hit: Callable[[MatchKey, Remote], bool]
    ) -> Exchange[Sequence[Remote]]:
        """Return the hits among all rows that the text search finds."""
        words = key.value
        if key.field == _PHONE:
            words = _shared_digits(key.value) or key.value
        query = (*self._search_query, ("searchText", words))
        return self._rows_that(lambda row: is_hit(key, row), _CONTACTS, query)

    def _is_hit(self, key: MatchKey, row: Remote) -> bool:
        """Return whether a row is surely the contact of a key."""
        theirs = row.fields.get(key.field)
        if key.field == _PHONE:
            return is_phone_of(key, theirs)
        return self.same(key.field, key.value, theirs)

    def _read(self, contact: str) -> Exchange[_WhautomateRow | None]:
        """Return the contact with an id; None where there is none."""
        request = self._on_contact("GET", contact)
        reply = yield from _send(request)
        if reply.not_found:
            return None
        if not reply.ok:
            raise failed_look_up(request, reply, _words(reply.body), ())
        return parse_reply(request, reply, _WhautomateRow)

    def _rows_that(
        self, is_wanted: Callable[[Remote], bool], path: str, query: _Query = ()
    ) -> Exchange[Sequence[Remote]]:
        """Return the rows of a list that are wanted, from all of its pages."""

        def read_page(cursor: str | None) -> Exchange[Page]:
            return self._read_page(path, query, cursor)

        return collect_hits(f"GET {path}", read_page, is_wanted)

    def _read_page(
        self, path: str, query: _Query, cursor: str | None
    ) -> Exchange[Page]:
        """Return one page of a list, and the cursor of the next.

        Nothing in an answer tells whether it is the last. It is if the page is nearly
        empty, shorter than the one before, or begins like it (a vendor that ignores
        ``page`` would answer the first one for ever).
        """
        place = _PageCursor.parse(cursor)
        size = ("limit", str(self._settings.page_size))
        page = ("page", str(place.number))
        query = (*query, size, page)
        request = self._request("GET", path, query=query, lists=True)
        reply = yield from _send(request)
        if not reply.ok:
            sent = dict(query).values()
            raise failed_look_up(request, reply, _words(reply.body), sent)
        # The answer is a bare array.
        answer = replace(reply, body={"rows": reply.body})
        rows = parse_reply(request, answer, _WhautomateRows).rows
        remotes = tuple(row.remote() for row in rows)
        # The vendor may cap ``limit``: a page is short only beside the one before it.
        is_short = len(rows) < max(place.rows_before, self._settings.smallest_page)
        if not rows or is_short or rows[0].id == place.first_before:
            return Page(remotes, None)
        return Page(remotes, place.after(rows))

    def _create(self, call: Call) -> Exchange[Answer]:
        body = self._with_changes(self._location, call.fields)
        body["tags"] = list(call.add_tags)
        request = self._request("POST", _CONTACTS, json=body)
        reply = yield from self._send_defining_tags(request, call.add_tags)
        # A contact has the phone already. The vendor does not say which.
        if reply.status == 409:
            holders = yield from self._holders_of_phone(call)
            if holders is not None and len(holders) == 1:
                return Exists(holders[0])
            if holders is not None and len(holders) == 0:
                # Whoever had the phone has let go of it in the meantime.
                reply = yield from _send(request)
        if not reply.ok:
            return _rejection(request, reply, call)
        return self._created(call, parse_reply(request, reply, _WhautomateRow))

    def _holders_of_phone(self, call: Call) -> Exchange[Sequence[Remote] | None]:
        """Return the contacts with a create's phone; None if that cannot be told."""
        region = None
        if call.key and call.key.field == _PHONE:
            region = call.key.region
        phone = MatchKey(_PHONE, as_text(call.fields[_PHONE]), region)
        return none_if_refused(self.find(phone))

    def _created(self, call: Call, contact: _WhautomateRow) -> Answer:
        """Return the answer to a create that the vendor reports as a success.

        A create whose phone exists may be answered with the contact that has it, and
        nothing was written then. Its values give it away.
        """
        shown = contact.remote()
        for name, value in shown.fields.items():
            is_comparable = name in call.fields and value not in (None, "")
            if is_comparable and not self.same(name, call.fields[name], value):
                return Exists(shown)
        dropped = self._dropped(call.fields, {}, call.add_tags, contact)
        if dropped and self._settings.duplicate_phone == "returned":
            return Exists(shown)
        return Applied(contact.id, dropped)

    def _update(self, call: Call) -> Exchange[Answer]:
        external_id = external_id_of(call)
        request = self._on_contact("GET", external_id)
        contact = yield from _contact_or_rejection(request, call)
        if isinstance(contact, Rejected):
            return contact
        if contact.id != external_id:
            # The values that it shows would be written over the contact in the path.
            return rejected_other_id(external_id, contact.id)
        before = {
            name: value
            for name, value in contact.remote().fields.items()
            if value not in (None, "")
        }
        if self._is_in_step(call.fields, before):
            # Somebody else wrote it: a replacement of the contact is spared.
            return Applied(contact.id)
        # The location goes first: a contact that shows its own keeps it.
        body = self._with_changes({**self._location, **contact.writable()}, call.fields)
        request = self._on_contact("PUT", external_id, json=body)
        after = yield from _contact_or_rejection(request, call)
        if isinstance(after, Rejected):
            return after
        tags = storable_tags(contact.tags or ())
        return Applied(after.id, self._dropped(call.fields, before, tags, after))

    def _is_in_step(self, wanted: Fields, there: Fields) -> bool:
        """Return whether a contact has all wanted values."""
        return all(
            self.same(name, value, there.get(name)) for name, value in wanted.items()
        )

    def _delete(self, call: Call) -> Exchange[Answer]:
        request = self._on_contact("DELETE", external_id_of(call))
        reply = yield from _send(request)
        if reply.not_found:
            return Applied(was_gone=True)
        says_no = isinstance(reply.body, Mapping) and reply.body.get("success") is False
        if not reply.ok or says_no:
            return _rejection(request, reply, call)
        parse_reply(request, reply, _WhautomateDeleted)
        return Applied()

    def _change_tags(self, call: Call) -> Exchange[Answer]:
        tail = "/tags/add" if call.action is Action.ADD_TAGS else "/tags/remove"
        # The documentation shows no body; public clients send this one.
        body = {"tags": [*call.add_tags, *call.remove_tags]}
        request = self._on_contact("POST", external_id_of(call), tail, body)
        reply = yield from self._send_defining_tags(request, call.add_tags)
        if not reply.ok:
            return _rejection(request, reply, call)
        contact = parse_reply(request, reply, _WhautomateRow)
        # A list of the changed tags alone says nothing about the others.
        if contact.tags is None or self._settings.tags_told != "all":
            return Applied(contact.id)
        missing = tags_not_taken(call.add_tags, contact.tags)
        left = tags_not_removed(call.remove_tags, contact.tags)
        return Applied(contact.id, (*missing, *left))

    def _send_defining_tags(
        self, request: Request, tags: Sequence[str]
    ) -> Exchange[Reply]:
        """Send a call with tags; if it is refused, define missing ones and send again.

        Whether a tag has to be defined before is not documented. The first attempt
        leaves it out: it would cost each call a request.
        """
        reply = yield from _send(request)
        if not tags or reply.status not in (400, 422):
            return reply
        defined = yield from none_if_refused(self._rows_that(lambda _: True, _TAGS))
        # Without the list of tags none is known to be missing.
        known = tags if defined is None else [tag.fields.get("name") for tag in defined]
        missing = sorted(set(tags) - set(known))
        if not missing:
            return reply  # the tags are not why it was refused
        for tag in missing:
            yield from _send(self._request("POST", _TAGS, json={"name": tag}))
        return (yield from _send(request))

    def _with_changes(
        self, contact: Mapping[str, Json], changes: Fields
    ) -> dict[str, Json]:
        """Return the body of a write: a contact with some fields changed."""
        clear_with = self._settings.clear_with
        body = dict(contact)
        custom = dict(contact.get("customFields") or {})
        for name, value in changes.items():
            if name in _PLAIN_FIELDS:
                body[name] = self._plain_value(name, value)
                continue
            if value is None and clear_with == "empty":
                value = ""  # noqa: PLW2901 - the same in the vendor's form
            custom[name.removeprefix(_CUSTOM)] = value
        if clear_with == "omit":
            # Custom fields are replaced as a whole: what is left out is cleared.
            custom = {
                name: value for name, value in custom.items() if value is not None
            }
        body["customFields"] = custom
        return body

    def _plain_value(self, name: str, value: Json) -> Json:
        """Return the value of a plain field as it is written."""
        if name == _STAGES.field:
            return _STAGES.value(value)
        if value is None and self._settings.clear_with == "null":
            return None
        return as_text(value)

    def _dropped(
        self, sent: Fields, before: Fields, tags: Iterable[str], after: _WhautomateRow
    ) -> tuple[Unsupported, ...]:
        """Return the values that the vendor did not take, or lost, by its answer."""
        shown = after.remote().fields
        if shown[_NAME] is None:
            # It shows no contact, so that nothing follows from what it leaves out.
            return ()
        untouched = {name: value for name, value in before.items() if name not in sent}
        return (
            *fields_not_taken(sent, shown, self.same),
            *fields_lost(untouched, shown),
            *tags_not_taken(tags, after.tags or ()),
        )

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: _Query = (),
        json: Json = None,
        lists: bool = False,
    ) -> Request:
        """Return a request whose path names no contact."""
        return Request(
            method,
            path,
            route=f"{method} {path}",
            query=query,
            headers=self._headers,
            json=json,
            lists=lists,
        )

    def _on_contact(
        self, method: str, contact: str, tail: str = "", json: Json = None
    ) -> Request:
        """Return a request about the contact with an id."""
        return Request(
            method,
            path=f"{_CONTACTS}/{path_segment(contact)}{tail}",
            route=f"{method} {_CONTACTS}/{{id}}{tail}",
            headers=self._headers,
            json=json,
        )


def _send(request: Request) -> Exchange[Reply]:
    """Send a request and return its reply."""
    return send_through_api_gateway(request, "settings.api_key")


def _resembles(key: MatchKey, row: Remote) -> bool:
    """Return whether a row may be the contact of a key, for a person to judge."""
    return may_be_phone_of(key, row.fields.get(_PHONE))


def _shared_digits(phone: str) -> str:
    """Return the digits of a phone to search for: those at the end of all spellings.

    A search finds texts that contain them. So they must be in the number with and
    without its country code, and in the one by which WhatsApp may know it.
    """
    spellings = phone_spellings(phone)
    if is_full_phone(phone):
        spellings = tuple(national_digits(spelling) for spelling in spellings)
    shared = digits(spellings[0])
    for spelling in spellings[1:]:
        # Every text ends with the empty one, so that this ends at the latest there.
        while not digits(spelling).endswith(shared):
            shared = shared[1:]
    return shared


def _search_query(settings: WhautomateSettings) -> _Query:
    """Return the parameters that narrow every search."""
    query: list[tuple[str, str]] = [(settings.location_as, settings.location_id)]
    if settings.channel:
        query.append(("channel", settings.channel))
    if settings.tagged:
        query.append(("tags", ",".join(settings.tagged)))
    return tuple(query)


def _contact_or_rejection(
    request: Request, call: Call
) -> Exchange[_WhautomateRow | Rejected]:
    """Send a request and return the contact in its reply, or the refusal of it."""
    reply = yield from _send(request)
    if not reply.ok:
        return _rejection(request, reply, call)
    return parse_reply(request, reply, _WhautomateRow)


def _words(body: Json) -> str:
    """Return the message of a refusal."""
    return message_in(body, "message", "error")


def _rejection(request: Request, reply: Reply, call: Call) -> Rejected:
    """Return the vendor's refusal of a call."""
    is_gone = reply.not_found and call.external_id is not None
    code = "not_found" if is_gone else None
    return rejection(request, reply, _words(reply.body), sent_values(call), code)


VENDOR = VendorSpec(
    name="whautomate",
    api_version=1,
    settings=WhautomateSettings,
    build=Whautomate,
    version=1,
    # The vendor's own figure could not be found; its sister products allow 100 a minute
    # (144,000 a day) an account.
    limits=(Limit(calls=90, per=60.0),),
    identity=("location_id",),
    address="https://api.whautomate.com",
    usual_fields=("name", "phoneNumber"),
    twin="syncengine.sandbox.twins.whautomate:TWIN",
)
