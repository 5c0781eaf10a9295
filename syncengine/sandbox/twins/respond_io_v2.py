"""The twin of respond.io v2: new contacts wait in a queue, 403 means three things, and every route has its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.account import Accounts, Definitions
from syncengine.sandbox.twins.respond_io_v2_people import (
    CUSTOM,
    PLAIN,
    Contact,
    People,
    by_age,
)
from syncengine.sandbox.twins.respond_io_v2_screen import RespondIoV2Screen
from syncengine.sandbox.twins.respond_io_v2_wire import (
    VERBS,
    Clearing,
    Kind,
    RefusedError,
    channels,
    custom_of,
    identified,
    invalid,
    is_plain_phone,
    listed,
    object_of,
    paging_of,
    plain_of,
    routed,
    tags_of,
    values_of,
    wanted_of,
)
from syncengine.sandbox.twins.twin import (
    SWITCHES,
    Seed,
    TwinRequest,
    answer,
    changed,
    limit_headers,
    retry_header,
)

_EDGE = b"<html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches for what the documentation leaves open."""

    __pydantic_config__ = SWITCHES

    tokens: tuple[str, ...] = ("sandbox-token",)
    """All of one workspace."""
    queue_delay: float = 0.0
    """Seconds that a new contact waits in the queue: reading it is 404 until then,
    writing to it 449."""
    upsert_empty_body: bool = False
    """True where the answer to an upsert holds no id."""
    upsert_match: Literal["identifier", "any"] = "identifier"
    """Keys that an upsert matches by: the one in its path alone, or each phone and
    e-mail that it carries."""
    first_name_in_updates: Literal["required", "optional"] = "required"
    custom_fields: dict[str, Kind] | None = None
    """The custom fields that are defined, with their types; None: any, of any type."""
    custom_shown: Literal["text", "typed"] = "text"
    null_mode: Literal["clear", "ignore"] = "clear"
    empty_mode: Literal["400", "clear"] = "400"
    """Effect of the empty text on a plain field; a custom field that may be any keeps
    it."""
    shows_plus: bool = True
    """True where a phone is shown with its ``+``."""
    email_case: Literal["keep", "lower"] = "keep"
    filter_case: Literal["exact", "ignore"] = "exact"
    phone_filters: Literal["any", "e164"] = "any"
    """Values that a filter takes for the phone: any text, or digits behind a ``+`` or
    none; others are 400."""
    lifecycles: tuple[str, ...] | None = None
    """The stages that are defined; None: any."""
    known_tags: tuple[str, ...] | None = None
    """The tags that are defined; None: any."""
    unknown_tag: Literal["create", "400"] = "create"
    """Effect of a tag that somebody undefined."""
    blocked: Literal["taken", "403"] = "taken"
    """Answer to writes about a contact that is blocked."""
    tags_as: Literal["array", "object", "both"] = "array"
    """Form that the body of a tag call must have: a bare array, ``{"tags": [...]}``, or
    either."""
    channels: int = 1
    """Number of channels of each contact that has a phone."""
    channels_per_page: int = 10
    merge_tags: Literal["both", "older"] = "both"
    """Tags of a merged contact: those of both contacts, or of the older one."""
    send_retry_after: bool = True
    send_limit_headers: bool = True


class Account:
    """The contacts of one workspace, and what is defined there."""

    def __init__(self, number: int) -> None:
        self.people = People(number)
        self.definitions = Definitions()


