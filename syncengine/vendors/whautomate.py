"""Whautomate (also sold as WhautoChat and Wapiio): tags that set off automations, and a full-replace update.

An update is read, changed and written, so that what others put there stays. A loose search finds; hits are judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from syncengine.errors import VendorHalted
from syncengine.model.calls import (
    Action,
    Answer,
    Applied,
    Call,
    Exists,
    Rejected,
    Unsupported,
    rejected_other_id,
)
from syncengine.model.capabilities import Capabilities, Choice, Deletion, TagCall, Write
from syncengine.model.contact import Fields, MatchKey, Page, Remote
from syncengine.model.costs import Cost
from syncengine.model.http import Exchange, Json, Request
from syncengine.model.limits import Limit
from syncengine.model.phones import E164, national_digits
from syncengine.vendors.kit import (
    Id,
    Many,
    Reply,
    Secret,
    Shape,
    VendorSettings,
    check,
    digits,
    every_hit,
    external_id,
    fields_lost,
    fields_not_taken,
    if_allowed,
    is_phone_of,
    may_be_phone_of,
    nothing,
    phone_spellings,
    readable,
    refused,
    refused_look_up,
    same_phone,
    same_text,
    same_time,
    segment,
    sent_values,
    shaped,
    tags_not_removed,
    tags_not_taken,
    text,
    through_gateway,
)

_CUSTOM = "customFields."
_PHONE = "phoneNumber"
_NEEDED = ("name", _PHONE)
_PLAIN = (*_NEEDED, "stage", "notes")
_WRITABLE = ("location", "workspaceId", *_PLAIN, "customFields", "tags")
_CONTACTS = "/v1/contacts"
_TAGS = "/v1/contactTags"
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
_KEY = "settings.api_key"
_Query: TypeAlias = tuple[tuple[str, str], ...]


class Settings(VendorSettings):
    """``base_url`` is the host of the account's region, without ``/v1``."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"channel"})

    api_key: Secret
    location_id: Annotated[str, Field(min_length=1)]
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


SETTINGS = Settings
LIMITS = (Limit(calls=90, per=60.0),)
"""The vendor's own figure could not be found; its sister products allow 100 a minute
(144,000 a day) an account."""
IDENTITY = ("location_id",)
VERSION = 1


def build(settings: Settings) -> Whautomate:
    return Whautomate(settings)


class _Row(Shape, extra="allow"):
    """A contact, a tag or a location."""

    id: Id
    tags: Annotated[list[str], Field(fail_fast=True)] | None = None
    custom: dict[str, Json] | None = Field(default=None, alias="customFields")

    def remote(self) -> Remote:
        custom = {
            f"{_CUSTOM}{name}": value for name, value in (self.custom or {}).items()
        }
        plain = {name: (self.model_extra or {}).get(name) for name in _PLAIN}
        return Remote(
            self.id, {**plain, **custom}, frozenset(readable(self.tags or ()))
        )


class _Listed(Shape):
    rows: Many[_Row]


class _Deleted(Shape):
    success: Literal[True]