class RespondIoV2Twin:
    """See ``Twin``. Paths may begin with ``/v2``. Limits count each method and route by itself, over all tokens."""

    vendor_limits = (TwinLimit(5, 1.0, "fixed"),)
    screen_kind = RespondIoV2Screen

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
    def people(self) -> People:
        return self.account.people

    @property
    def settings(self) -> dict[str, str]:
        return {"token": self.switches.tokens[0]}

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.switches = changed(self.switches, changes)

    def reset(self) -> None:
        self.accounts = Accounts(Account)
        self.limiter.reset()

    def route(self, request: TwinRequest) -> str:
        found = routed(request)
        return f"{request.method} {found[0] if found else '/?'}"

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        given = request.headers.get("authorization", "")
        if not given:
            return Response(403, {"content-type": "text/html"}, _EDGE)
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or token not in self.switches.tokens:
            return self.refusal(401, "UN_AUTHORIZED")
        wait = self.limiter.arrive(request.method, now, self.route(request))
        if wait is None:
            return None
        refusal = self.refusal(
            429, "Too Many Requests", wait if self.switches.send_retry_after else None
        )
        return self._with_limits(refusal, request, now)

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        return answer(
            status, {"code": status, "message": text}, retry_header(retry_after)
        )

    def commit(self, request: TwinRequest, now: float) -> Response:
        return self._with_limits(self._judged(request, now), request, now)

    def _with_limits(
        self, response: Response, request: TwinRequest, now: float
    ) -> Response:
        if not self.switches.send_limit_headers:
            return response
        headers = limit_headers(
            self.limiter.standing(request.method, now, self.route(request)), now
        )
        headers.pop("x-ratelimit-reset", None)
        return replace(response, headers={**response.headers, **headers})

    def _judged(self, request: TwinRequest, now: float) -> Response:
        found = routed(request)
        if found is None:
            return self.refusal(404, "Not Found")
        pattern, identifier = found
        if request.method not in VERBS[pattern]:
            return self.refusal(405, "Method Not Allowed")
        try:
            return self._answer(f"{request.method} {pattern}", identifier, request, now)
        except RefusedError as refused:
            return self.refusal(refused.status, str(refused))

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        made = []
        for each in seeds:
            plain = {
                name: value for name, value in each.fields.items() if name in PLAIN
            }
            custom = {
                name.removeprefix(CUSTOM): v
                for name, v in each.fields.items()
                if name.startswith(CUSTOM)
            }
            made_at = now if each.created is None else each.created
            contact = self.people.add(plain, custom, now=made_at, ready=now)
            contact.lifecycle = each.fields.get("lifecycle")
            contact.tags.update(dict.fromkeys(each.tags))
            made.append(str(contact.id))
        return made

    def contacts(self, now: float) -> list[dict[str, Json]]:  # noqa: ARG002 - who waits in the queue is held as well
        return [self._flat(contact) for contact in self.people]

    def screen(self, now: float) -> RespondIoV2Screen:
        return RespondIoV2Screen(self, now)

    def _flat(self, contact: Contact) -> dict[str, Json]:
        shown = self._shown(contact)
        fields = {
            name: shown[name]
            for name in (*PLAIN, "lifecycle")
            if shown[name] is not None
        }
        fields |= {
            f"{CUSTOM}{pair['name']}": pair["value"]
            for pair in shown["custom_fields"] or ()
        }
        return {
            "id": str(contact.id),
            "key": None,
            "fields": fields,
            "tags": list(contact.tags),
        }

    def _shown(self, contact: Contact) -> dict[str, Json]:
        return contact.shown(
            as_text=self.switches.custom_shown == "text", plus=self.switches.shows_plus
        )

    def _answer(
        self, what: str, identifier: str, request: TwinRequest, now: float
    ) -> Response:
        match what:
            case "POST /contact/list":
                return self._list(request, now)
            case "POST /contact/merge":
                return self._merge(object_of(request), now)
            case "POST /contact/create_or_update/{identifier}":
                return self._upsert(identifier, object_of(request), now)
            case "POST /contact/{identifier}":
                return self._create(identifier, object_of(request), now)
            case _ if request.method == "GET":
                return answer(
                    200,
                    self._told(
                        what, request, self._contact(identifier, now, reads=True)
                    ),
                )
            case _:
                return self._change(what, request, self._contact(identifier, now))

    def _told(self, what: str, request: TwinRequest, contact: Contact) -> Json:
        match what:
            case "GET /contact/{identifier}/channels":
                return self._channels(request, contact)
            case "GET /contact/{identifier}/message/list":
                return listed([])
            case _:
                return self._shown(contact)

    def _channels(self, request: TwinRequest, contact: Contact) -> Json:
        _, start = paging_of(request)
        every = channels(contact, self.switches.channels)
        end = start + self.switches.channels_per_page
        path = request.path.removeprefix("/v2").removeprefix("/")
        following = f"?cursorId={end}" if end < len(every) else None
        return listed(every[start:end], following, path)

    def _change(self, what: str, request: TwinRequest, contact: Contact) -> Response:
        if contact.blocked and self.switches.blocked == "403":
            raise RefusedError(403, "Contact is blocked")
        match what:
            case "PUT /contact/{identifier}":
                must_name = self.switches.first_name_in_updates == "required"
                self._write(contact, object_of(request), must_name=must_name)
            case "DELETE /contact/{identifier}":
                self.people.remove(contact)
            case "POST /contact/{identifier}/lifecycle/update":
                self._set_lifecycle(contact, object_of(request))
                return answer(
                    200,
                    {"code": 200, "message": "Contact lifecycle updated successfully!"},
                )
            case _:
                self._tag(
                    contact,
                    tags_of(request, self.switches.tags_as),
                    adds=request.method == "POST",
                )
        return answer(200, {"contactId": contact.id})

    def _contact(self, identifier: str, now: float, *, reads: bool = False) -> Contact:
        """Return the contact that is named; the oldest where there are several."""
        kind, value = identified(identifier)
        found = next(iter(self._holders(kind, value)), None)
        if found is None or (reads and found.ready > now):
            raise RefusedError(404, "Contact not found")
        if found.ready > now:
            raise RefusedError(
                449,
                "The contact is still in queue to be created. Please try again in a few minutes.",
            )
        return found

    def _holders(self, kind: str, value: str) -> list[Contact]:
        if kind != "id":
            return self.people.holders(kind, value)
        found = self.people.get(int(value))
        return [found] if found else []

    def _known(self, body: Mapping[str, Json]) -> Contact | None:
        """Return a contact with the phone or the e-mail of a write."""
        keys = ((name, body[name]) for name in ("phone", "email") if body.get(name))
        return next(iter(self.people.holders_of_any(keys)), None)

    def _create(
        self, identifier: str, body: Mapping[str, Json], now: float
    ) -> Response:
        kind, value = identified(identifier)
        if kind == "id":
            raise invalid("identifier")
        if self._known({kind: value, **body}):
            raise RefusedError(403, "Contact already exists.")
        self._make({kind: value, **body}, now)
        return answer(200, {"code": "200", "message": "Contact added successfully!"})

    def _upsert(
        self, identifier: str, body: Mapping[str, Json], now: float
    ) -> Response:
        kind, value = identified(identifier)
        found = next(iter(self._holders(kind, value)), None)
        if kind == "id" and found is None:
            raise RefusedError(404, "Contact not found")
        if found is None and self.switches.upsert_match == "any":
            found = self._known(body)
        if found is None:
            found = self._make({kind: value, **body}, now)
        else:
            self._write(found, body, must_name=True)
        return answer(
            200, {} if self.switches.upsert_empty_body else {"contactId": found.id}
        )

    def _make(self, body: Mapping[str, Json], now: float) -> Contact:
        plain, custom = self._written(body, must_name=True)
        self._check_required({**plain, **custom}, creates=True)
        return self.people.add(
            plain, custom, now=now, ready=now + self.switches.queue_delay
        )

    def _write(
        self, contact: Contact, body: Mapping[str, Json], *, must_name: bool
    ) -> None:
        plain, custom = self._written(body, must_name=must_name)
        after = {**contact.plain, **contact.custom, **plain, **custom}
        self._check_required(after, creates=False)
        self.people.write(contact, plain, custom)

    def _check_required(self, fields: Mapping[str, Json], *, creates: bool) -> None:
        given = (name for name, value in fields.items() if value is not None)
        if missing := self.definitions.missing(given, creates=creates):
            raise invalid(f"{missing[0]} is required")

    def _written(
        self, body: Mapping[str, Json], *, must_name: bool
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        """The plain and the custom fields that a write sets, or clears (None)."""
        clearing = Clearing(
            self.switches.null_mode == "clear", self.switches.empty_mode == "clear"
        )
        plain = dict(plain_of(body, clearing))
        if must_name and "firstName" not in plain:
            raise invalid("firstName is required")
        if self.switches.email_case == "lower" and plain.get("email"):
            plain["email"] = plain["email"].lower()
        custom = dict(custom_of(body, self.switches.custom_fields, clearing))
        if undefined := self.definitions.undefined("field", custom):
            raise invalid(f"custom field {undefined[0]} does not exist")
        return plain, custom

    def _set_lifecycle(self, contact: Contact, body: Mapping[str, Json]) -> None:
        name, defined = body.get("name"), self.switches.lifecycles
        if "name" not in body or not (name is None or (isinstance(name, str) and name)):
            raise invalid("name")
        unknown = defined is not None and name not in defined
        if name is not None and (unknown or not self.definitions.has("stage", name)):
            raise invalid("no such lifecycle")
        contact.lifecycle = name

    def _tag(self, contact: Contact, tags: Sequence[str], *, adds: bool) -> None:
        known = self.switches.known_tags
        lacks = known is not None and not set(tags) <= set(known)
        strict = self.switches.unknown_tag == "400"
        if adds and (lacks or (strict and self.definitions.undefined("tag", tags))):
            raise invalid("no such tag")
        for tag in tags:
            if adds:
                self.definitions.define("tag", tag)
                contact.tags.setdefault(tag)
            else:
                contact.tags.pop(tag, None)

    def _list(self, request: TwinRequest, now: float) -> Response:
        limit, after = paging_of(request)
        defined = self.switches.custom_fields or {}
        checkboxes = frozenset(
            name for name, kind in defined.items() if kind == "checkbox"
        )
        body = object_of(request)
        is_wanted = wanted_of(
            body, checkboxes, any_case=self.switches.filter_case == "ignore"
        )
        values = values_of(body)
        phones = [str(value) for name, value in values or () if name == "phone"]
        if self.switches.phone_filters == "e164" and not all(
            map(is_plain_phone, phones)
        ):
            raise invalid("phone")
        some = self.people if values is None else self.people.holders_of_any(values)
        here = (each for each in some if each.ready <= now and each.id > after)
        rows = [shown for shown in map(self._shown, here) if is_wanted(shown)]
        following = (
            f"?limit={limit}&cursorId={rows[limit - 1]['id']}"
            if len(rows) > limit
            else None
        )
        return answer(200, listed(rows[:limit], following))

    def _merge(self, body: Mapping[str, Json], now: float) -> Response:
        match body.get("contactIds"):
            case [int(one), int(other)] if one != other:
                pair = (one, other)
            case _:
                raise invalid("contactIds")
        older, younger = by_age(*(self._contact(f"id:{each}", now) for each in pair))
        self._write(older, body, must_name=False)
        self.merge(older, younger)
        return answer(200, {"contactId": older.id})

    def merge(self, older: Contact, younger: Contact) -> None:
        """Make one contact of two; the older one keeps what it has."""
        plain = {**younger.plain, **older.plain}
        custom = {**younger.custom, **older.custom}
        # The younger one goes first: two contacts never have one phone.
        self.people.remove(younger)
        self.people.write(older, plain, custom)
        if self.switches.merge_tags == "both":
            older.tags.update(younger.tags)


TWIN = RespondIoV2Twin