class Whautomate:
    """See ``ports.Vendor``, ``ports.Directory`` and ``ports.Teller``."""

    name = "whautomate"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = {
            "accept": "application/json",
            "x-api-key": settings.api_key.get_secret_value(),
        }
        place = settings.location_id
        by_workspace = settings.location_as == "workspaceId"
        self._location: Json = (
            {"workspaceId": place} if by_workspace else {"location": {"id": place}}
        )
        self._here = _narrowed(settings)
        fields = (f"{_CUSTOM}*", *_PLAIN)
        keys = () if settings.duplicate_phone == "made" else (_PHONE,)
        clears = () if settings.clear_with == "nothing" else (f"{_CUSTOM}*", "notes")
        tells = settings.duplicate_phone != "returned"
        self.capabilities = Capabilities(
            create=Write(
                fields,
                (),
                _NEEDED,
                add_tags=None,
                repeatable=bool(keys),
                keyed_by=keys,
                tells_existing=tells,
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
            cautions=_CAUTIONS,
        )

    def probe(self) -> Exchange[bool]:
        path, wanted, setting = (
            "/v1/locations",
            self._settings.location_id,
            "settings.location_id",
        )
        if not (
            yield from self._all(path, lambda location: location.external_id == wanted)
        ):
            raise VendorHalted(
                f"GET {path}: the account has no such location; check {setting}",
                setting=setting,
            )
        return True

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        return self._searched(key, self._is_hit)

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if key.field != _PHONE or not E164.fullmatch(key.value):
            return nothing(())
        return self._searched(
            key, lambda key, row: may_be_phone_of(key, row.fields.get(_PHONE))
        )

    def _searched(
        self, key: MatchKey, is_hit: Callable[[MatchKey, Remote], bool]
    ) -> Exchange[Sequence[Remote]]:
        sought = (_shared_digits(key.value) if key.field == _PHONE else "") or key.value
        query = (*self._here, ("searchText", sought))
        return self._all(_CONTACTS, lambda row: is_hit(key, row), query)

    def _is_hit(self, key: MatchKey, row: Remote) -> bool:
        theirs = row.fields.get(key.field)
        return (
            is_phone_of(key, theirs)
            if key.field == _PHONE
            else self.same(key.field, key.value, theirs)
        )

    def look_up_cost(self, key: MatchKey) -> Cost:  # noqa: ARG002 - the port's
        return Cost(1, 1, 2)  # a page that holds something may be followed by another

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002 - the port's
        return 0

    def read(self, external_id: str) -> Exchange[Remote | None]:
        contact = yield from self._read(external_id)
        return contact.remote() if contact else None

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        contact = yield from self._read(external_id)
        more = contact.model_extra or {} if contact else {}
        return {name: value for name, value in more.items() if name not in _PLAIN}

    def page(self, cursor: str | None) -> Exchange[Page]:
        return self._page(_CONTACTS, self._here, cursor)

    def send(self, call: Call) -> Exchange[Answer]:
        check(call, self.capabilities)
        does = {
            Action.CREATE: self._create,
            Action.UPDATE: self._update,
            Action.DELETE: self._delete,
        }
        return does.get(call.action, self._tag)(call)

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        if field == _PHONE:
            return same_phone(ours, theirs)
        if field == _STAGES.field:
            return text(_STAGES.value(ours)) == text(_STAGES.value(theirs))
        return same_text(ours, theirs) or (
            field.startswith(_CUSTOM) and same_time(ours, theirs)
        )

    def _read(self, contact: str) -> Exchange[_Row | None]:
        request = self._on_contact("GET", contact)
        reply = yield from through_gateway(request, _KEY)
        if reply.not_there or reply.ok:
            return shaped(request, reply, _Row) if reply.ok else None
        raise refused_look_up(request, reply, _words(reply.body), ())

    def _all(
        self, path: str, wanted: Callable[[Remote], bool], query: _Query = ()
    ) -> Exchange[Sequence[Remote]]:
        return every_hit(
            f"GET {path}", lambda cursor: self._page(path, query, cursor), wanted
        )

    def _page(self, path: str, query: _Query, cursor: str | None) -> Exchange[Page]:
        """Return one page, and the cursor of the next.

        The last page is a nearly empty one, one shorter than the one before, or one
        that begins like it.
        """
        number, before, first = cursor.split(" ", 2) if cursor else ("1", "0", "")
        paging = (("limit", str(self._settings.page_size)), ("page", number))
        request = replace(
            self._request("GET", path, query=(*query, *paging)), lists=True
        )
        reply = yield from through_gateway(request, _KEY)
        if not reply.ok:
            raise refused_look_up(
                request, reply, _words(reply.body), (value for _, value in query)
            )
        rows = shaped(request, replace(reply, body={"rows": reply.body}), _Listed).rows
        short = len(rows) < max(int(before), self._settings.smallest_page)
        over = not rows or short or rows[0].id == first
        following = None if over else f"{int(number) + 1} {len(rows)} {rows[0].id}"
        return Page(tuple(row.remote() for row in rows), following)

    def _create(self, call: Call) -> Exchange[Answer]:
        body = self._changed(self._location, call.fields)
        request = self._request(
            "POST", _CONTACTS, json={**body, "tags": list(call.add_tags)}
        )
        reply = yield from self._with_tags(request, call.add_tags)
        if reply.status == 409:
            region = call.key.region if call.key and call.key.field == _PHONE else None
            phone = MatchKey(_PHONE, text(call.fields[_PHONE]), region)
            hits = yield from if_allowed(self.find(phone))
            if hits and len(hits) == 1:
                return Exists(hits[0])
            if hits == ():  # who had the phone has let go of it
                reply = yield from through_gateway(request, _KEY)
        if not reply.ok:
            return _refused(request, reply, call)
        made = shaped(request, reply, _Row)
        shown = made.remote()
        held = {
            name: value
            for name, value in shown.fields.items()
            if name in call.fields and value not in (None, "")
        }
        # Another value than was sent belongs to a contact that was there before.
        anothers = not all(
            self.same(name, call.fields[name], value) for name, value in held.items()
        )
        dropped = self._dropped(call.fields, {}, call.add_tags, made)
        returned = bool(dropped) and self._settings.duplicate_phone == "returned"
        return Exists(shown) if anothers or returned else Applied(made.id, dropped)

    def _update(self, call: Call) -> Exchange[Answer]:
        contact = external_id(call)
        held = yield from _answered(self._on_contact("GET", contact), call)
        if isinstance(held, Rejected):
            return held
        if (
            held.id != contact
        ):  # what it shows would be written over the contact that was asked for
            return rejected_other_id(contact, held.id)
        before = {
            name: value
            for name, value in held.remote().fields.items()
            if value not in (None, "")
        }
        if all(
            self.same(name, value, before.get(name))
            for name, value in call.fields.items()
        ):
            return Applied(held.id)
        raw = held.model_dump(by_alias=True, exclude_unset=True)
        kept = {
            **self._location,
            **{name: raw[name] for name in _WRITABLE if raw.get(name) is not None},
        }
        after = yield from _answered(
            self._on_contact("PUT", contact, json=self._changed(kept, call.fields)),
            call,
        )
        if isinstance(after, Rejected):
            return after
        return Applied(
            after.id,
            self._dropped(call.fields, before, readable(held.tags or ()), after),
        )

    def _delete(self, call: Call) -> Exchange[Answer]:
        request = self._on_contact("DELETE", external_id(call))
        reply = yield from through_gateway(request, _KEY)
        if reply.not_there:
            return Applied(was_gone=True)
        if not reply.ok or _says_no(reply.body):
            return _refused(request, reply, call)
        shaped(request, reply, _Deleted)
        return Applied()

    def _tag(self, call: Call) -> Exchange[Answer]:
        tail = "/tags/add" if call.action is Action.ADD_TAGS else "/tags/remove"
        request = self._on_contact(
            "POST",
            external_id(call),
            tail,
            {"tags": [*call.add_tags, *call.remove_tags]},
        )
        reply = yield from self._with_tags(request, call.add_tags)
        if not reply.ok:
            return _refused(request, reply, call)
        told = shaped(request, reply, _Row)
        if told.tags is None or self._settings.tags_told != "all":
            return Applied(told.id)
        missing, left = (
            tags_not_taken(call.add_tags, told.tags),
            tags_not_removed(call.remove_tags, told.tags),
        )
        return Applied(told.id, (*missing, *left))

    def _with_tags(self, request: Request, tags: Sequence[str]) -> Exchange[Reply]:
        """Send a tag call; if it is refused, define missing tags and send it again.

        A tag that is not defined yet may be the reason of the refusal.
        """
        reply = yield from through_gateway(request, _KEY)
        if not tags or reply.status not in (400, 422):
            return reply
        defined = yield from if_allowed(self._all(_TAGS, lambda _: True))
        known = tags if defined is None else [tag.fields.get("name") for tag in defined]
        missing = sorted(set(tags) - set(known))
        for tag in missing:
            yield from through_gateway(
                self._request("POST", _TAGS, json={"name": tag}), _KEY
            )
        if not missing:
            return reply  # the tags are not why it was refused
        return (yield from through_gateway(request, _KEY))

    def _changed(self, body: Mapping[str, Json], changes: Fields) -> dict[str, Json]:
        """The body of a write, with some fields changed."""
        clear = self._settings.clear_with
        plain, custom = dict(body), dict(body.get("customFields") or {})
        for name, value in changes.items():
            if name not in _PLAIN:
                custom[name.removeprefix(_CUSTOM)] = (
                    "" if value is None and clear == "empty" else value
                )
            elif name == _STAGES.field:
                plain[name] = _STAGES.value(value)
            else:
                plain[name] = None if value is None and clear == "null" else text(value)
        kept = {
            name: value
            for name, value in custom.items()
            if value is not None or clear != "omit"
        }
        return {**plain, "customFields": kept}

    def _dropped(
        self, sent: Fields, before: Fields, tags: Iterable[str], after: _Row
    ) -> tuple[Unsupported, ...]:
        """Return what the vendor did not take, or lost, by its answer."""
        shown = after.remote().fields
        if shown["name"] is None:
            return ()  # it shows no contact, so that nothing follows from what it leaves out
        kept = {name: value for name, value in before.items() if name not in sent}
        fields = (*fields_not_taken(sent, shown, self.same), *fields_lost(kept, shown))
        return (*fields, *tags_not_taken(tags, after.tags or ()))

    def _request(
        self, method: str, path: str, query: _Query = (), json: Json = None
    ) -> Request:
        return Request(
            method,
            path,
            f"{method} {path}",
            query=query,
            headers=self._headers,
            json=json,
        )

    def _on_contact(
        self, method: str, contact: str, tail: str = "", json: Json = None
    ) -> Request:
        request = self._request(
            method, f"{_CONTACTS}/{segment(contact)}{tail}", json=json
        )
        return replace(request, route=f"{method} {_CONTACTS}/{{id}}{tail}")


def _shared_digits(phone: str) -> str:
    """Return the digits of a phone to search for.

    They are those that all of its spellings have, with and without the country code and
    as WhatsApp may know it: the digits at the end of all numbers.
    """
    numbers = phone_spellings(phone)
    if E164.fullmatch(phone):
        numbers = tuple(map(national_digits, numbers))
    shared, *others = map(digits, numbers)
    for other in others:
        while not other.endswith(shared):
            shared = shared[1:]
    return shared


def _narrowed(settings: Settings) -> _Query:
    """Return the parameters that narrow every search."""
    query: list[tuple[str, str]] = [(settings.location_as, settings.location_id)]
    if settings.channel:
        query.append(("channel", settings.channel))
    if settings.tagged:
        query.append(("tags", ",".join(settings.tagged)))
    return tuple(query)


def _answered(request: Request, call: Call) -> Exchange[_Row | Rejected]:
    reply = yield from through_gateway(request, _KEY)
    return shaped(request, reply, _Row) if reply.ok else _refused(request, reply, call)


def _says_no(body: Json) -> bool:
    return isinstance(body, Mapping) and body.get("success") is False


def _words(body: Json) -> str:
    return (
        text(body.get("message") or body.get("error"))
        if isinstance(body, Mapping)
        else ""
    )


def _refused(request: Request, reply: Reply, call: Call) -> Rejected:
    gone = reply.not_there and call.external_id is not None
    code = "not_found" if gone else "refused" if reply.ok else None
    return refused(request, reply, _words(reply.body), sent_values(call), code)


_CAUTIONS = (
    "Adding a tag sets off the automations that wait for it, and a new contact may too: they send messages to people.",
    "An update reads, changes and replaces the whole contact: what somebody else writes in between is lost.",
)
